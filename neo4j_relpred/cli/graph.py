"""Commands that look at the graph: init, doctor, snapshot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.show import json_option, print_json, progress_bars, table
from neo4j_relpred.errors import InvalidSettings

__all__ = ["doctor", "init", "snapshot"]


@click.command()
@click.option("--uri", help="Bolt address of the server.")
@click.option("--user", help="User name.")
@click.option("--database", help="Name of the database.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("relpred.toml"), show_default=True, help="File to write."
)
@click.option("--force/--no-force", default=False, help="Replace an existing file.")
@click.pass_obj
def init(opened: Opened, uri: str | None, user: str | None, database: str | None, output: Path, force: bool) -> None:
    """Write a commented settings file for the graph that is found.

    Example: RELPRED_GRAPH__PASSWORD=... relpred init --uri bolt://127.0.0.1:7687
    """
    from neo4j_relpred.cli.settings_file import render
    from neo4j_relpred.graph.client import Neo4jClient
    from neo4j_relpred.graph.proposal import propose
    from neo4j_relpred.graph.schema import discover_schema

    if output.exists() and not force:
        raise InvalidSettings(f"{output} is there already.", hint="Use --force to replace it, or another --output.")
    # a file that is being replaced may be broken, so it is not read
    settings = replace(opened, read_default=False).settings(graph={"uri": uri, "user": user, "database": database})
    with Neo4jClient.open(settings.graph) as client:
        schema = discover_schema(client, settings.graph)
    proposal = propose(schema)
    output.write_text(render(settings.graph, schema, proposal), encoding="utf-8")
    click.echo(f"Wrote {output}: {len(schema.labels)} labels, {len(schema.relations)} relationship types.")
    if not schema.relations:
        click.secho(
            "Warning: the graph has no relationships yet; there is nothing to learn from.", fg="yellow", err=True
        )
    click.echo("Next: relpred train --minutes 10")


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


@click.command()
@json_option
@click.pass_obj
def snapshot(opened: Opened, as_json: bool) -> None:
    """Read the graph and keep it as the latest snapshot.

    Example: relpred snapshot --json
    """
    with opened.predictor() as predictor, progress_bars() as progress:
        data = predictor.snapshot(progress)
    if as_json:
        print_json({"nodes": len(data.ids), "edges": len(data.triples), "contentHash": data.content_hash})
    else:
        counts = f"{len(data.ids)} nodes, {len(data.triples)} edges of {len(data.relations)} types"
        click.echo(f"{counts}; content {data.content_hash[:12]}.")
