"""Processes that answer in place of a thread: each asks a facade of its own, one batch of calls at a time.

Calls, answers and errors go through a pair of sockets of their own, in the form that multiprocessing gives them.
A process ends when its socket is closed, so it never outlives the service, however that ends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

from neo4j_relpred.errors import RelpredError
from neo4j_relpred.service.facade import Predictor
from neo4j_relpred.service.hands import Call, HandLost, ModelHere

__all__ = ["Elsewhere", "State", "serve"]

COMMAND = ["-m", "neo4j_relpred.service.answering"]
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # before a process that ended is started again
SETTLED_SECONDS = 60.0  # who has lived so long has nothing to do with how the one before ended
ENDING_SECONDS = 2.0  # for closing what was opened

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """What a process says of itself with every answer; pause: seconds until it wants to look for another version."""

    model: str | None
    problem: RelpredError | None
    loads: int
    load_failures: int
    pause: float


class Elsewhere:
    """Lets a process of its own answer, and starts it again when it ends."""

    def __init__(self, opened: Callable[[], Predictor]) -> None:
        """opened: how the process gets its facade; it is sent there, so it is a function of a module or a `partial`."""
        self._task = ForkingPickler.dumps((opened, logging.getLogger().getEffectiveLevel()))
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection[Any, Any] | None = None
        self._closed = self._asking = False
        self._started_at = self._next_start = self._next_look = 0.0
        self._failures = 0
        self._before = (0, 0)  # loads of processes that ended
        self._now = (0, 0)
        self.able = True
        self.model: str | None = None
        self.problem: RelpredError | None = None
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        process = self._process
        return None if process is None else process.pid

    @property
    def loads(self) -> int:
        """Versions loaded."""
        return self._before[0] + self._now[0]

    @property
    def load_failures(self) -> int:
        """Tries to load that failed."""
        return self._before[1] + self._now[1]

    def between(self) -> float:
        """Starts the process where there is none, and lets it look for another version when it is time."""
        now = time.monotonic()
        if self._process is None:
            if now < self._next_start or not self._start():
                return max(0.0, self._next_start - now)
        if now >= self._next_look:
            try:
                self._ask(None)
            except HandLost:
                return 0.0
        return max(0.0, self._next_look - time.monotonic())

    def looks_ahead(self) -> bool:
        """The process does, by itself."""
        return False

    def answers(self, calls: Sequence[Call[Any]]) -> Sequence[Any]:
        """The answer or the error of each call. Raises HandLost."""
        found: Sequence[Any] = self._ask(list(calls))
        return found

    def close(self) -> None:
        """Lets the process end, or ends it where it is at work."""
        with self._guard:
            self._closed = True
            process = self._process
            if process is None:
                return
            if self._asking:  # by a thread that hears of it so
                process.kill()
            elif self._pipe is not None:
                self._pipe.close()
        try:
            process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self) -> bool:
        ours, theirs = socket.socketpair()
        paths = os.pathsep.join(path for path in sys.path if path)
        with self._guard, theirs:
            if self._closed:
                ours.close()
                return False
            self._pipe = Connection(ours.detach())
            self._started_at, self._next_look = time.monotonic(), 0.0
            try:
                self._process = subprocess.Popen(
                    [sys.executable, *COMMAND, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=2,  # what libraries print is for the log
                    pass_fds=[theirs.fileno()],
                    env={**os.environ, "PYTHONPATH": paths},
                    start_new_session=True,  # a Ctrl-C is for the service
                )
            except OSError as error:
                log.error("worker not started reason=%s", error.strerror)
                self._stand_back()
                return False
        with contextlib.suppress(OSError):  # it is gone already: the next question tells
            self._pipe.send_bytes(self._task)
        log.info("worker started pid=%d", self._process.pid)
        return True

    def _ask(self, calls: list[Call[Any]] | None) -> Any:
        assert self._pipe is not None
        try:
            with self._guard:
                if self._closed:
                    raise EOFError
                self._asking = True
            self._pipe.send(calls)
            answers, state = self._pipe.recv()
        except (EOFError, OSError):
            self._lost()
            raise HandLost from None
        finally:
            self._asking = False
        self._noted(state)
        return answers

    def _noted(self, state: State) -> None:
        self.model, self.problem, self._now = state.model, state.problem, (state.loads, state.load_failures)
        self._next_look = time.monotonic() + state.pause
        self.able = True

    def _lost(self) -> None:
        """Takes note that the process has ended, and says when to start the next."""
        assert self._process is not None
        self._process.kill()  # or it only closed its socket
        code = self._process.wait()
        if not self._closed:
            log.error("worker ended pid=%d code=%d", self._process.pid, code)
        self._stand_back()

    def _stand_back(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
        self.able, self._process, self._pipe, self.model, self.problem = False, None, None, None, None
        self._before, self._now = (self.loads, self.load_failures), (0, 0)
        self.restarts += 1
        lived = time.monotonic() - self._started_at
        self._failures = 0 if lived >= SETTLED_SECONDS else self._failures + 1
        pause = min(SHORTEST_PAUSE * 2.0 ** min(self._failures, 10), LONGEST_PAUSE)
        self._next_start = time.monotonic() + pause


def serve(
    predictor: Predictor,
    idle: Callable[[], bool],
    received: Callable[[], list[Call[Any]] | None],
    send: Callable[[Any], None],
) -> None:
    """Answers in the process: batches of calls, and None for a look at the live version. Raises EOFError at the end.

    idle: whether nothing was received that waits.
    """
    hand = ModelHere(predictor)
    while True:
        while idle() and hand.looks_ahead():
            pass
        calls = received()
        answers = [] if calls is None else list(hand.answers(calls))
        pause = hand.between() if calls is None else hand.pause
        send((answers, State(hand.model, hand.problem, hand.loads, hand.load_failures, pause)))
