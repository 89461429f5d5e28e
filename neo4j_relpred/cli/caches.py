"""The command cache: show and vacuum the vectors of texts."""

from __future__ import annotations

from dataclasses import asdict

import click

from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.show import json_option, print_json, table

__all__ = ["cache"]


@click.group()
def cache() -> None:
    """Look at the vectors of texts that are kept, and drop those of other encoders."""


@cache.command()
@json_option
@click.pass_obj
def show(opened: Opened, as_json: bool) -> None:
    """Show how many vectors are kept of each encoder.

    Example: relpred cache show
    """
    with opened.predictor() as predictor:
        counts, present = predictor.text_cache.by_encoder(), predictor.text_cache.fingerprint
    if as_json:
        print_json([{"encoder": name, "vectors": n, "present": name == present} for name, n in counts.items()])
        return
    rows = [(name[:12], number, "that of the settings" if name == present else "") for name, number in counts.items()]
    table("", ("encoder", "vectors", ""), rows, numbers=(1,))


@cache.command()
@json_option
@click.pass_obj
def vacuum(opened: Opened, as_json: bool) -> None:
    """Drop the vectors of all encoders but that of the settings.

    Example: relpred cache vacuum
    """
    with opened.predictor() as predictor:
        done = predictor.text_cache.vacuum()
    if as_json:
        print_json(asdict(done))
    else:
        click.echo(f"{done.removed} vectors removed, {done.kept} kept, {done.freed_bytes / 1e6:.1f} MB given back.")
