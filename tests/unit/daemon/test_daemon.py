from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from neo4j_relpred.config import Settings
from neo4j_relpred.daemon import run as run_module
from neo4j_relpred.daemon.heartbeat import Heartbeat, problem_of, read_heartbeat, write_heartbeat
from neo4j_relpred.daemon.run import run_daemon
from neo4j_relpred.errors import GraphUnavailable, InvalidSettings, LoginRefused

AWAY = GraphUnavailable("Neo4j is away.", hint="Start it.")


@dataclass(frozen=True)
class Written:
    created: int = 1
    updated: int = 2
    removed: int = 3


@dataclass(frozen=True)
class Done:
    retrained: bool = False
    publication: Written | None = None
    changed_nodes: int = 4
    changed_edges: int = 5
    encoded_texts: int = 6
    model: str = "main/1"
    seconds: float = 0.25
    refused: str = ""


class FakePredictor:
    """Does what the test says, refresh by refresh; when nothing is left to do, it asks the process to stop."""

    def __init__(self, *doing: Callable[[], object]) -> None:
        self.doing = list(doing)
        self.calls: list[tuple[bool, bool]] = []
        self.threads: set[threading.Thread] = set()
        self.closed = False

    def refresh(self, *, retrain: bool = False, publish: bool = True) -> Done:
        self.calls.append((retrain, publish))
        self.threads.add(threading.current_thread())
        if self.doing:
            self.doing.pop(0)()
        if not self.doing:
            os.kill(os.getpid(), signal.SIGTERM)
        return Done(retrain, Written() if publish else None)

    def close(self) -> None:
        self.closed = True


def raising(error: Exception) -> Callable[[], None]:
    def now() -> None:
        raise error

    return now


def nothing() -> None:
    """A refresh without adventures."""


