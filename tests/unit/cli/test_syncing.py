"""`relpred sync status` tells how the daemon is by the file that it writes: no graph at hand, no model loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from neo4j_relpred.cli import cli
from neo4j_relpred.data.daemon_state import DaemonState, write_state


@pytest.fixture
def state(tmp_path: Path) -> DaemonState:
    time = datetime.now(UTC).isoformat()
    found = DaemonState("default", "desk", 7, "waiting", started_at=time, beat_at=time, moved_at=time, current_to=time)
    write_state(tmp_path, found)
    return found


def test_it_tells_the_lag_the_queue_and_the_last_error_with_its_remedy(state: DaemonState, tmp_path: Path) -> None:
    failed = replace(state, error_code="busy", error_in="sync", error_hint="Wait for it.", error_at=state.beat_at)
    write_state(tmp_path, replace(failed, pending=1_200, failing=3, failures_in_a_row=2))
    shown = CliRunner().invoke(cli, ["--home", str(tmp_path), "sync", "status"])
    assert shown.exit_code == 0, shown.output
    for words in (
        "behind by       at most",
        "1,200 nodes wait",
        "3 nodes or edges were left out",
        "busy in sync",
        "Wait for it.",
    ):
        assert words in shown.output


def test_a_program_gets_all_of_it(state: DaemonState, tmp_path: Path) -> None:
    shown = CliRunner().invoke(cli, ["--home", str(tmp_path), "sync", "status", "--json"])
    told = json.loads(shown.output)
    assert (told["pid"], told["problem"]) == (7, None)
    assert 0 <= told["lag_seconds"] < 60


def test_it_loads_neither_torch_nor_the_driver(state: DaemonState, tmp_path: Path) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from neo4j_relpred.cli import cli; "
        f"print(CliRunner().invoke(cli, ['--home', {str(tmp_path)!r}, 'sync', 'status']).exit_code, "
        "'torch' in sys.modules, 'neo4j' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False", "False"]
