"""The command that looks for better settings: tune."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.show import json_option, print_json, progress_bars, table
from neo4j_relpred.errors import InvalidSettings, StorageFailed

if TYPE_CHECKING:
    from neo4j_relpred.api.tuning import Tuning

__all__ = ["tune"]

STOPPED = 130  # as for every command that Ctrl-C ends


@click.command()
@click.option("--minutes", type=float, default=30.0, show_default=True, help="Time budget of all trials together.")
@click.option("--trials", type=int, help="How many settings to try; otherwise as many as have a quarter minute each.")
@click.option("--seed", type=int, help="Seed of everything random, of the settings that are tried, too.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("relpred-tuned.toml"),
    show_default=True,
    help="Where to write the better settings.",
)
@click.option("--force/--no-force", default=False, help="Replace the file that is there.")
@json_option
@click.pass_obj
def tune(
    opened: Opened, minutes: float, trials: int | None, seed: int | None, output: Path, force: bool, as_json: bool
) -> None:
    """Look for better settings of model and training on the latest snapshot, and write them to a settings file.

    The first trial has the settings in force. Ctrl-C ends the search and keeps what was found. Nothing is written where
    no settings are better beyond noise. Train with what was written: relpred --config relpred-tuned.toml train

    Example: relpred tune --minutes 30
    """
    from neo4j_relpred.api.tuning import Plan
    from neo4j_relpred.cli.tuned_file import render_tuned

    if output.exists() and not force:
        raise InvalidSettings(f"{output} is there already.", hint="Use --force to replace it, or another --output.")
    if not output.absolute().parent.is_dir():
        raise InvalidSettings(f"There is no folder {output.absolute().parent}.", hint="Give another --output.")
    plan = Plan.of(minutes, trials)
    click.echo(f"{plan.trials} trials of {plan.seconds:.0f} s each fit into {minutes:g} minutes.", err=True)
    with opened.predictor(training={"seed": seed}) as predictor, progress_bars() as progress:
        tuning = predictor.tune(minutes, trials, progress=progress)
        settings = predictor.settings
    if not as_json:
        _show(tuning)
    if tuning.values:
        try:
            output.write_text(render_tuned(settings, tuning), encoding="utf-8")
        except OSError as error:
            wanted = ", ".join(f"{name} = {value}" for name, value in tuning.values.items())
            hint = f"The better settings are: {wanted}."
            raise StorageFailed(f"{output} could not be written: {error.strerror}.", hint=hint) from error
    if as_json:
        print_json({**tuning.to_json(), "file": str(output) if tuning.values else None})
    elif tuning.values:
        click.echo(f"Wrote {output}. Train with it: relpred --config {output} train")
    if tuning.stopped:
        raise click.exceptions.Exit(STOPPED)


def _show(tuning: Tuning) -> None:
    """The trials, and what came of them."""
    from neo4j_relpred.cli.tuned_file import figures

    rows = []
    for tried in tuning.trials:
        judged = tried.judged
        numbers = (judged.figure, judged.entity_mrr, judged.relation_hits) if judged else ()
        changes = ", ".join(f"{name.partition('.')[2]}={value}" for name, value in tried.values.items())
        told = tried.failure or changes or "the settings in force"
        shown = [f"{number:.4f}" for number in numbers] or [""] * 3
        rows.append((tried.number, *shown, f"{tried.seconds:.0f}", told))
    table("", ("trial", "figure", "entity MRR", "relation H@1", "seconds", "settings"), rows, numbers=range(5))
    if len(tuning.trials) < tuning.plan.trials and not tuning.stopped:
        seconds = sum(tried.seconds for tried in tuning.trials) / len(tuning.trials)
        click.echo(f"{len(tuning.trials)} of {tuning.plan.trials} trials fitted: one takes {seconds:.0f} s here.")
    if tuning.stopped:
        click.secho("Stopped: what was found until then counts.", fg="yellow", err=True)
    if not tuning.values:
        click.echo("No settings were better than those in force beyond noise: nothing is written.")
    click.echo(f"In force: {figures(tuning.before)}.")
    if tuning.after is not tuning.before:
        how = "trained again with another seed" if tuning.confirmed else "as tried, not confirmed with another seed"
        click.echo(f"Best: {figures(tuning.after)}, {how}.")
