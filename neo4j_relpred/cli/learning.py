"""Commands that learn and judge: train, evaluate."""

from __future__ import annotations

from pathlib import Path

import click

from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.show import json_option, progress_bars, show_report

__all__ = ["evaluate", "train"]


@click.command()
@click.option("--minutes", type=float, help="Time budget of the training.")
@click.option("--seed", type=int, help="Seed of everything random.")
@click.option("--encoder", help="Text encoder: name or folder of a transformers model.")
@click.option(
    "--refresh/--no-refresh", default=False, help="Go on from the live version, in a share of the time; see settings."
)
@click.option("--fresh/--no-fresh", default=False, help="Begin anew, though an interrupted training could go on.")
@click.option("--gate/--no-gate", default=False, help="Keep a version that is worse than the live one as a candidate.")
@json_option
@click.pass_obj
def train(
    opened: Opened,
    minutes: float | None,
    seed: int | None,
    encoder: str | None,
    *,
    refresh: bool,
    fresh: bool,
    gate: bool,
    as_json: bool,
) -> None:
    """Read the graph, train a model, evaluate and calibrate it, and make it the live version.

    A training of the same data and settings that was interrupted goes on where it was. The version is compared with
    the one that was live before: without --gate a warning tells where it is worse.

    Example: relpred train --minutes 10
    """
    training = {"minutes": minutes, "seed": seed}
    with opened.predictor(training=training, text={"encoder": encoder}) as predictor, progress_bars() as progress:
        version, report = predictor.fit(progress=progress, go_on=refresh, fresh=fresh, gate=gate)
    show_report(report, f"Model {version.label}", as_json=as_json)
    if not version.live and not as_json:
        told = version.about["gate"]
        click.secho(f"Kept as a candidate, {told['against']} stays live: {told['reason']}", fg="yellow", err=True)


@click.command()
@click.option("--triples", type=click.Path(path_type=Path), help="Judge on these instead (head, relation, tail; TSV).")
@json_option
@click.pass_obj
def evaluate(opened: Opened, triples: Path | None, as_json: bool) -> None:
    """Show the report of the live version, or judge it on a file of triples that the graph does not hold.

    Example: relpred evaluate --triples held-out.tsv
    """
    with opened.predictor() as predictor:
        version, report = predictor.report()
        if triples is not None:
            report = predictor.evaluate(triples)
    show_report(report, f"Model {version.label}", as_json=as_json)
