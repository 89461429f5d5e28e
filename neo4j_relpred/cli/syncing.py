"""The command sync: how the daemon is, and what it is told."""

from __future__ import annotations

import getpass
import socket
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import click

from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.show import json_option, print_json, table
from neo4j_relpred.data.daemon_state import DaemonState, read_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neo4j_relpred.graph.daemons import DaemonBoard, Errand

__all__ = ["sync"]


@click.group()
def sync() -> None:
    """See how the daemon is, and tell it what to do."""


@sync.command()
@json_option
@click.pass_obj
def status(opened: Opened, as_json: bool) -> None:
    """Show how far predictions are behind the graph, what failed, and what comes next.

    Reads what the daemon wrote into this `home`; where none did, what it wrote into the graph.

    Example: relpred sync status
    """
    settings = opened.settings()
    state = read_state(settings.home)
    if state is None:
        with _board(opened) as board:
            state = board.read()
    if as_json:
        derived = {} if state is None else {"lag_seconds": state.lag_seconds(), "problem": state.problem()}
        print_json(None if state is None else {**asdict(state), **derived})
    elif state is None:
        click.echo("No daemon has run for this model yet: `relpred daemon` starts one.")
    else:
        for name, value in _rows(state):
            if value:
                click.echo(f"{name:<16}{value}")


@sync.command()
@json_option
@click.pass_obj
def failures(opened: Opened, as_json: bool) -> None:
    """List the nodes and edges that the last sync had to leave out.

    Example: relpred sync failures
    """
    with _board(opened) as board:
        found = board.failures()
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [(one.item, one.step, one.error, one.tries, one.again_at or "not any more") for one in found]
    table("", ("what", "step", "error", "tries", "tried again"), rows, numbers=(3,))


@sync.command()
@click.argument("job", type=click.Choice(["sync", "refresh", "retrain"]), default="sync")
@click.pass_obj
def trigger(opened: Opened, job: Errand) -> None:
    """Have the daemon sync, refresh the model or retrain it now, whatever its schedule says.

    Example: relpred sync trigger refresh
    """
    _ask(opened, job)


@sync.command()
@click.pass_obj
def retry(opened: Opened) -> None:
    """Have the daemon try again at once what failed before.

    Example: relpred sync retry
    """
    _ask(opened, "retry")


@sync.command()
@click.pass_obj
def pause(opened: Opened) -> None:
    """Have the daemon do nothing, also after a restart, until it is told to resume.

    Example: relpred sync pause
    """
    by = f"{getpass.getuser()}@{socket.gethostname()}"
    with _board(opened) as board:
        board.pause(by)
    click.echo("Paused. What becomes due meanwhile is done once after `relpred sync resume`.")


@sync.command()
@click.pass_obj
def resume(opened: Opened) -> None:
    """Have the daemon go on after a pause.

    Example: relpred sync resume
    """
    with _board(opened) as board:
        board.resume()
    click.echo("Resumed.")


def _ask(opened: Opened, errand: Errand) -> None:
    with _board(opened) as board:
        board.ask(errand)
        state = board.read()
    problem = "no daemon has run yet: `relpred daemon` starts one." if state is None else state.problem()
    click.echo(f"Asked for: {errand}." + (f" It waits until a daemon leads; {problem}" if problem else ""))


@contextmanager
def _board(opened: Opened) -> Iterator[DaemonBoard]:
    """What daemons are told by, without the facade: it would load a model's libraries for one read."""
    from neo4j_relpred.graph.client import Neo4jClient
    from neo4j_relpred.graph.daemons import DaemonBoard

    settings = opened.settings()
    client = Neo4jClient.open(settings.graph)
    try:
        yield DaemonBoard(lambda: client, settings.model_name)
    finally:
        client.close()


def _rows(state: DaemonState) -> list[tuple[str, str]]:
    lag, problem = state.lag_seconds(), state.problem()
    last = f"{state.changed_nodes:,} nodes and {state.changed_edges:,} relationships had changed; "
    last += f"{state.created:,} edges created, {state.updated:,} updated, {state.removed:,} removed, "
    last += f"in {state.sync_seconds:.1f} s"
    left = [
        f"{state.pending:,} nodes wait for the next sync" if state.pending else "",
        f"{state.failing:,} nodes or edges were left out (`relpred sync failures`)" if state.failing else "",
    ]
    failure = f"{state.error_code} in {state.error_in}, {_at(state.error_at)}; {state.failures_in_a_row} in a row"
    return [
        ("daemon", f"{state.state}{'' if problem is None else ' - ' + problem}"),
        ("runs as", f"process {state.pid} on {state.host}, since {_at(state.started_at)}"),
        ("leader", state.leader or ""),
        ("paused by", state.paused_by or ""),
        ("behind by", "" if lag is None else f"at most {lag:.0f} s"),
        ("queue", "; ".join(filter(None, left)) or ("nothing waits" if state.synced_at else "")),
        ("last sync", f"{_at(state.synced_at)}: {last}" if state.synced_at else "none yet"),
        ("model", state.live or ""),
        ("training now", f"{state.training} ({state.training_share:.0%})" if state.training else ""),
        ("last training", state.training_result or ""),
        ("last error", failure if state.error_code else ""),
        ("what to do", state.error_hint or ""),
        ("next sync", _at(state.next_sync)),
        ("next refresh", _at(state.next_refresh)),
        ("next retraining", _at(state.next_retrain)),
    ]


def _at(time: str | None) -> str:
    """A time as the clock of whoever looks at it shows it."""
    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M:%S %Z}" if time else ""
