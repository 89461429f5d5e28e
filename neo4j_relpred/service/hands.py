"""What answers the calls of a worker: the facade, asked in the worker's thread. `pool` has those of other processes.

An answer stands for itself, an error in the place of an answer for what could not be answered.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from neo4j_relpred.errors import ModelNotFound, RelpredError
from neo4j_relpred.service.facade import Predictor
from neo4j_relpred.service.refusals import log_failure
from neo4j_relpred.triples import QuestionKind
from neo4j_relpred.wire import ServiceFailed

__all__ = ["Alike", "Call", "Hand", "HandLost", "Here", "ModelHand", "ModelHere", "fault"]

Q = TypeVar("Q")
T = TypeVar("T")
Call = Callable[[Predictor], T]
LOOK_SECONDS = 1.0  # between two looks for a new live version
LONGEST_PAUSE = 30.0  # between two tries to load a model that cannot be loaded

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Alike(Generic[Q, T]):
    """A call that is answered together with others of its kind where they wait at the same time, in far less time.

    `together` answers many questions, in order; number: how many are in this one. One that stays alone is answered by
    itself.
    """

    question: Q
    together: Callable[[Predictor, Sequence[Q]], Sequence[T]]
    kind: QuestionKind
    number: int = 1
    alone: bool = False

    def __call__(self, predictor: Predictor) -> T:
        """Answers this one."""
        return self.together(predictor, [self.question])[0]


class HandLost(Exception):
    """Who was asked ended before it answered."""


class Hand(Protocol):
    """What answers calls, asked by one thread."""

    able: bool  # whether it can be asked now

    def between(self) -> float | None:
        """What is done between two calls; for how many seconds at most to wait for the next one."""

    def looks_ahead(self) -> bool:
        """Works out a little of what coming calls need, while nobody asks; False where nothing is left to do."""

    def answers(self, calls: Sequence[Call[Any]]) -> Iterable[Any]:
        """The answer or the error of each call. Raises HandLost."""

    def close(self) -> None:
        """Ends what it started, for any thread. Nothing is asked any more."""


class ModelHand(Hand, Protocol):
    """One that answers by the live model."""

    model: str | None  # name and version of what answers
    problem: RelpredError | None  # why the live version does not
    restarts: int  # how often it had to begin anew

    @property
    def loads(self) -> int:
        """Versions loaded."""

    @property
    def load_failures(self) -> int:
        """Tries to load that failed."""


class Here:
    """Asks the facade in the thread that calls it."""

    able = True

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def between(self) -> float | None:
        """Nothing; forever."""
        return None

    def looks_ahead(self) -> bool:
        """Nothing to do."""
        return False

    def require(self) -> None:
        """Raises what no call can do without."""

    def answers(self, calls: Sequence[Call[Any]]) -> Iterator[Any]:
        """All at once where there are several; each by itself where one of them spoils that, to see which."""
        together = self._together(calls) if len(calls) > 1 else None
        yield from map(self._answer, calls) if together is None else together

    def close(self) -> None:
        """Nothing: the predictor is the caller's."""

    def _together(self, calls: Sequence[Call[Any]]) -> Sequence[Any] | None:
        alike = [call for call in calls if isinstance(call, Alike)]
        try:
            self.require()
            found: Sequence[Any] = alike[0].together(self._predictor, [call.question for call in alike])
        except Exception:
            return None
        return found

    def _answer(self, call: Call[Any]) -> Any:
        try:
            self.require()
            return call(self._predictor)
        except RelpredError as error:
            return error
        except Exception as error:
            log_failure("a question", error)
            return fault()


class ModelHere(Here):
    """Loads the live model first, and also looks for a new version of it. An old one answers when that fails."""

    restarts = 0

    def __init__(self, predictor: Predictor) -> None:
        super().__init__(predictor)
        self._next_look = 0.0
        self._failures = 0
        self.model: str | None = None
        self.problem: RelpredError | None = None
        self.loads = self.load_failures = 0
        self._blind: str | None = None  # a model that failed to look ahead

    def looks_ahead(self) -> bool:
        """By the model. What fails here is told once, and spoils no answer."""
        if self.model is None or self.model == self._blind:
            return False
        try:
            return self._predictor.look_ahead()
        except Exception as error:
            log_failure("looking ahead", error)
            self._blind = self.model
            return False

    def between(self) -> float:
        """Looks, when it is time; until the next look."""
        if time.monotonic() >= self._next_look:
            self._look()
        return self.pause

    @property
    def pause(self) -> float:
        """Seconds until the next look."""
        return max(0.0, self._next_look - time.monotonic())

    def require(self) -> None:
        """Raises why there is no model."""
        if self.model is None and self.problem is not None:
            raise self.problem.with_traceback(None)

    def _look(self) -> None:
        try:
            model = self._predictor.ready()
        except RelpredError as error:
            self._not_loaded(error)
            return
        except Exception as error:
            log_failure("loading the model", error)
            self._not_loaded(fault())
            return
        if model != self.model:
            self.loads += 1
            log.info("model loaded model=%s", model)
        self.model, self.problem, self._failures = model, None, 0
        self._next_look = time.monotonic() + LOOK_SECONDS

    def _not_loaded(self, error: RelpredError) -> None:
        if self.problem is None or (self.problem.code, self.problem.message) != (error.code, error.message):
            log.error("model not loaded code=%s hint=%s", error.code, error.hint)
        self.problem = error
        self.load_failures += 1
        # Looking for a model costs nothing, reading a damaged one again and again would.
        self._failures = 0 if isinstance(error, ModelNotFound) else self._failures + 1
        self._next_look = time.monotonic() + min(LOOK_SECONDS * 2 ** min(self._failures, 10), LONGEST_PAUSE)


def fault() -> ServiceFailed:
    """What is told of a fault whose words may hold text of the graph."""
    return ServiceFailed("The service failed.", hint="Its log says where.")
