"""Commands over trained versions: model list|show|promote|rollback|drop."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.show import (
    json_option,
    print_json,
    progress_bars,
    show_drift,
    show_gate,
    show_live,
    show_rehearsal,
    show_report,
    show_slices,
    show_versions,
    table,
)
from neo4j_relpred.errors import DatabaseNotFound, GraphUnavailable, LoginRefused, SnapshotCorrupt

if TYPE_CHECKING:
    from neo4j_relpred.api import RelationPredictor
    from neo4j_relpred.evaluation.live import LivePrecision
    from neo4j_relpred.evaluation.report import Report
    from neo4j_relpred.model.registry import ModelVersion

__all__ = ["model"]


@click.group()
def model() -> None:
    """Look at trained versions, and choose which one answers."""


@model.command("list")
@json_option
@click.pass_obj
def list_models(opened: Opened, as_json: bool) -> None:
    """List all versions of the model.

    Example: relpred model list
    """
    with opened.predictor() as predictor:
        versions = predictor.models()
    rows = []
    for version in versions:
        report = version.about["report"]
        figures = report["entities"]["mrr"], report["relations"]["hits"]["1"]
        gate = version.about.get("gate", {}).get("code", "")  # older versions went through none
        rows.append((version.label, version.live, version.about["trainedAt"], *figures, gate))
    if as_json:
        keys = ("version", "live", "trainedAt", "entityMrr", "relationHitsAt1", "gate")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
        return
    shown = [
        (label, "live" if live else "", at, f"{mrr:.3f}", f"{h:.3f}", gate) for label, live, at, mrr, h, gate in rows
    ]
    table("", ("version", "", "trained", "entity MRR", "relation H@1", "gate"), shown, numbers=(3, 4))


@model.command("show")
@click.argument("version", type=int, required=False)
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write it as a page with charts instead.")
@json_option
@click.pass_obj
def show_model(opened: Opened, version: int | None, html: Path | None, *, as_json: bool) -> None:
    """Show the report of VERSION, the live one by default, and how the versions compare.

    Example: relpred model show 2 --html model.html
    """
    with opened.predictor() as predictor:
        found, report = predictor.report(version)
        if html is not None:
            _write_page(predictor, found, report, html)
            click.echo(f"{html} is written.")
            return
        live, gate, versions = _live(predictor), found.about.get("gate"), predictor.models()
    if as_json:
        print_json({**report.to_json(), "live": [asdict(one) for one in live], "gate": gate})
        return
    show_report(report, f"Model {found.label}{' (live)' if found.live else ''}", as_json=False)
    if gate:
        show_gate(gate)
    if live:
        show_live(live)
    rows = [(name, f"{mrr:.3f}") for name, mrr in sorted(report.per_relation.items(), key=lambda pair: -pair[1])]
    table("Entity MRR by relation", ("relation", "MRR"), rows, numbers=(1,))
    show_slices(report)
    show_versions(versions)


@model.command()
@click.argument("version", type=int, required=False)
@json_option
@click.pass_obj
def drift(opened: Opened, version: int | None, as_json: bool) -> None:
    """Show what moved since VERSION was trained, the live one by default.

    The latest snapshot is held against the one that it learnt from, and its last published set against its first.
    Reads neither the graph nor the model.

    Example: relpred model drift
    """
    with opened.predictor() as predictor:
        found = predictor.versions.drift(version)
    if as_json:
        print_json(asdict(found))
    else:
        show_drift(found)


@model.command()
@click.argument("version", type=int)
@click.option(
    "--dry-run/--no-dry-run", default=False, help="Say what publishing with it would change, and change nothing."
)
@json_option
@click.pass_obj
def promote(opened: Opened, version: int, *, dry_run: bool, as_json: bool) -> None:
    """Make VERSION the live one.

    With --dry-run, it is asked what it would publish from the latest snapshot, and that is held against the predicted
    edges in the graph.

    Example: relpred model promote 2 --dry-run
    """
    if dry_run:
        with opened.predictor() as predictor, progress_bars() as progress:
            show_rehearsal(predictor.versions.rehearse(version, progress), as_json=as_json)
        return
    with opened.predictor() as predictor:
        predictor.promote(version)
        if as_json:
            print_json({"live": version})
            return
        click.echo(f"Version {version} of {predictor.settings.model_name} is live.")


@model.command()
@click.pass_obj
def rollback(opened: Opened) -> None:
    """Make the version live again that was so before this one.

    Example: relpred model rollback
    """
    with opened.predictor() as predictor:
        click.echo(f"Version {predictor.rollback()} of {predictor.settings.model_name} is live again.")


@model.command()
@click.argument("version", type=int)
@click.option("--yes/--no-yes", default=False, help="Do not ask before it is removed.")
@click.pass_obj
def drop(opened: Opened, version: int, yes: bool) -> None:
    """Remove VERSION for good. The live one cannot be removed.

    Example: relpred model drop 1 --yes
    """
    with opened.predictor() as predictor:
        label = predictor.report(version)[0].label
        if not yes:
            click.confirm(f"Remove {label} for good?", abort=True)
        predictor.drop(version)
    click.echo(f"{label} is removed.")


def _write_page(predictor: RelationPredictor, found: ModelVersion, report: Report, file: Path) -> None:
    from neo4j_relpred.cli.page import Shown, page
    from neo4j_relpred.data.folder import write_text

    try:
        drift = predictor.versions.drift(found.version)
    except SnapshotCorrupt:  # there may be none any more
        drift = None
    curves = predictor.versions.curves(found.version)
    try:
        write_text(file, page(Shown(found, report, predictor.models(), curves, drift)))
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}.") from error


def _live(predictor: RelationPredictor) -> list[LivePrecision]:
    """What people decided; nothing where the graph cannot be asked, since the report needs none."""
    try:
        return predictor.review.precision()
    except (GraphUnavailable, LoginRefused, DatabaseNotFound):
        return []
