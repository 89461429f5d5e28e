"""Commands that stay: serve, daemon, demo."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.show import progress_bars, show_report, table
from neo4j_relpred.logs import begin_log

__all__ = ["daemon", "demo", "serve"]


@click.command()
@click.option("--host", help="Address to bind.")
@click.option("--port", type=int, help="Port to bind.")
@click.pass_obj
def serve(opened: Opened, host: str | None, port: int | None) -> None:
    """Answer over HTTP, for the procedures and for programs.

    Example: relpred serve --port 7475
    """
    from neo4j_relpred.service import run_service

    begin_log(logging.getLogger().level)
    flags = {"service": {"host": host, "port": port}}
    with opened.predictor(**flags) as predictor:
        if predictor.settings.service.workers == 1:  # else others answer, and this process loads no torch
            predictor.keep_answering()
        run_service(predictor.settings, predictor)


@click.command()
@click.option("--once/--no-once", default=False, help="Sync once and end.")
@click.pass_obj
def daemon(opened: Opened, once: bool) -> None:
    """Keep predictions fresh: sync again and again, train at night, let a better model in.

    Example: relpred daemon --once
    """
    from neo4j_relpred.api import RelationPredictor
    from neo4j_relpred.daemon import run_daemon

    begin_log(logging.getLogger().level)
    settings = opened.settings()
    run_daemon(settings, lambda: RelationPredictor.open(settings), once=once)


@click.command()
@click.option("--minutes", type=float, default=4.0, show_default=True, help="Time budget of the training.")
@click.option("--line", type=click.Choice(["5", "2026"]), help="Server line; chosen by the JDK at hand by default.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of downloaded server files.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write the figures to this file.")
@click.option("--stay/--no-stay", default=None, help="Stay up at the end; by default on a terminal only.")
def demo(minutes: float, line: str | None, cache: Path | None, json_file: Path | None, stay: bool | None) -> None:
    """Show everything on an embedded Neo4j with a bundled graph (CoDEx-S).

    Example: relpred demo --minutes 4
    """
    from neo4j_relpred.demo.run import DemoOptions, Show, run_demo

    show = Show(
        say=click.echo,
        table=lambda title, columns, rows: table(title, columns, rows),
        report=lambda report, title: show_report(report, title, as_json=False),
    )
    with progress_bars() as progress:
        run_demo(DemoOptions(minutes, line, cache, json_file, stay), show, progress)