@pytest.fixture(autouse=True)
def _logger_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever configures logging in this process may have switched off the loggers that were there."""
    monkeypatch.setattr(run_module.log, "disabled", False)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate(
        {"home": tmp_path / "home", "daemon": {"interval_minutes": 0.001, "retrain_cron": ""}}
    )


def with_daemon(settings: Settings, **changes: object) -> Settings:
    return Settings.model_validate({"home": settings.home, "daemon": settings.daemon.model_dump() | changes})


def beat_of(settings: Settings) -> Heartbeat:
    beat = read_heartbeat(settings.home)
    assert beat is not None
    return beat


def test_it_refreshes_at_once_and_again_and_again(settings: Settings) -> None:
    predictor = FakePredictor(nothing, nothing, nothing)
    run_daemon(settings, lambda: predictor)
    assert predictor.calls == [(False, True)] * 3
    assert predictor.closed


def test_the_main_thread_does_the_work_so_nothing_overlaps(settings: Settings) -> None:
    predictor = FakePredictor(nothing, nothing)
    run_daemon(settings, lambda: predictor)
    assert predictor.threads == {threading.main_thread()}


def test_missed_runs_coalesce(settings: Settings) -> None:
    began = time.monotonic()
    predictor = FakePredictor(lambda: time.sleep(0.6), nothing)  # ten refreshes become due meanwhile
    run_daemon(settings, lambda: predictor)
    assert len(predictor.calls) == 2
    assert time.monotonic() - began < 30


def test_retraining_takes_the_place_of_the_refresh_that_is_due_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "_drained", lambda due: {due.get(), "refresh", "retrain"})
    predictor = FakePredictor(nothing)
    run_daemon(with_daemon(settings, interval_minutes=60), lambda: predictor)
    assert predictor.calls == [(True, True)]


def test_publishing_can_be_left_out(settings: Settings) -> None:
    predictor = FakePredictor(nothing)
    run_daemon(with_daemon(settings, publish=False), lambda: predictor)
    assert predictor.calls == [(False, False)]
    assert "created" not in (beat_of(settings).last_refresh or {})


def test_an_error_that_a_retry_can_help_does_not_end_it(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Heartbeat] = []
    predictor = FakePredictor(raising(AWAY), raising(AWAY), lambda: seen.append(beat_of(settings)), nothing)
    run_daemon(settings, lambda: predictor)
    assert len(predictor.calls) == 4
    assert (seen[0].failures_in_a_row, seen[0].state, seen[0].job) == (2, "working", "refresh")
    assert seen[0].last_error is not None
    assert (seen[0].last_error["code"], seen[0].last_error["hint"]) == ("graph-unavailable", "Start it.")
    after = beat_of(settings)
    assert (after.failures_in_a_row, after.failures, after.last_error) == (0, 2, None)
    assert "code=graph-unavailable in_a_row=2 hint=Start it." in caplog.text


@pytest.mark.parametrize("error", [LoginRefused("Wrong password.", hint="Correct it."), ZeroDivisionError("bug")])
def test_an_error_that_no_retry_can_help_ends_it_with_that_error(settings: Settings, error: Exception) -> None:
    predictor = FakePredictor(nothing, raising(error), nothing)
    with pytest.raises(type(error)) as caught:
        run_daemon(settings, lambda: predictor)
    assert caught.value is error
    assert predictor.closed
    after = beat_of(settings)
    assert after.state == "stopped"
    assert after.last_error is not None
    assert after.last_error["code"] == ("login-refused" if isinstance(error, LoginRefused) else "internal")
    assert "bug" not in json.dumps(dict(after.last_error))


def test_once_refreshes_once_and_raises_even_what_a_retry_can_help(settings: Settings) -> None:
    predictor = FakePredictor(nothing, nothing)
    run_daemon(settings, lambda: predictor, once=True)
    assert len(predictor.calls) == 1
    assert predictor.closed
    assert beat_of(settings).state == "stopped"
    with pytest.raises(GraphUnavailable):
        run_daemon(settings, lambda: FakePredictor(raising(AWAY), nothing), once=True)


def test_wrong_settings_are_found_before_anything_starts(settings: Settings) -> None:
    def never() -> FakePredictor:
        raise AssertionError

    for wrong in ({"retrain_cron": "0 3 * *"}, {"timezone": "Mars/Olympus"}):
        with pytest.raises(InvalidSettings):
            run_daemon(with_daemon(settings, **wrong), never)
    assert not settings.home.exists()


def test_the_heartbeat_tells_what_was_done_and_what_comes(settings: Settings) -> None:
    seen: list[Heartbeat] = []
    predictor = FakePredictor(nothing, lambda: seen.append(beat_of(settings)), nothing)
    run_daemon(with_daemon(settings, retrain_cron="0 3 * * *"), lambda: predictor)
    assert seen[0].pid == os.getpid()
    assert seen[0].last_refresh is not None
    assert {name: value for name, value in seen[0].last_refresh.items() if name != "at"} == {
        "job": "refresh",
        "changed_nodes": 4,
        "changed_edges": 5,
        "encoded_texts": 6,
        "retrained": False,
        "model": "main/1",
        "created": 1,
        "updated": 2,
        "removed": 3,
        "seconds": 0.2,
    }
    assert set(seen[0].next_runs) == {"refresh", "retrain"}
    for at in (*seen[0].next_runs.values(), seen[0].started_at, seen[0].beat_at, seen[0].last_refresh["at"]):
        assert at is not None
        assert datetime.fromisoformat(at).tzinfo is not None
    assert seen[0].age_seconds() < 60
    assert [path.name for path in settings.home.iterdir()] == ["daemon.json"]


def test_a_version_that_the_gate_kept_back_is_told(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    class Refused(FakePredictor):
        def refresh(self, *, retrain: bool = False, publish: bool = True) -> Done:
            return replace(super().refresh(), retrained=True, refused="worse-entity-mrr")

    caplog.set_level(logging.INFO)
    run_daemon(settings, lambda: Refused(nothing))
    told = beat_of(settings).last_refresh
    assert told is not None
    assert told["refused"] == "worse-entity-mrr"
    assert "refused=worse-entity-mrr" in caplog.text


def test_a_home_that_cannot_be_written_does_not_end_it(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.home.write_text("a file is in the way", encoding="utf-8")
    predictor = FakePredictor(nothing, nothing)
    run_daemon(settings, lambda: predictor)
    assert len(predictor.calls) == 2
    assert "heartbeat not written" in caplog.text


def test_the_health_of_a_daemon_is_read_from_its_heartbeat(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    well = Heartbeat(pid=1, state="waiting", started_at=now.isoformat(), beat_at=now.isoformat())
    assert "No daemon has run" in (problem_of(tmp_path) or "")
    write_heartbeat(tmp_path, well)
    assert problem_of(tmp_path) is None
    assert "said nothing for 600 seconds" in (problem_of(tmp_path, now + timedelta(minutes=10)) or "")
    told = {"at": now.isoformat(), "code": "graph-unavailable", "hint": "Start it."}
    write_heartbeat(tmp_path, Heartbeat(**{**vars(well), "failures_in_a_row": 3, "last_error": told}))
    assert problem_of(tmp_path) == "The last 3 refreshes failed. graph-unavailable: Start it."
    write_heartbeat(tmp_path, Heartbeat(**{**vars(well), "state": "stopped"}))
    assert problem_of(tmp_path) == "The daemon has stopped."
    (tmp_path / "daemon.json").write_text("[]", encoding="utf-8")
    assert "No daemon has run" in (problem_of(tmp_path) or "")


CHILD = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from neo4j_relpred.config import Settings
from neo4j_relpred.daemon.run import run_daemon

class Slow:
    def refresh(self, *, retrain=False, publish=True):
        print("begun", flush=True)
        time.sleep(float(sys.argv[2]))
        print("done", flush=True)
        return SimpleNamespace(changed_nodes=0, changed_edges=0, encoded_texts=0, retrained=retrain, model="main/1",
                               publication=None, seconds=1.0, refused="")
    def close(self):
        print("closed", flush=True)

run_daemon(Settings(home=Path(sys.argv[1])), Slow)
print("ended", flush=True)
"""


def started(home: Path, seconds: float) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CHILD, str(home), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    return child


def test_the_first_signal_lets_the_running_refresh_end(tmp_path: Path) -> None:
    with started(tmp_path, 0.5) as child:
        child.send_signal(signal.SIGTERM)
        output, errors = child.communicate(timeout=20)
    assert (child.returncode, output) == (0, "done\nclosed\nended\n")
    assert "Traceback" not in errors
    assert "job=refresh changed_nodes=0" in errors
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert (beat.state, beat.pid) == ("stopped", child.pid)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_second_signal_stops_at_once(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with started(tmp_path, 60) as child:
        child.send_signal(number)
        time.sleep(0.2)
        child.send_signal(number)
        output, _ = child.communicate(timeout=20)
    assert (child.returncode, output) == (code, "closed\n")
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert beat.state == "stopped"


def test_a_signal_to_an_idle_daemon_ends_it(tmp_path: Path) -> None:
    with started(tmp_path, 0) as child:
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        output, _ = child.communicate(timeout=20)
    assert (child.returncode, output) == (0, "done\nclosed\nended\n")
