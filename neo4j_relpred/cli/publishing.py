"""Commands that write: publish, undo, run list|show."""

from __future__ import annotations

import click

from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.show import json_option, print_json, progress_bars, show_publication, table

__all__ = ["publish", "run", "undo"]

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
@dry_run_option
@click.option(
    "--confirm-shrink/--no-confirm-shrink", default=False, help="Publish a set much smaller than the present one."
)
@click.option("--take-over/--no-take-over", default=False, help="Take types over that another model publishes.")
@json_option
@click.pass_obj
def publish(
    opened: Opened,
    min_probability: float | None,
    precision: float | None,
    dry_run: bool,
    confirm_shrink: bool,
    take_over: bool,
    as_json: bool,
) -> None:
    """Leave exactly the probable new relationships in the graph, as PREDICTED_ edges.

    Example: relpred publish --precision 0.9 --dry-run
    """
    if min_probability is not None and precision is not None:
        raise click.UsageError("--min-probability and --precision are two ways to say one thing: give one of them.")
    with opened.predictor() as predictor, progress_bars() as progress:
        report = predictor.publish(
            progress,
            min_probability=min_probability,
            precision=precision,
            dry_run=dry_run,
            confirm_shrink=confirm_shrink,
            take_over=take_over,
        )
    show_publication(report, as_json=as_json)


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
