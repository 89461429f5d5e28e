"""How the daemon says how it is: into the file beside its models, into its node in the graph, and to systemd."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from neo4j_relpred.config import Settings
from neo4j_relpred.data.daemon_state import DaemonState, write_state
from neo4j_relpred.errors import RelpredError
from neo4j_relpred.systemd import notify

__all__ = ["Voice", "now"]

log = logging.getLogger(__name__)


class Voice:
    """The present state. Any thread may change it; only the thread that works tells the graph."""

    def __init__(self, settings: Settings) -> None:
        self._home, self._lock = settings.home, threading.Lock()
        self.state = DaemonState(
            model=settings.model_name,
            host=socket.gethostname(),
            pid=os.getpid(),
            state="waiting",
            started_at=now(),
            beat_at=now(),
            moved_at=now(),
            stuck_seconds=settings.daemon.stuck_minutes * 60,
        )
        self.next_runs: Callable[[], dict[str, Any]] = dict

    def moved(self, **changes: Any) -> None:
        """Takes down what changed, as a sign that work goes on; in memory only."""
        with self._lock:
            self.state = replace(self.state, moved_at=now(), **changes)

    def say(self, **changes: Any) -> None:
        """Takes down what changed, and writes the file. One that cannot be written becomes late, as readers notice."""
        self.moved(**changes)
        self.beat()

    def beat(self) -> None:
        """Writes the file as a sign of life; systemd hears of it as long as something moves."""
        with self._lock:
            self.state = replace(self.state, beat_at=now(), **self.next_runs())
            try:
                write_state(self._home, self.state)
            except OSError as error:
                log.warning("state not written error=%s", error.strerror)
            if not self.state.stuck():
                notify("WATCHDOG=1")

    def failed(self, job: str, error: BaseException) -> int:
        """Takes down a failure; how many there were in a row by now."""
        code = error.code if isinstance(error, RelpredError) else "internal"
        hint = error.hint if isinstance(error, RelpredError) else f"A fault of the program: {type(error).__name__}."
        in_a_row, in_all = self.state.failures_in_a_row + 1, self.state.failures + 1
        log.warning("job=%s failed code=%s in_a_row=%d hint=%s", job, code, in_a_row, hint)
        what = {"error_at": now(), "error_in": job, "error_code": code, "error_hint": hint}
        self.say(**what, failures_in_a_row=in_a_row, failures=in_all)
        return in_a_row

    def went_well(self, job: str, **changes: Any) -> None:
        """Takes down a success. It makes up for failures of the same job, and for those of no job."""
        if self.state.error_in in (job, "look", "lead"):
            changes |= dict.fromkeys(("error_at", "error_in", "error_code", "error_hint"))
            changes["failures_in_a_row"] = 0
        self.say(**changes)


def now() -> str:
    """The time as states have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
