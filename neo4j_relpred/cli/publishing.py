"""Commands that write: publish, undo, run list|show; and estimate, which says what publishing takes."""

from __future__ import annotations

from pathlib import Path

import click

from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.show import json_option, print_json, progress_bars, show_estimate, show_publication, table

__all__ = ["estimate", "publish", "run", "undo"]

dry_run_option = click.option(
    "--dry-run/--no-dry-run", default=False, help="Say what would change, and change nothing."
)


@click.command()
@click.option("--min-probability", type=click.FloatRange(0, 1), help="Publish nothing less probable.")
@click.option(
    "--precision",
    type=click.FloatRange(0, 1, min_open=True),
    help="Publish of each type as many as are expected to hold this often.",
)
@click.option(
    "--candidates",
    "file",
    type=click.Path(path_type=Path),
    help="Judge the triples of this file (CSV, TSV or Parquet: head, relation, tail) and nothing else.",
)
@click.option(
    "--candidates-query",
    "query",
    metavar="CYPHER",
    help="Judge the triples that this query returns as head, relation, tail, and nothing else.",
)
@click.option("--changed", is_flag=True, help="Ask only about nodes that changed since the last publication.")
@dry_run_option
@click.option(
    "--confirm-shrink/--no-confirm-shrink", default=False, help="Publish a set much smaller than the present one."
)
@click.option("--take-over/--no-take-over", default=False, help="Take types over that another model publishes.")
@json_option
@click.pass_obj
def publish(
    opened: Opened,
    /,
    file: Path | None,
    query: str | None,
    min_probability: float | None,
    precision: float | None,
    *,
    changed: bool,
    as_json: bool,
    **consent: bool,
) -> None:
    """Leave exactly the probable new relationships in the graph, as PREDICTED_ edges.

    Of each type that is published, the edges that were there before and are not wanted any more are removed. Types
    that given candidates do not have are left as they are.

    Example: relpred publish --precision 0.9 --dry-run
    """
    given = file is not None or query is not None
    if min_probability is not None and precision is not None:
        raise click.UsageError("--min-probability and --precision are two ways to say one thing: give one of them.")
    if given and changed:
        raise click.UsageError("--changed is about what a sweep asks: it does not go with candidates.")
    with opened.predictor(publishing={"only_changed": changed or None}) as predictor, progress_bars() as progress:
        candidates = predictor.publishing.candidates(file, query) if given else None
        report = predictor.publish(
            progress, candidates=candidates, min_probability=min_probability, precision=precision, **consent
        )
    show_publication(report, as_json=as_json)


@click.command()
@json_option
@click.pass_obj
def estimate(opened: Opened, as_json: bool) -> None:
    """Say what publishing would ask, how long that takes and how much memory, and publish nothing.

    Example: relpred estimate
    """
    with opened.predictor() as predictor:
        show_estimate(predictor.estimate(), as_json=as_json)


@click.command()
@click.argument("run_id", metavar="RUN")
@dry_run_option
@json_option
@click.pass_obj
def undo(opened: Opened, run_id: str, dry_run: bool, as_json: bool) -> None:
    """Put back what stood in the graph before RUN.

    Example: relpred undo 20261124-120000-ab12cd
    """
    with opened.predictor() as predictor, progress_bars() as progress:
        report = predictor.undo(run_id, progress, dry_run=dry_run)
    show_publication(report, as_json=as_json)


@click.group()
def run() -> None:
    """Look at the ledger of publications in the graph."""


@run.command("list")
@json_option
@click.pass_obj
def list_runs(opened: Opened, as_json: bool) -> None:
    """List all runs, newest first.

    Example: relpred run list
    """
    with opened.predictor() as predictor:
        runs = predictor.runs()
    if as_json:
        print_json([{name: getattr(run, name) for name in run.__dataclass_fields__} for run in runs])
        return
    columns = ("run", "kind", "model", "status", "started", "created", "updated", "removed", "unchanged")
    rows = [(r.id, r.kind, r.model, r.status, r.started_at, r.created, r.updated, r.removed, r.unchanged) for r in runs]
    table("", columns, rows, numbers=range(5, 9))


@run.command("show")
@click.argument("run_id", metavar="RUN")
@json_option
@click.pass_obj
def show_run(opened: Opened, run_id: str, as_json: bool) -> None:
    """Show one run.

    Example: relpred run show 20261124-120000-ab12cd
    """
    with opened.predictor() as predictor:
        found = predictor.run(run_id)
    values = {name: getattr(found, name) for name in found.__dataclass_fields__}
    if as_json:
        print_json(values)
    else:
        table("", ("", ""), list(values.items()))
