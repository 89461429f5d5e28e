"""The daemon. The scheduler's thread only says what is due; the main thread does it, one thing after the other.

So two jobs never overlap, what was missed meanwhile is done once, an error that no retry can help leaves as itself
instead of being swallowed by the scheduler, and a second signal stops what is running.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from types import FrameType
from typing import Any, Protocol

from neo4j_relpred.config import Settings
from neo4j_relpred.daemon.heartbeat import BEAT_SECONDS, Heartbeat, write_heartbeat
from neo4j_relpred.daemon.schedule import REFRESH, RETRAIN, Schedule, make_schedule
from neo4j_relpred.errors import RelpredError
from neo4j_relpred.logs import begin_log

__all__ = ["Publication", "Refresher", "Report", "run_daemon"]

STOP = "stop"

log = logging.getLogger(__name__)


class Publication(Protocol):
    """What the daemon tells of a publication."""

    @property
    def created(self) -> int:
        """New predicted edges."""

    @property
    def updated(self) -> int:
        """Changed ones."""

    @property
    def removed(self) -> int:
        """Removed ones."""


class Report(Protocol):
    """What the daemon tells of a refresh."""

    @property
    def changed_nodes(self) -> int:
        """Nodes that were not as before."""

    @property
    def changed_edges(self) -> int:
        """Relationships that were not as before."""

    @property
    def encoded_texts(self) -> int:
        """Texts that were new to the encoder."""

    @property
    def retrained(self) -> bool:
        """Whether there is a new version."""

    @property
    def model(self) -> str:
        """Name and version of the live model."""

    @property
    def publication(self) -> Publication | None:
        """What was written, if anything was to be."""

    @property
    def refused(self) -> str:
        """Why the new version was kept as a candidate; '' where it was not."""

    @property
    def seconds(self) -> float:
        """How long it took."""


class Refresher(Protocol):
    """What the daemon needs of the facade."""

    def refresh(self, *, retrain: bool = False, publish: bool = True) -> Report:
        """Reads what changed, refreshes the model, and publishes."""

    def close(self) -> None:
        """Lets everything go."""


def run_daemon(settings: Settings, open_predictor: Callable[[], Refresher], once: bool = False) -> None:
    """Refreshes now, then as the settings say, until SIGTERM or SIGINT; with `once`, refreshes and returns.

    The first signal lets the running job end. Raises InvalidSettings before anything starts; what a job raised when
    no retry can help, or, with `once`, whatever it raised; SystemExit after a second signal.
    """
    if not logging.getLogger().handlers:
        begin_log(logging.INFO)
    schedule = make_schedule(settings.daemon)
    due: queue.SimpleQueue[str] = queue.SimpleQueue()
    with _signals(due), contextlib.closing(open_predictor()) as predictor:
        daemon = _Daemon(settings, predictor, schedule)
        if once:
            daemon.run_once()
        else:
            daemon.run(due)


class _Daemon:
    def __init__(self, settings: Settings, predictor: Refresher, schedule: Schedule) -> None:
        self._settings, self._predictor, self._schedule = settings, predictor, schedule
        self._scheduler: Any = None
        self._lock = threading.Lock()
        now = _now()
        self._beat = Heartbeat(pid=os.getpid(), state="waiting", started_at=now, beat_at=now)

    def run(self, due: queue.SimpleQueue[str]) -> None:
        """Does what is due until something says stop."""
        self._scheduler = self._schedule.scheduler(due.put, self._say, BEAT_SECONDS)
        self._scheduler.start()
        log.info("daemon starts interval_minutes=%g retrain=%r", *self._times())
        due.put(REFRESH)
        try:
            while STOP not in (jobs := _drained(due)):
                self.do(RETRAIN if RETRAIN in jobs else REFRESH)  # retraining is a refresh too
        finally:
            self._scheduler.shutdown(wait=False)
            self._say(state="stopped", job=None)
        log.info("daemon ended")

    def run_once(self) -> None:
        """One refresh, whose error is raised in any case."""
        try:
            self.do(REFRESH, forgive=False)
        finally:
            self._say(state="stopped", job=None)

    def do(self, job: str, *, forgive: bool = True) -> None:
        """Does one job. An error that a retry can help is told, counted and forgiven; any other is raised."""
        self._say(state="working", job=job)
        try:
            report = self._predictor.refresh(retrain=job == RETRAIN, publish=self._settings.daemon.publish)
        except Exception as error:
            self._failed(job, error)
            if forgive and isinstance(error, RelpredError) and error.retryable:
                return
            raise
        done = _told(job, report)
        log.info(" ".join(f"{name}=%s" for name in done), *done.values())
        self._say(state="waiting", job=None, last_refresh={"at": _now(), **done}, last_error=None, failures_in_a_row=0)

    def _failed(self, job: str, error: Exception) -> None:
        code = error.code if isinstance(error, RelpredError) else "internal"
        hint = error.hint if isinstance(error, RelpredError) else f"A fault of the program: {type(error).__name__}."
        beat = self._beat
        log.warning("job=%s failed code=%s in_a_row=%d hint=%s", job, code, beat.failures_in_a_row + 1, hint)
        self._say(
            state="waiting",
            job=None,
            last_error={"at": _now(), "code": code, "hint": hint},
            failures_in_a_row=beat.failures_in_a_row + 1,
            failures=beat.failures + 1,
        )

    def _say(self, **changes: Any) -> None:
        """Writes the heartbeat. One that cannot be written becomes late, which its readers notice."""
        with self._lock:
            self._beat = replace(self._beat, beat_at=_now(), next_runs=self._next_runs(), **changes)
            try:
                write_heartbeat(self._settings.home, self._beat)
            except OSError as error:
                log.warning("heartbeat not written error=%s", error.strerror)

    def _next_runs(self) -> dict[str, str | None]:
        if self._scheduler is None or not self._scheduler.running:
            return {}
        times = {job.id: job.next_run_time for job in self._scheduler.get_jobs() if job.id in (REFRESH, RETRAIN)}
        return {name: time.isoformat(timespec="seconds") if time else None for name, time in sorted(times.items())}

    def _times(self) -> tuple[float, str]:
        return self._settings.daemon.interval_minutes, self._settings.daemon.retrain_cron


def _told(job: str, report: Report) -> dict[str, str | int | float | bool]:
    done: dict[str, str | int | float | bool] = {
        "job": job,
        "changed_nodes": report.changed_nodes,
        "changed_edges": report.changed_edges,
        "encoded_texts": report.encoded_texts,
        "retrained": report.retrained,
        "model": report.model,
    }
    if report.refused:
        done["refused"] = report.refused
    if report.publication is not None:
        done |= {name: getattr(report.publication, name) for name in ("created", "updated", "removed")}
    return done | {"seconds": round(report.seconds, 1)}


def _drained(due: queue.SimpleQueue[str]) -> set[str]:
    """Waits for something to be due, and takes all that is."""
    jobs = {due.get()}
    with contextlib.suppress(queue.Empty):
        while True:
            jobs.add(due.get_nowait())
    return jobs


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextlib.contextmanager
def _signals(due: queue.SimpleQueue[str]) -> Iterator[None]:
    """SIGTERM and SIGINT say stop; a second one raises SystemExit where the main thread is.

    A SimpleQueue and not an Event: its put may be called by a handler that interrupts get, an Event's set may not.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may listen to signals
        return
    stopping = False

    def stop(number: int, _: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            raise SystemExit(128 + number)
        stopping = True
        due.put(STOP)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
