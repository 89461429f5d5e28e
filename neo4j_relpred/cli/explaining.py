"""The command that says why: explain."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.show import json_option, print_json, table
from neo4j_relpred.triples import Triple

if TYPE_CHECKING:
    from neo4j_relpred.data.explanation import Explanation

__all__ = ["explain"]


@click.command()
@click.argument("triple", nargs=3, metavar="HEAD RELATION TAIL")
@json_option
@click.pass_obj
def explain(opened: Opened, triple: tuple[str, str, str], as_json: bool) -> None:
    """Say why one triple is scored as it is, whether the graph holds it or not.

    The triple is taken out of the graph before, so that it does not speak for itself. Shows the share of each kind of
    evidence in the score, and the rules that lead from HEAD to TAIL, each with a Cypher pattern that finds its paths.

    Example: relpred explain Q185465 OCCUPATION Q33999
    """
    head, relation, tail = triple
    with opened.predictor() as predictor:
        found = predictor.explain(Triple(head, predictor.review.relation_of(relation), tail))
    if as_json:
        print_json(asdict(found))
    else:
        _show(found)


def _show(found: Explanation) -> None:
    scored = found.scored
    click.echo(
        f"{scored.triple.head} {scored.triple.relation} {scored.triple.tail}: probability {scored.probability:.3f}, "
        f"score {scored.score:.2f}, rank {scored.rank}."
    )
    shares = [(clue.kind, f"{clue.share:.0%}", clue.text) for clue in found.clues]
    table("What the score comes from", ("evidence", "share", "what it says"), shares, numbers=(1,))
    for number, rule in enumerate(found.rules, start=1):
        click.echo(f"{number}. {rule.confidence:.2f}  {rule.text}\n   MATCH {rule.pattern}")
        for path in rule.bindings:
            click.echo(f"   {' - '.join(node.name for node in path)}")
    if not found.rules:
        click.echo("No rule leads from the head to the tail.")
