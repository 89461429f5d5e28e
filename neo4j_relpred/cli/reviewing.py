"""Commands of reviewers: review list|accept|reject|withdraw|export|import."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neo4j_relpred.cli.decision_file import REASONS, pending_row, read_wishes, told_row, write_rows
from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.show import json_option, print_json, table
from neo4j_relpred.triples import Triple

if TYPE_CHECKING:
    from neo4j_relpred.graph.decisions import Decision

__all__ = ["review"]

triple_argument = click.argument("triple", nargs=3, metavar="HEAD RELATION TAIL")
note_option = click.option("--note", default="", help="A remark that is kept with the decision.")


def by_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Who decides."""
    return click.option("--by", default=_user, show_default="the name of the user", help="Who decides.")(command)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run a user without a name
        return "unknown"


@click.group()
def review() -> None:
    """Decide about what was published: accepted triples become real relationships, rejected ones never come back."""


@review.command("list")
@click.option("--relation", help="Only this type, without the prefix.")
@click.option("--min-probability", type=click.FloatRange(0, 1), default=0.0, help="Leave out less probable ones.")
@click.option(
    "--order",
    type=click.Choice(["probable", "uncertain"]),
    default="probable",
    show_default=True,
    help="What comes first: the most probable, or those nearest to even.",
)
@click.option("--most", type=click.IntRange(1), default=20, show_default=True, help="How many to show.")
@click.option("--decided/--pending", default=False, help="Show what was decided, or what waits for it.")
@json_option
@click.pass_obj
def list_review(
    opened: Opened, relation: str | None, min_probability: float, order: Any, most: int, decided: bool, as_json: bool
) -> None:
    """List published edges that nobody has decided about, or the decisions.

    Example: relpred review list --relation OCCUPATION --order uncertain
    """
    with opened.predictor() as predictor:
        if decided:
            _show_decisions(predictor.review.decisions(relation, most), as_json=as_json)
            return
        found = predictor.review.pending(relation=relation, min_probability=min_probability, order=order, most=most)
    if as_json:
        print_json([pending_row(one) for one in found])
        return
    rows = [
        (
            _end(one.head_name, one.triple.head),
            one.triple.relation,
            _end(one.tail_name, one.triple.tail),
            f"{one.probability:.3f}",
            one.evidence,
        )
        for one in found
    ]
    table("", ("head", "relation", "tail", "probability", "evidence"), rows, numbers=(3,))
    if not rows:
        click.echo("Nothing waits for a decision.")


@review.command()
@triple_argument
@note_option
@by_option
@click.pass_obj
def accept(opened: Opened, triple: tuple[str, str, str], note: str, by: str) -> None:
    """Make a triple a real relationship, and take its predicted edge away.

    Example: relpred review accept Q185465 OCCUPATION Q33999
    """
    _decide(opened, triple, "accepted", "", note, by)


@review.command()
@triple_argument
@click.option("--reason", type=click.Choice(REASONS), default=None, help="Why it is wrong.")
@note_option
@by_option
@click.pass_obj
def reject(opened: Opened, triple: tuple[str, str, str], reason: str | None, note: str, by: str) -> None:
    """Take a predicted edge away for good; the next training learns from it.

    Example: relpred review reject Q185465 OCCUPATION Q33999 --reason wrong-kind
    """
    _decide(opened, triple, "rejected", reason or "", note, by)


@review.command()
@triple_argument
@click.pass_obj
def withdraw(opened: Opened, triple: tuple[str, str, str]) -> None:
    """Take a decision back, and the relationship that accepting made. The next publication may propose it again.

    Example: relpred review withdraw Q185465 OCCUPATION Q33999
    """
    with opened.predictor() as predictor:
        predictor.review.take_back(Triple(*triple))
    click.echo("The decision is withdrawn.")


@review.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--relation", help="Only this type, without the prefix.")
@click.option("--min-probability", type=click.FloatRange(0, 1), default=0.0, help="Leave out less probable ones.")
@click.option("--decided/--pending", default=False, help="Write the decisions, or what waits for one.")
@click.pass_obj
def export_review(opened: Opened, file: Path, relation: str | None, min_probability: float, decided: bool) -> None:
    """Write a CSV (or .jsonl) FILE to be filled in: `accept` or `reject` in the column decision, maybe a reason.

    Example: relpred review export pending.csv --min-probability 0.8
    """
    with opened.predictor() as predictor:
        rows = (
            [told_row(one) for one in predictor.review.decisions(relation)]
            if decided
            else [
                pending_row(one) for one in predictor.review.pending(relation=relation, min_probability=min_probability)
            ]
        )
    write_rows(file, rows)
    click.echo(f"Wrote {len(rows)} triples to {file}.")


@review.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@by_option
@json_option
@click.pass_obj
def import_review(opened: Opened, file: Path, by: str, as_json: bool) -> None:
    """Carry out the decisions of a FILE that `export` wrote; rows without one are passed over.

    Nothing is done when a row is not understood.

    Example: relpred review import pending.csv --by anna
    """
    wishes = read_wishes(file)
    with opened.predictor() as predictor:
        done = predictor.review.decide(wishes, by)
    if as_json:
        print_json(done)
        return
    for outcome, number in sorted(done.items()):
        click.echo(f"{number} {outcome}.")
    if not done:
        click.echo(f"{file} holds no decision: write accept or reject into the column decision.")


def _decide(opened: Opened, parts: tuple[str, str, str], verdict: Any, reason: Any, note: str, by: str) -> None:
    from neo4j_relpred.graph.decisions import Wish

    triple = Triple(*parts)
    with opened.predictor() as predictor:
        predictor.review.settle(Wish(triple, verdict, reason, note), by)
    click.echo(f"{verdict.capitalize()}: {triple.head} {triple.relation} {triple.tail}.")


def _show_decisions(decisions: list[Decision], *, as_json: bool) -> None:
    if as_json:
        print_json(
            [{**told_row(one), "by": one.by, "decidedAt": one.decided_at, "model": one.model} for one in decisions]
        )
        return
    rows = [
        (one.triple.head, one.triple.relation, one.triple.tail, one.verdict, one.reason, one.by, one.decided_at)
        for one in decisions
    ]
    table("", ("head", "relation", "tail", "verdict", "reason", "by", "at"), rows)


def _end(name: str, entity: str) -> str:
    return name if name == entity else f"{name} ({entity})"
