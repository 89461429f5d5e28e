"""Commands that look at the graph: init, doctor."""

from __future__ import annotations

from pathlib import Path

import click

from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.show import json_option, print_json, table

__all__ = ["doctor", "init"]


@click.command()
@click.option("--uri", help="Bolt address of the server.")
@click.option("--user", help="User name.")
@click.option("--database", help="Name of the database.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("relpred.toml"), show_default=True, help="File to write."
)
@click.option("--force/--no-force", default=False, help="Replace an existing file.")
@click.option(
    "--check/--no-check", default=False, help="Write nothing; compare the existing file with the graph as it is now."
)
@json_option
@click.pass_obj
def init(opened: Opened, /, output: Path, force: bool, check: bool, as_json: bool, **server: str | None) -> None:
    """Write a commented settings file for the graph that is found.

    With --check, say what of an existing file no longer fits the graph, and what is new; exit with 1 if that stops a
    training or a publication.

    Example: RELPRED_GRAPH__PASSWORD=... relpred init --uri bolt://127.0.0.1:7687
    """
    from neo4j_relpred.cli import starting

    if check:
        if not starting.check(opened, output, server, as_json=as_json):
            raise click.exceptions.Exit(1)
    else:
        starting.write(opened, output, server, force=force, as_json=as_json)


@click.command()
@json_option
@click.pass_obj
def doctor(opened: Opened, as_json: bool) -> None:
    """Check settings, connection, encoder, model and runs, and say what to do about each.

    Example: relpred doctor
    """
    from neo4j_relpred.cli.checks import run_checks

    with opened.predictor() as predictor:
        found = run_checks(predictor)
    if as_json:
        print_json([{"check": c.name, "state": c.state, "found": c.found, "hint": c.hint} for c in found])
    else:
        table("", ("check", "state", "found", "what to do"), [(c.name, c.state, c.found, c.hint) for c in found])
    if any(check.state == "error" for check in found):
        raise click.exceptions.Exit(1)
