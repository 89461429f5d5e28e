"""The command that fits the text encoder to a graph: finetune."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.show import json_option, print_json, progress_bars
from neo4j_relpred.errors import InvalidSettings

if TYPE_CHECKING:
    from neo4j_relpred.training.encoder import Method

__all__ = ["finetune"]


@click.command()
@click.option("--minutes", type=float, default=30.0, show_default=True, help="Time budget.")
@click.option(
    "--method",
    type=click.Choice(["full", "lora"]),
    default="full",
    show_default=True,
    help="All weights, or small matrices beside them, for encoders that would not fit (the extra 'finetune').",
)
@click.option("--seed", type=int, help="Seed of everything random.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("relpred-encoder"),
    show_default=True,
    help="Folder for the encoder.",
)
@click.option("--force/--no-force", default=False, help="Replace the folder that is there.")
@json_option
@click.pass_obj
def finetune(
    opened: Opened, minutes: float, method: Method, seed: int | None, output: Path, force: bool, as_json: bool
) -> None:
    """Tune the text encoder to the relationships of the latest snapshot, and write it to a folder of its own.

    Takes a GPU if there is one; on a processor it is worth hours, not minutes. Relationships that a training with the
    same seed holds out are not learnt from. Train with what was written: relpred train --encoder relpred-encoder

    Example: relpred finetune --minutes 30
    """
    from neo4j_relpred.api.cautions import is_tuned

    if output.exists() and not force:
        raise InvalidSettings(f"{output} is there already.", hint="Use --force to replace it, or another --output.")
    if output.exists() and any(output.iterdir()) and not is_tuned(output):
        raise InvalidSettings(f"{output} holds something else than a tuned encoder.", hint="Give another --output.")
    with opened.predictor(training={"seed": seed}) as predictor, progress_bars() as progress:
        found = predictor.finetune(output, minutes, method, progress=progress)
    if as_json:
        print_json(found.to_json())
        return
    click.echo(f"Learnt from {found.triples:,} relationships in {found.seconds:.0f} s on {found.device} ({method}).")
    click.echo(
        f"Texts alone find the other end of a held-out relationship among {found.candidates:,} nodes with an MRR of "
        f"{found.after:.3f}, {found.before:.3f} before."
    )
    if found.after <= found.before:
        click.secho("It is no better than before: give it more minutes, or keep the encoder you have.", fg="yellow")
    click.echo(f"Wrote {output}. Train with it: relpred train --encoder {output}")
