"""Who calls the facade, behind a bounded queue: one worker asks the model, others read and write decisions.

A prediction takes the processor for itself, so it must neither block the event loop nor run beside another one of its
process. A worker has a thread for each of its hands, which do the answering.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from neo4j_relpred.errors import Overloaded, RelpredError
from neo4j_relpred.service.hands import Alike, Call, Hand, HandLost, ModelHand, fault
from neo4j_relpred.service.pace import Pace
from neo4j_relpred.service.refusals import log_failure
from neo4j_relpred.wire import NotReady

__all__ = ["ModelWorker", "Worker"]

T = TypeVar("T")
MOST_TOGETHER = 64  # calls that are answered at once
CLOSING_SECONDS = 5.0  # all requests have ended by then: what still runs, nobody waits for
LATER = "Ask again in a moment."


@dataclass(eq=False)
class Entry:
    """A call and who waits for it. lost: one who was asked has ended without an answer; it is asked once more."""

    future: Future[Any]
    call: Call[Any]
    lost: bool = False

    def begun(self) -> bool:
        """Whether somebody still waits for it."""
        return self.lost or self.future.set_running_or_notify_cancel()


class Worker:
    """Lets hands answer what is submitted, each in a thread of its own, in the order of arrival."""

    def __init__(self, hands: Sequence[Hand], queue_size: int, name: str) -> None:
        self._hands, self._queue_size = hands, queue_size
        self._waiting: deque[Entry] = deque()
        self._unanswered: set[Future[Any]] = set()
        self._change = threading.Condition()
        self._end = threading.Event()
        self._busy: set[Hand] = set()
        self._threads = [threading.Thread(target=self._work, args=(hand,), name=name, daemon=True) for hand in hands]

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def close(self, patience: float = CLOSING_SECONDS) -> None:
        """Refuses the waiting calls and lets the running ones end, or leaves them behind when they take too long."""
        until = time.monotonic() + patience
        with self._change:
            self._end.set()
            abandoned = [entry for entry in self._waiting if entry.begun()]
            self._waiting.clear()
            self._change.notify_all()
        for entry in abandoned:
            entry.future.set_exception(NotReady("The service is stopping.", hint=LATER))
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        for hand in self._hands:
            hand.close()

    def submit(self, call: Call[T]) -> Future[T]:
        """Queues a call. Raises Overloaded when the queue is full, NotReady while stopping or where no hand is able."""
        future: Future[T] = Future()
        with self._change:
            if self._end.is_set():
                raise NotReady("The service is stopping.", hint=LATER)
            if not any(hand.able for hand in self._hands):
                raise NotReady("The processes that answer have ended, and are started again.", hint=LATER)
            if len(self._waiting) >= self._queue_size:
                raise Overloaded(
                    f"{self._queue_size} questions are waiting already.",
                    hint="Ask again in a moment, or raise service.queue_size.",
                )
            self._waiting.append(Entry(future, call))
            self._change.notify()
        self._unanswered.add(future)
        future.add_done_callback(self._unanswered.discard)
        return future

    def load(self) -> tuple[int, int]:
        """How many calls wait, and how many run."""
        calls = list(self._unanswered)
        running = sum(call.running() for call in calls)
        return len(calls) - running, running

    @property
    def free(self) -> int:
        """How many hands have nothing to do just now."""
        return sum(hand.able and hand not in self._busy for hand in self._hands)

    def give_up(self, future: Future[Any]) -> None:
        """Frees the place in the queue of a call that nobody waits for any more. A running call runs to its end."""
        if future.cancel():
            with self._change:
                self._waiting = deque(entry for entry in self._waiting if entry.future is not future)

    def _work(self, hand: Hand) -> None:
        while not self._end.is_set():
            pause = hand.between()
            if not hand.able:
                self._end.wait(pause)  # not for calls, which are for others
                continue
            if not self._waiting and hand.looks_ahead():
                continue
            with self._change:
                if not self._waiting and not self._end.is_set():
                    self._change.wait(pause)
                entries = [] if self._end.is_set() else self._taken()
            entries = [entry for entry in entries if entry.begun()]
            if entries:
                self._busy.add(hand)
                self._answer(hand, entries)
                self._busy.discard(hand)

    def _taken(self) -> list[Entry]:
        """The next call, and those that wait as well and are alike."""
        if not self._waiting:
            return []
        first = self._waiting.popleft()
        others = [entry for entry in self._waiting if _alike(first.call, entry.call)][: MOST_TOGETHER - 1]
        for entry in others:
            self._waiting.remove(entry)
        return [first, *others]

    def _answer(self, hand: Hand, entries: Sequence[Entry]) -> None:
        left, good, began = deque(entries), True, time.perf_counter()
        try:
            for answer in hand.answers([entry.call for entry in entries]):
                future = left.popleft().future
                if isinstance(answer, Exception):
                    good = False
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
        except HandLost:
            self._ask_again(left)
        except Exception as error:  # of what answers, not of what is asked
            log_failure("answering", error)
            for entry in left:
                entry.future.set_exception(fault())
        else:
            if good:
                self._answered([entry.call for entry in entries], time.perf_counter() - began)

    def _ask_again(self, entries: Iterable[Entry]) -> None:
        """Each once: it may be what ended who was asked."""
        with self._change:
            stopping = self._end.is_set()
            once = [entry for entry in entries if not (entry.lost or stopping)]
            twice = [entry for entry in entries if entry.lost or stopping]
            for entry in reversed(once):
                entry.lost = True
                self._waiting.appendleft(entry)
            self._change.notify_all()
        for entry in twice:
            entry.future.set_exception(NotReady("The process that was asked has ended.", hint=LATER))

    def _answered(self, calls: Sequence[Call[Any]], seconds: float) -> None:
        """Is told how long good answers took."""


class ModelWorker(Worker):
    """The one worker that asks the model."""

    def __init__(self, hands: Sequence[ModelHand], queue_size: int) -> None:
        super().__init__(hands, queue_size, "relpred-model")
        self.hands = hands
        self.pace = Pace()

    @property
    def model(self) -> str | None:
        """Name and version of what answers; of two, while one takes over, the old one."""
        return next((hand.model for hand in self.hands if hand.able and hand.model is not None), None)

    @property
    def problem(self) -> RelpredError | None:
        """Why the live version does not answer."""
        return next((hand.problem for hand in self.hands if hand.problem is not None), None)

    @property
    def up(self) -> int:
        """How many hands have a model to ask."""
        return sum(hand.able and hand.model is not None for hand in self.hands)

    def _answered(self, calls: Sequence[Call[Any]], seconds: float) -> None:
        alike = [call for call in calls if isinstance(call, Alike)]
        if alike:
            self.pace.note(alike[0].kind, sum(call.number for call in alike), seconds)


def _alike(one: Call[Any], other: Call[Any]) -> bool:
    return (
        isinstance(one, Alike)
        and isinstance(other, Alike)
        and not (one.alone or other.alone)
        and one.kind == other.kind
        and one.together == other.together
    )
