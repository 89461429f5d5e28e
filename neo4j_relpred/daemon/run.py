"""The daemon as a process: signals, the lease by which one daemon of a model leads, and standing by for it."""

from __future__ import annotations

import contextlib
import logging
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from neo4j_relpred.config import Settings
from neo4j_relpred.daemon.leader import STOP, Leader, Predictor, pause_seconds, stop_in
from neo4j_relpred.daemon.schedule import Schedule, make_schedule
from neo4j_relpred.daemon.voice import Voice
from neo4j_relpred.data.daemon_state import BEAT_SECONDS, STANDING_BY, STOPPED
from neo4j_relpred.errors import Busy, PublicationStopped, RelpredError
from neo4j_relpred.logs import begin_log
from neo4j_relpred.systemd import notify

__all__ = ["run_daemon"]

LOOK_SHARE = 3  # looks at the lease of who leads, in each of its terms

log = logging.getLogger(__name__)


def run_daemon(settings: Settings, open_predictor: Callable[[], Predictor], once: bool = False) -> None:
    """Syncs now, then as the settings say, until SIGTERM or SIGINT; with `once`, syncs and returns.

    The first signal lets a running sync end, and stops a training, which goes on at the next start. Raises
    InvalidSettings before anything starts; what a job raised when no retry can help, or, with `once`, whatever it
    raised; SystemExit after a second signal.
    """
    if not logging.getLogger().handlers:
        begin_log(logging.INFO)
    schedule, voice = make_schedule(settings.daemon), Voice(settings)
    due: queue.SimpleQueue[str] = queue.SimpleQueue()
    with _signals(due), contextlib.closing(open_predictor()) as predictor:
        try:
            if once:
                with predictor.daemons.leading(settings.daemon.lease_seconds) as fence:
                    Leader(settings, predictor, schedule, voice, fence).once(due)
            else:
                _run(settings, predictor, schedule, voice, due)
        finally:
            voice.say(state=STOPPED, training=None)


def _run(
    settings: Settings, predictor: Predictor, schedule: Schedule, voice: Voice, due: queue.SimpleQueue[str]
) -> None:
    """Leads as long as it may; stands by while another daemon leads, or while the graph is away."""
    scheduler = schedule.scheduler(due.put, voice.beat, BEAT_SECONDS)
    voice.next_runs = lambda: _next_runs(scheduler, schedule)
    scheduler.start()
    seconds = settings.daemon.lease_seconds
    log.info("daemon starts model=%s interval_minutes=%g", settings.model_name, settings.daemon.interval_minutes)
    notify("READY=1")
    try:
        while True:
            pause = seconds / LOOK_SHARE
            try:
                with predictor.daemons.leading(seconds) as fence:
                    log.info("daemon leads fence=%d", fence.number)
                    voice.say(state="waiting", leader=None)
                    if Leader(settings, predictor, schedule, voice, fence).lead(due):
                        break
            except Busy as error:
                if voice.state.state != STANDING_BY:
                    log.info("daemon stands by: %s", error.message)
                voice.say(state=STANDING_BY, leader=error.message)
            except PublicationStopped:
                log.warning("daemon leads no more: another one took over")
            except RelpredError as error:
                if not error.retryable:
                    voice.failed("lead", error)
                    raise
                pause = pause_seconds(voice.failed("lead", error))
            if stop_in(due, pause):
                break
    finally:
        scheduler.shutdown(wait=False)
        voice.next_runs = dict
    log.info("daemon ended")


def _next_runs(scheduler: Any, schedule: Schedule) -> dict[str, Any]:
    times = {name: scheduler.get_job(name) for name in schedule.triggers}
    return {
        f"next_{name}": job.next_run_time.isoformat(timespec="seconds") if job and job.next_run_time else None
        for name, job in times.items()
    }


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
