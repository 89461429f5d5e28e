"""The command that looks for what may be wrong in the graph: audit."""

from __future__ import annotations

import click

from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.show import json_option, progress_bars, show_answers

__all__ = ["audit"]


@click.command()
@click.argument("relations", nargs=-1, metavar="[RELATION]...")
@click.option("--most", type=click.IntRange(1), default=20, show_default=True, help="How many to show.")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Time; a random part of the relationships is looked at when it is not enough.",
)
@json_option
@click.pass_obj
def audit(opened: Opened, relations: tuple[str, ...], most: int, minutes: float, as_json: bool) -> None:
    """Show the relationships that are in the graph and look least probable, of some types or of all.

    Each is judged by the rest of the graph. A low probability is a reason to look, not to delete: what only one node
    has looks improbable as well.

    Example: relpred audit OCCUPATION --most 50
    """
    with opened.predictor() as predictor:
        with progress_bars() as progress:
            found = predictor.audit(relations, most, minutes, progress)
        show_answers(found, predictor.name_of, as_json=as_json)
