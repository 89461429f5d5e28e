"""Commands that ask: predict heads, tails, relations, triples. Nodes are named by their key property."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.show import json_option, show_answers
from neo4j_relpred.triples import Query, Triple

__all__ = ["predict"]


def ranking_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every ranking takes."""
    top_k = click.option(
        "--top-k", type=click.IntRange(1), default=10, show_default=True, help="How many answers to show."
    )
    least = click.option(
        "--min-probability",
        type=click.FloatRange(0, 1),
        default=0.0,
        show_default=True,
        help="Leave out less probable ones.",
    )
    return top_k(least(command))


@click.group()
def predict() -> None:
    """Ask the live model what is missing."""


@predict.command()
@click.argument("relation")
@click.argument("tail")
@ranking_options
@json_option
@click.pass_obj
def heads(opened: Opened, relation: str, tail: str, top_k: int, min_probability: float, as_json: bool) -> None:
    """Rank the nodes that may stand in RELATION to TAIL.

    Example: relpred predict heads OCCUPATION Q82955
    """
    _ask(opened, Query(relation=relation, tail=tail), top_k, min_probability, as_json=as_json)


@predict.command()
@click.argument("head")
@click.argument("relation")
@ranking_options
@json_option
@click.pass_obj
def tails(opened: Opened, head: str, relation: str, top_k: int, min_probability: float, as_json: bool) -> None:
    """Rank the nodes that HEAD may stand in RELATION to.

    Example: relpred predict tails Q185465 OCCUPATION --top-k 5
    """
    _ask(opened, Query(head=head, relation=relation), top_k, min_probability, as_json=as_json)


@predict.command()
@click.argument("head")
@click.argument("tail")
@ranking_options
@json_option
@click.pass_obj
def relations(opened: Opened, head: str, tail: str, top_k: int, min_probability: float, as_json: bool) -> None:
    """Rank the relations that may hold from HEAD to TAIL.

    Example: relpred predict relations Q185465 Q30
    """
    _ask(opened, Query(head=head, tail=tail), top_k, min_probability, as_json=as_json)


@predict.command()
@click.argument("triple", nargs=3, metavar="HEAD RELATION TAIL")
@json_option
@click.pass_obj
def triples(opened: Opened, triple: tuple[str, str, str], as_json: bool) -> None:
    """Score one triple, whether the graph holds it or not.

    Example: relpred predict triples Q185465 OCCUPATION Q33999
    """
    with opened.predictor() as predictor:
        show_answers(predictor.score([Triple(*triple)]), predictor.name_of, as_json=as_json)


def _ask(opened: Opened, query: Query, top_k: int, min_probability: float, *, as_json: bool) -> None:
    with opened.predictor() as predictor:
        show_answers(predictor.predict(query, top_k, min_probability), predictor.name_of, as_json=as_json)
