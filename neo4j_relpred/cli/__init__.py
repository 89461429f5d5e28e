"""The command line: parses, calls the facade, prints. `relpred --help` loads neither torch nor the driver."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import click

from neo4j_relpred import __version__
from neo4j_relpred.cli.lazy import LazyGroup, Opened
from neo4j_relpred.errors import RelpredError

__all__ = ["cli", "main"]

COMMANDS = {
    "init": "graph:init",
    "doctor": "graph:doctor",
    "snapshot": "snapshots:snapshot",
    "cache": "caches:cache",
    "train": "learning:train",
    "evaluate": "learning:evaluate",
    "tune": "tuning:tune",
    "finetune": "finetuning:finetune",
    "predict": "predicting:predict",
    "explain": "explaining:explain",
    "audit": "auditing:audit",
    "estimate": "publishing:estimate",
    "publish": "publishing:publish",
    "undo": "publishing:undo",
    "run": "publishing:run",
    "review": "reviewing:review",
    "model": "models:model",
    "admin": "admin:admin",
    "sync": "syncing:sync",
    "serve": "servers:serve",
    "daemon": "servers:daemon",
    "demo": "servers:demo",
}


@click.group(cls=LazyGroup, commands_at=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="relpred")
@click.option("--config", "file", type=click.Path(path_type=Path), help="Settings file; relpred.toml when it is there.")
@click.option("--home", type=click.Path(path_type=Path), help="Folder of snapshots, models and published sets.")
@click.option("--verbose/--no-verbose", default=False, help="Log what is done, to standard error.")
@click.pass_context
def cli(context: click.Context, file: Path | None, home: Path | None, verbose: bool) -> None:
    """Find the relationships that a Neo4j graph is missing: scored, calibrated, explained, written back.

    Begin with `relpred init`, then `relpred train` and `relpred publish`.
    """
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("neo4j").setLevel(logging.ERROR)  # what matters of it comes as an error of ours
    overrides: dict[str, Any] = {"home": home} if home else {}
    context.obj = Opened(file, overrides)


def main() -> None:
    """Runs the command line; errors of ours end with their exit code and a hint, not with a traceback."""
    try:
        sys.exit(cli.main(standalone_mode=False))  # click gives back the code of an Exit
    except RelpredError as error:
        _complain(error)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(130)


def _complain(error: RelpredError) -> None:
    click.secho(f"Error ({error.code}): {error.message}", fg="red", err=True)
    if error.hint:
        click.echo(f"Hint: {error.hint}", err=True)
