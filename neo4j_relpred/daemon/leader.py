"""What the daemon that leads does, one thing after the other, until it is told to stop or another one leads.

The scheduler only says what is due, and so do people, by the daemon's node in the graph. Whatever was missed meanwhile,
by a long sync, a pause or a night without power, is done once.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from neo4j_relpred.config import Settings
from neo4j_relpred.daemon.schedule import REFRESH, RETRAIN, SYNC, Schedule
from neo4j_relpred.daemon.trainings import JobBoard, Trainings
from neo4j_relpred.daemon.voice import Voice, now
from neo4j_relpred.data.daemon_state import BEAT_SECONDS
from neo4j_relpred.errors import PublicationStopped, RelpredError, error_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neo4j_relpred.api.jobs import Job
    from neo4j_relpred.api.syncing import SyncReport
    from neo4j_relpred.data.begun import Begun
    from neo4j_relpred.data.daemon_state import DaemonState
    from neo4j_relpred.graph.daemons import Errand, Failure, Orders
    from neo4j_relpred.graph.leases import Fence

__all__ = ["STOP", "Boards", "Leader", "Predictor", "pause_seconds", "stop_in"]

STOP, RETRY, RESUME = "stop", "retry", "resume"
POLL_SECONDS = 2.0  # between two looks at what people ask for
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0  # after failures

log = logging.getLogger(__name__)


class Boards(Protocol):
    """What the daemon needs of the graph, see graph.daemons."""

    def read(self) -> DaemonState | None:
        """What the last leader said."""

    def orders(self) -> Orders:
        """What people ask for."""

    def leading(self, seconds: float) -> AbstractContextManager[Fence]:
        """The lease of who leads."""

    def require(self, fence: Fence) -> None:
        """Raises PublicationStopped where another one leads."""

    def say(self, fence: Fence, state: DaemonState) -> None:
        """Keeps the state."""

    def done(self, fence: Fence, errands: Sequence[Errand]) -> None:
        """Strikes off what was asked for."""

    def leave_out(self, fence: Fence, failures: Sequence[Failure]) -> None:
        """Keeps what was left out."""


class Predictor(Protocol):
    """What the daemon needs of the facade."""

    @property
    def daemons(self) -> Boards:
        """The node in the graph."""

    @property
    def jobs(self) -> JobBoard:
        """Processes of their own."""

    def sync(self, *, publish: bool = True, progress: Callable[[str, float], None] = ...) -> SyncReport:
        """Brings predictions up to the graph."""

    def retry_failed(self) -> int:
        """Lets what failed be tried again at once."""

    def live_model(self) -> str | None:
        """Name and version of the live model."""

    def begun(self) -> Begun | None:
        """A training that was killed."""

    def close(self) -> None:
        """Lets everything go."""


class Leader:
    """Leads under a fence. Every method raises PublicationStopped where another daemon leads by then."""

    def __init__(
        self, settings: Settings, predictor: Predictor, schedule: Schedule, voice: Voice, fence: Fence
    ) -> None:
        self._settings, self._predictor, self._schedule = settings.daemon, predictor, schedule
        self._voice, self._fence = voice, fence
        self._trainings = Trainings(predictor.jobs, voice, settings.daemon.stuck_minutes * 60)
        self._due: set[str] = set()  # what was not done yet
        self._not_before: dict[str, float] = {}  # jobs that failed, by the time of the next try
        self._told_at = 0.0

    def lead(self, due: queue.SimpleQueue[str]) -> bool:
        """Until told to stop (True). Raises what a job raised when no retry can help."""
        self._due |= self._at_first()
        try:
            while True:
                came = taken(due, POLL_SECONDS if not self._due else 0.0)
                if STOP in came:
                    return True
                self._due |= came
                self._voice.moved()
                try:
                    self._step()
                except PublicationStopped:
                    raise
                except RelpredError as error:
                    if not error.retryable:
                        raise
                    if stop_in(due, pause_seconds(self._voice.failed("look", error))):
                        return True
        finally:
            self._trainings.stop()

    def once(self, due: queue.SimpleQueue[str]) -> None:
        """One sync, after a training where there is no model yet. Whatever fails is raised."""
        try:
            if self._predictor.live_model() is None:
                self._trainings.start(RETRAIN)
                while (job := self._trainings.ended()) is None:
                    if stop_in(due, 0.2):
                        return
                self._trained(RETRAIN, job, forgive=False)
            self._sync(forgive=False)
        finally:
            self._trainings.stop()

    def _at_first(self) -> set[str]:
        """A sync; what was missed while nobody led; a training that was killed."""
        jobs, before = {SYNC}, self._predictor.daemons.read()
        if before is not None:
            kept = ("current_to", "refreshed_at", "retrained_at", "training_result")
            self._voice.moved(**{name: getattr(before, name) for name in kept})
            trained = {REFRESH: before.refreshed_at, RETRAIN: before.retrained_at}
            for job, at in trained.items():
                if self._schedule.missed(job, datetime.fromisoformat(at) if at else None, datetime.now(UTC)):
                    log.info("missed job=%s", job)
                    jobs.add(job)
        if self._predictor.begun() is not None:
            jobs.add(RESUME)
        return jobs

    def _step(self) -> None:
        """One look: at the lease, at what people ask for, at the training; then what is due."""
        self._predictor.daemons.require(self._fence)
        orders = self._predictor.daemons.orders()
        self._voice.moved(paused_by=orders.paused_by)
        kind = self._trainings.running
        if (job := self._trainings.ended()) is not None:
            self._trained(kind, job)
        if orders.paused_by is None:
            if orders.asked:
                self._predictor.daemons.done(self._fence, orders.asked)
                self._due |= {*orders.asked}
                self._not_before.clear()
            self._do(self._ready())
            state = "waiting"
        else:
            state = "paused"
        if self._voice.state.state != state or time.monotonic() - self._told_at > BEAT_SECONDS:
            self._tell(state)

    def _ready(self) -> set[str]:
        """What is due and need not wait after a failure; it is due no more."""
        ready = {job for job in self._due if self._not_before.get(job, 0.0) <= time.monotonic()}
        self._due -= ready
        return ready

    def _do(self, jobs: set[str]) -> None:
        if RETRY in jobs:
            log.info("tried again: %d texts and edges", self._predictor.retry_failed())
            jobs.add(SYNC)
        without_model = self._predictor.live_model() is None
        if RESUME in jobs and (begun := self._predictor.begun()) is not None:
            self._trainings.start(str(begun.options.get("kind", RETRAIN)), resume=True)
        if RETRAIN in jobs and self._trainings.running == REFRESH:  # both were due, and the lesser one began
            self._due.add(RETRAIN)
            self._not_before[RETRAIN] = time.monotonic() + POLL_SECONDS
        elif RETRAIN in jobs or (without_model and jobs and not self._trainings.running):
            self._trainings.start(RETRAIN)
        elif REFRESH in jobs:
            self._trainings.start(REFRESH)
        if without_model:
            self._due |= jobs & {SYNC}
            self._not_before[SYNC] = time.monotonic() + POLL_SECONDS
        elif SYNC in jobs:
            self._sync()

    def _sync(self, *, forgive: bool = True) -> None:
        """One sync. An error that a retry can help, or that only a person can, is told, counted and forgiven."""
        began = now()
        self._tell("syncing")
        try:
            report = self._predictor.sync(publish=self._settings.publish, progress=self._moved)
        except Exception as error:
            in_a_row = self._voice.failed(SYNC, error)
            passing = isinstance(error, PublicationStopped) or (isinstance(error, RelpredError) and error.retryable)
            if not forgive or not passing:
                raise
            self._due.add(SYNC)
            self._not_before[SYNC] = time.monotonic() + pause_seconds(in_a_row)
            return
        done = _figures(report)
        log.info("job=sync " + " ".join(f"{name}=%s" for name in done), *done.values())
        current = {} if report.pending else {"current_to": began}
        self._voice.went_well(SYNC, synced_at=now(), live=report.model, **current, **done)
        if report.pending:
            self._due.add(SYNC)
        self._predictor.daemons.leave_out(self._fence, report.failing)
        self._tell("waiting")

    def _moved(self, _stage: str, _share: float) -> None:
        """A long sync tells the graph again and again that it goes on."""
        self._voice.moved()
        if time.monotonic() - self._told_at > BEAT_SECONDS:
            self._tell("syncing")

    def _trained(self, kind: str, job: Job, *, forgive: bool = True) -> None:
        """Takes down how a training ended. One that failed is tried again where that can help."""
        if job.state == "done":
            result = job.result
            told = f"{result['model']} {'is live' if result['live'] else 'is kept as a candidate'}"
            log.info("training ended kind=%s %s", kind, told)
            self._voice.went_well(kind, training_result=told, **{f"{kind}ed_at": now()})
            self._due.add(SYNC)
            return
        code, message, hint = job.error or ("training-stopped", "The training was stopped.", "It goes on next time.")
        error = error_of(code, message, hint)
        in_a_row = self._voice.failed(kind, error)
        if not forgive or (self._predictor.live_model() is None and not error.retryable):
            raise error
        if error.retryable:
            again = RESUME if job.options.get("resume") else kind
            self._due.add(again)
            self._not_before[again] = time.monotonic() + pause_seconds(in_a_row)

    def _tell(self, state: str) -> None:
        """Says how it is to the file and to the graph."""
        self._voice.say(state=state)
        self._predictor.daemons.say(self._fence, self._voice.state)
        self._told_at = time.monotonic()


def taken(due: queue.SimpleQueue[str], seconds: float) -> set[str]:
    """Waits so long for something to be due, and takes all that is."""
    jobs: set[str] = set()
    try:
        jobs.add(due.get(timeout=seconds) if seconds > 0 else due.get_nowait())
        while True:
            jobs.add(due.get_nowait())
    except queue.Empty:
        return jobs


def stop_in(due: queue.SimpleQueue[str], seconds: float) -> bool:
    """Waits so long, or until told to stop (True). What else becomes due meanwhile is left to the next look."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if STOP in taken(due, left):
            return True
    return False


def pause_seconds(failures: int) -> float:
    """The pause after so many failures in a row: longer and longer, so that what is away is not asked without end."""
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 20)))


def _figures(report: SyncReport) -> dict[str, Any]:
    names = ("changed_nodes", "changed_edges", "encoded_texts", "pending")
    figures = {name: getattr(report, name) for name in names} | {"failing": len(report.failing)}
    figures |= dict.fromkeys(("created", "updated", "removed"), 0)
    if report.publication is not None:
        written = asdict(report.publication)
        figures |= {name: written[name] for name in ("created", "updated", "removed")}
    return figures | {"sync_seconds": round(report.seconds, 2)}
