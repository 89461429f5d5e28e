"""What the daemon does and when, over a facade and a graph that do what the test says; the real ones are in
tests/integration/test_daemon.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from neo4j_relpred.api.jobs import Job, JobKind, JobState
from neo4j_relpred.api.syncing import SyncReport
from neo4j_relpred.config import Settings
from neo4j_relpred.daemon import leader, run_daemon
from neo4j_relpred.daemon import run as run_module
from neo4j_relpred.data.begun import Begun
from neo4j_relpred.data.daemon_state import DaemonState, problem_of, read_state, write_state
from neo4j_relpred.errors import Busy, GraphUnavailable, InvalidSettings, LoginRefused, PublicationStopped
from neo4j_relpred.graph.daemons import Errand, Failure, Orders
from neo4j_relpred.graph.leases import Fence
from neo4j_relpred.graph.writer import PublicationReport

AWAY = GraphUnavailable("Neo4j is away.", hint="Start it.")
LOST = PublicationStopped("Lost.", hint="Another one leads.")
WRITTEN = PublicationReport(run="r", created=1, updated=2, removed=3, unchanged=0)


def told(at: datetime, state: str = "waiting", pid: int = 1, **more: Any) -> DaemonState:
    time = at.isoformat()
    return DaemonState("default", "host", pid, state, started_at=time, beat_at=time, moved_at=time, **more)


DONE = SyncReport(4, 5, 6, 0, 0, (), "default@1", WRITTEN, 0.25)


@dataclass
class FakeBoard:
    """The node in the graph."""

    last: DaemonState | None = None
    paused_by: str | None = None
    asked: tuple[Errand, ...] = ()
    busy: int = 0  # looks at the lease that find another leader
    lost_after: int = 1_000_000  # looks, after which another one leads
    failures: tuple[Failure, ...] = ()
    looks: int = 0

    def read(self) -> DaemonState | None:
        return self.last

    def orders(self) -> Orders:
        return Orders(self.paused_by, self.asked)

    @contextmanager
    def leading(self, seconds: float) -> Iterator[Fence]:
        if self.busy:
            self.busy -= 1
            raise Busy("another one leads", hint="Wait.")
        yield Fence("daemon-default", 1, seconds)

    def require(self, fence: Fence) -> None:
        self.looks += 1
        if self.looks > self.lost_after:
            self.lost_after = 1_000_000
            raise LOST

    def say(self, fence: Fence, state: DaemonState) -> None:
        self.last = state

    def done(self, fence: Fence, errands: Sequence[Errand]) -> None:
        self.asked = ()

    def leave_out(self, fence: Fence, failures: Sequence[Failure]) -> None:
        self.failures = tuple(failures)


class FakeJobs:
    """Trainings that end at the second look, as the test says."""

    def __init__(self, owner: FakePredictor) -> None:
        self.owner = owner
        self.outcomes: list[dict[str, Any]] = []
        self.cancelled: list[str] = []
        self.looks = 0

    def submit(self, kind: JobKind, options: dict[str, object], overrides: dict[str, dict[str, object]]) -> Job:
        assert (kind, overrides) == ("train", {})
        self.owner.calls.append(str(options["kind"]) + (" resumed" if options.get("resume") else ""))
        self.looks = 0
        return self._job()

    def get(self, job_id: str) -> Job:
        self.looks += 1
        if self.looks < 2:
            return replace(self._job(), state="running", stage="tower", share=0.5)
        outcome = self.outcomes.pop(0) if self.outcomes else {"result": {"model": "default@2", "live": True}}
        if outcome.get("hangs"):
            self.outcomes.insert(0, outcome)
            return replace(self._job(), state="running", stage="tower", share=0.5)
        if "error" not in outcome:
            self.owner.model = "default@2"
        state: JobState = "failed" if "error" in outcome else "done"
        return replace(self._job(), state=state, ended_at=datetime.now(UTC), **outcome)

    def cancel(self, job_id: str) -> Job:
        self.cancelled.append(job_id)
        self.outcomes.clear()
        return replace(self._job(), state="cancelled", ended_at=datetime.now(UTC))

    def _job(self) -> Job:
        return Job("train-1", "train", {}, datetime.now(UTC))


class FakePredictor:
    """Does what the test says, sync by sync; when nothing is left to do, it asks the process to stop."""

    def __init__(self, *doing: Callable[[], object]) -> None:
        self.doing = list(doing)
        self.calls: list[str] = []
        self.threads: set[threading.Thread] = set()
        self.daemons, self.jobs = FakeBoard(), FakeJobs(self)
        self.model: str | None = "default@1"
        self.killed: Begun | None = None
        self.published = True
        self.closed = False
        self.forgiven = 0

    def sync(self, *, publish: bool = True, progress: Callable[[str, float], None] = lambda s, n: None) -> SyncReport:
        self.calls.append("sync")
        self.published = publish
        self.threads.add(threading.current_thread())
        report = self.doing.pop(0)() if self.doing else None
        if not self.doing:
            os.kill(os.getpid(), signal.SIGTERM)
        return report if isinstance(report, SyncReport) else DONE

    def retry_failed(self) -> int:
        self.forgiven += 1
        return 1

    def live_model(self) -> str | None:
        return self.model

    def begun(self) -> Begun | None:
        return self.killed

    def close(self) -> None:
        self.closed = True


def raising(error: Exception) -> Callable[[], None]:
    def now() -> None:
        raise error

    return now


def nothing() -> None:
    """A sync without adventures."""


@pytest.fixture(autouse=True)
def _quick_and_loud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever configures logging in this process may have switched off the loggers that were there."""
    monkeypatch.setattr(run_module.log, "disabled", False)
    monkeypatch.setattr(leader, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(leader, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(run_module, "LOOK_SHARE", 1_000)
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _too_long(number: int, frame: object) -> None:
    raise TimeoutError


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    daemon = {"interval_minutes": 0.001, "retrain_cron": "", "refresh_cron": ""}
    return Settings.model_validate({"home": tmp_path / "home", "daemon": daemon})


def with_daemon(settings: Settings, **changes: object) -> Settings:
    return Settings.model_validate({"home": settings.home, "daemon": settings.daemon.model_dump() | changes})


def state_of(settings: Settings) -> DaemonState:
    state = read_state(settings.home)
    assert state is not None
    return state


def test_it_syncs_at_once_and_again_and_again(settings: Settings) -> None:
    predictor = FakePredictor(nothing, nothing, nothing)
    run_daemon(settings, lambda: predictor)
    assert predictor.calls == ["sync"] * 3
    assert predictor.closed


def test_the_main_thread_does_the_work_so_syncs_do_not_overlap(settings: Settings) -> None:
    predictor = FakePredictor(nothing, nothing)
    run_daemon(settings, lambda: predictor)
    assert predictor.threads == {threading.main_thread()}


def test_missed_runs_coalesce(settings: Settings) -> None:
    predictor = FakePredictor(lambda: time.sleep(0.6), nothing)  # ten syncs become due meanwhile
    run_daemon(settings, lambda: predictor)
    assert len(predictor.calls) == 2


def test_publishing_can_be_left_out(settings: Settings) -> None:
    predictor = FakePredictor(nothing)
    run_daemon(with_daemon(settings, publish=False), lambda: predictor)
    assert not predictor.published


def test_without_a_model_one_is_trained_before_anything_else(settings: Settings) -> None:
    predictor = FakePredictor(nothing)
    predictor.model = None
    run_daemon(settings, lambda: predictor)
    assert predictor.calls == ["retrain", "sync"]
    assert state_of(settings).training_result == "default@2 is live"


def test_a_training_that_was_killed_is_gone_on_with_while_syncs_go_on(settings: Settings) -> None:
    predictor = FakePredictor(nothing, nothing, nothing)
    predictor.killed = Begun("hash", {"kind": "refresh"})
    run_daemon(settings, lambda: predictor)
    assert predictor.calls[:2] == ["refresh resumed", "sync"]
    assert predictor.calls.count("refresh resumed") == 1


def test_a_killed_training_that_somebody_else_goes_on_with_is_looked_at_again_and_not_begun_anew(
    settings: Settings,
) -> None:
    predictor = FakePredictor(*[nothing] * 6)
    predictor.killed = Begun("hash", {"kind": "retrain"})
    predictor.jobs.outcomes = [{"options": {"resume": True}, "error": ("busy", "Somebody trains.", "Wait.")}] * 50
    run_daemon(settings, lambda: predictor)
    assert set(predictor.calls) == {"retrain resumed", "sync"}


def test_what_was_missed_while_nobody_led_is_done_once(settings: Settings) -> None:
    predictor = FakePredictor(*[nothing] * 6)
    before = datetime.now(UTC) - timedelta(days=30)
    predictor.daemons.last = told(before, "stopped", refreshed_at=before.isoformat())
    run_daemon(with_daemon(settings, refresh_cron="0 3 * * *"), lambda: predictor)
    assert predictor.calls.count("refresh") == 1
    assert datetime.fromisoformat(state_of(settings).refreshed_at or "") > datetime.now(UTC) - timedelta(minutes=1)


def test_retraining_takes_the_place_of_the_refresh_that_is_asked_for_too(settings: Settings) -> None:
    predictor = FakePredictor(nothing, nothing)
    predictor.daemons.asked = ("refresh", "retrain")
    run_daemon(with_daemon(settings, interval_minutes=60), lambda: predictor)
    assert predictor.calls == ["retrain", "sync", "sync"]  # the second one since a new version is live
    assert not predictor.daemons.orders().asked


def test_who_asks_for_another_try_gets_it_with_a_sync(settings: Settings) -> None:
    predictor = FakePredictor(nothing, nothing)
    predictor.doing[0] = lambda: setattr(predictor.daemons, "asked", ("retry",))
    run_daemon(with_daemon(settings, interval_minutes=60), lambda: predictor)
    assert (predictor.calls, predictor.forgiven) == (["sync", "sync"], 1)


def test_a_pause_holds_until_it_is_taken_back(settings: Settings) -> None:
    predictor = FakePredictor(nothing)
    board, seen = predictor.daemons, list[str]()
    board.paused_by = "ann@desk"

    def look() -> None:
        while (state := read_state(settings.home)) is None or state.state != "paused":
            time.sleep(0.02)
        seen.extend([*predictor.calls, str(state.paused_by)])
        board.paused_by = None

    watcher = threading.Thread(target=look)
    watcher.start()
    run_daemon(settings, lambda: predictor)
    watcher.join()
    assert (seen, predictor.calls) == (["ann@desk"], ["sync"])


def test_it_stands_by_while_another_one_leads(settings: Settings) -> None:
    predictor = FakePredictor(nothing)
    predictor.daemons.busy = 3
    run_daemon(settings, lambda: predictor)
    assert (predictor.daemons.busy, predictor.calls) == (0, ["sync"])
    assert not (settings.home / "standby.json").exists()


def test_once_another_one_leads_it_does_nothing_more_until_it_leads_again(settings: Settings) -> None:
    predictor = FakePredictor(nothing, nothing)
    predictor.daemons.lost_after = 1
    run_daemon(settings, lambda: predictor)
    assert predictor.calls == ["sync", "sync"]


def test_an_error_that_a_retry_can_help_does_not_end_it(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[DaemonState] = []
    predictor = FakePredictor(raising(AWAY), raising(AWAY), lambda: seen.append(state_of(settings)), nothing)
    run_daemon(settings, lambda: predictor)
    assert len(predictor.calls) == 4
    assert (seen[0].failures_in_a_row, seen[0].state, seen[0].error_in) == (2, "syncing", "sync")
    assert (seen[0].error_code, seen[0].error_hint) == ("graph-unavailable", "Start it.")
    after = state_of(settings)
    assert (after.failures_in_a_row, after.failures, after.error_code) == (0, 2, None)
    assert "code=graph-unavailable in_a_row=2 hint=Start it." in caplog.text


def test_a_publication_that_a_person_has_to_confirm_is_told_and_does_not_end_it(settings: Settings) -> None:
    predictor = FakePredictor(raising(PublicationStopped("Smaller.", hint="Confirm it.")), nothing)
    run_daemon(settings, lambda: predictor)
    assert predictor.calls == ["sync", "sync"]


@pytest.mark.parametrize("error", [LoginRefused("Wrong password.", hint="Correct it."), ZeroDivisionError("bug")])
def test_an_error_that_no_retry_can_help_ends_it_with_that_error(settings: Settings, error: Exception) -> None:
    predictor = FakePredictor(nothing, raising(error), nothing)
    with pytest.raises(type(error)) as caught:
        run_daemon(settings, lambda: predictor)
    assert caught.value is error
    assert predictor.closed
    after = state_of(settings)
    assert after.state == "stopped"
    assert after.error_code == ("login-refused" if isinstance(error, LoginRefused) else "internal")
    assert "bug" not in str(after)


def test_pauses_after_failures_double_and_end_somewhere() -> None:
    assert [leader.pause_seconds(n) / leader.FIRST_PAUSE for n in (1, 2, 3)] == [1, 2, 4]
    assert leader.pause_seconds(1000) == leader.LONGEST_PAUSE


def test_a_training_that_fails_ends_nothing_where_there_is_a_model(settings: Settings) -> None:
    predictor = FakePredictor(*[nothing] * 4)
    predictor.daemons.asked = ("retrain",)
    predictor.jobs.outcomes = [{"error": ("too-little-data", "Too few.", "Read more.")}]
    run_daemon(settings, lambda: predictor)
    assert predictor.calls.count("retrain") == 1
    state = state_of(settings)
    assert (state.error_in, state.error_code, state.synced_at is not None) == ("retrain", "too-little-data", True)


def test_a_training_that_fails_for_a_while_is_tried_again(settings: Settings) -> None:
    predictor = FakePredictor(*[nothing] * 4)
    predictor.daemons.asked = ("refresh",)
    predictor.jobs.outcomes = [{"error": ("busy", "Somebody trains.", "Wait.")}]
    run_daemon(settings, lambda: predictor)
    assert predictor.calls.count("refresh") == 2


def test_a_first_training_that_cannot_succeed_ends_it(settings: Settings) -> None:
    predictor = FakePredictor(nothing)
    predictor.model = None
    predictor.jobs.outcomes = [{"error": ("invalid-settings", "Wrong.", "Correct it.")}]
    with pytest.raises(InvalidSettings):
        run_daemon(settings, lambda: predictor)


def test_a_training_that_no_longer_moves_is_stopped(settings: Settings) -> None:
    predictor = FakePredictor(*[nothing] * 6)
    predictor.daemons.asked = ("refresh",)
    predictor.jobs.outcomes = [{"hangs": True}]
    run_daemon(with_daemon(settings, stuck_minutes=0.001), lambda: predictor)
    assert predictor.jobs.cancelled[0] == "train-1"


def test_questions_that_were_left_are_asked_by_the_next_sync_and_the_lag_stays(settings: Settings) -> None:
    seen: list[DaemonState] = []
    predictor = FakePredictor(lambda: replace(DONE, pending=3), lambda: seen.append(state_of(settings)))
    run_daemon(with_daemon(settings, interval_minutes=60), lambda: predictor)
    assert predictor.calls == ["sync"] * 2
    assert (seen[0].pending, seen[0].lag_seconds()) == (3, None)
    assert state_of(settings).current_to is not None


def test_what_was_left_out_is_kept_in_the_graph_and_counted(settings: Settings) -> None:
    failure = Failure("p7", "encode", "RuntimeError", 1, None)
    predictor = FakePredictor(lambda: replace(DONE, failing=(failure,)))
    run_daemon(settings, lambda: predictor)
    assert predictor.daemons.failures == (failure,)
    assert state_of(settings).failing == 1


def test_once_syncs_once_and_raises_even_what_a_retry_can_help(settings: Settings) -> None:
    predictor = FakePredictor(nothing, nothing)
    run_daemon(settings, lambda: predictor, once=True)
    assert predictor.calls == ["sync"]
    assert predictor.closed
    assert state_of(settings).state == "stopped"
    for error in (AWAY, PublicationStopped("Smaller.", hint="Confirm it.")):
        with pytest.raises(type(error)):
            run_daemon(settings, lambda: FakePredictor(raising(error), nothing), once=True)  # noqa: B023 - used at once


def test_once_trains_where_there_is_no_model(settings: Settings) -> None:
    predictor = FakePredictor(nothing, nothing)
    predictor.model = None
    run_daemon(settings, lambda: predictor, once=True)
    assert predictor.calls == ["retrain", "sync"]


def test_wrong_settings_are_found_before_anything_starts(settings: Settings) -> None:
    def never() -> FakePredictor:
        raise AssertionError

    for wrong in ({"retrain_cron": "0 3 * *"}, {"refresh_cron": "x"}, {"timezone": "Mars/Olympus"}):
        with pytest.raises(InvalidSettings):
            run_daemon(with_daemon(settings, **wrong), never)
    assert not settings.home.exists()


def test_the_state_tells_what_was_done_and_what_comes(settings: Settings) -> None:
    seen: list[DaemonState] = []
    predictor = FakePredictor(nothing, lambda: seen.append(state_of(settings)), nothing)
    run_daemon(with_daemon(settings, retrain_cron="0 3 * * *", refresh_cron="0 2 * * *"), lambda: predictor)
    (state,) = seen
    assert (state.pid, state.live) == (os.getpid(), "default@1")
    assert (state.changed_nodes, state.changed_edges, state.encoded_texts) == (4, 5, 6)
    assert (state.created, state.updated, state.removed, state.sync_seconds) == (1, 2, 3, 0.25)
    for at in (state.next_sync, state.next_refresh, state.next_retrain, state.started_at, state.synced_at):
        assert at is not None
        assert datetime.fromisoformat(at).tzinfo is not None
    lag = state.lag_seconds()
    assert lag is not None
    assert lag < 60
    assert predictor.daemons.last is not None
    assert predictor.daemons.last.synced_at is not None
    assert [path.name for path in settings.home.iterdir()] == ["daemon.json"]


def test_a_home_that_cannot_be_written_does_not_end_it(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.home.write_text("a file is in the way", encoding="utf-8")
    predictor = FakePredictor(nothing, nothing)
    run_daemon(settings, lambda: predictor)
    assert len(predictor.calls) == 2
    assert "state not written" in caplog.text


def test_the_health_of_a_daemon_tells_stuck_from_busy(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    late = (now - timedelta(minutes=20)).isoformat()
    well = told(now, "syncing", stuck_seconds=600)
    assert "No daemon has run" in (problem_of(tmp_path) or "")
    write_state(tmp_path, replace(well, moved_at=(now - timedelta(minutes=9)).isoformat()))
    assert problem_of(tmp_path) is None
    write_state(tmp_path, replace(well, moved_at=late))
    assert "stuck (syncing): nothing has moved for 1200 seconds" in (problem_of(tmp_path, now) or "")
    write_state(tmp_path, well)
    assert "said nothing for 600 seconds" in (problem_of(tmp_path, now + timedelta(minutes=10)) or "")
    failure = replace(well, error_code="graph-unavailable", error_hint="Start it.", failures_in_a_row=3)
    write_state(tmp_path, failure)
    assert problem_of(tmp_path) == "The last 3 tries failed. graph-unavailable: Start it."
    write_state(tmp_path, replace(well, state="stopped"))
    assert problem_of(tmp_path) == "The daemon has stopped."
    (tmp_path / "daemon.json").write_text("[]", encoding="utf-8")
    assert "No daemon has run" in (problem_of(tmp_path) or "")


def test_of_two_daemons_in_one_home_the_one_that_leads_is_told(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    leads = told(now)
    write_state(tmp_path, leads)
    write_state(tmp_path, told(now + timedelta(seconds=1), "standing by", pid=2))
    assert (read_state(tmp_path) or leads).pid == 1
    write_state(tmp_path, replace(leads, state="stopped"))
    assert (read_state(tmp_path) or leads).pid == 2
    write_state(tmp_path, told(now + timedelta(seconds=2), pid=2))
    assert not (tmp_path / "standby.json").exists()


CHILD = """
import sys, time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace as Thing
from neo4j_relpred.config import Settings
from neo4j_relpred.daemon import run_daemon

@dataclass
class Written:
    created: int = 1
    updated: int = 2
    removed: int = 3

class Board:
    @contextmanager
    def leading(self, seconds):
        yield Thing(number=1)
    def orders(self):
        return Thing(paused_by=None, asked=())
    def __getattr__(self, name):
        return lambda *_: None

class Slow:
    daemons, jobs = Board(), None
    def live_model(self):
        return "default@1"
    def begun(self):
        return None
    def sync(self, **_):
        print("begun", flush=True)
        time.sleep(float(sys.argv[2]))
        print("done", flush=True)
        return Thing(changed_nodes=4, changed_edges=5, encoded_texts=6, pending=0, failing=(), model="default@1",
                     publication=Written(), seconds=1.0)
    def close(self):
        print("closed", flush=True)

run_daemon(Settings(home=Path(sys.argv[1])), Slow)
print("ended", flush=True)
"""


def started(home: Path, seconds: float, **environment: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CHILD, str(home), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), **environment},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    return child


def test_the_first_signal_lets_the_running_sync_end(tmp_path: Path) -> None:
    with started(tmp_path, 0.5) as child:
        child.send_signal(signal.SIGTERM)
        output, errors = child.communicate(timeout=20)
    assert (child.returncode, output) == (0, "done\nclosed\nended\n")
    assert "Traceback" not in errors
    assert "job=sync changed_nodes=4" in errors
    state = read_state(tmp_path)
    assert state is not None
    assert (state.state, state.pid) == ("stopped", child.pid)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_second_signal_stops_at_once(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with started(tmp_path, 60) as child:
        child.send_signal(number)
        time.sleep(0.2)
        child.send_signal(number)
        output, _ = child.communicate(timeout=20)
    assert (child.returncode, output) == (code, "closed\n")
    state = read_state(tmp_path)
    assert state is not None
    assert state.state == "stopped"


def test_systemd_hears_that_it_is_ready_and_that_it_is_alive(tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(20)
        with started(tmp_path / "home", 0.1, NOTIFY_SOCKET=str(tmp_path / "notify")) as child:
            words = {receiver.recv(100) for _ in range(2)}
            child.send_signal(signal.SIGTERM)
            child.communicate(timeout=20)
    assert words == {b"READY=1", b"WATCHDOG=1"}


def test_the_state_holds_no_word_of_an_error(settings: Settings) -> None:
    predictor = FakePredictor(raising(GraphUnavailable("secret text", hint="Start it.")), nothing)
    run_daemon(settings, lambda: predictor)
    assert "secret" not in json.dumps((settings.home / "daemon.json").read_text())
