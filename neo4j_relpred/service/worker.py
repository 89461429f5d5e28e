"""The threads that call the facade, each behind a bounded queue: one asks the model, others read and write decisions.

A prediction takes the processor for itself, so it must neither block the event loop nor run beside another one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from neo4j_relpred.errors import ModelNotFound, Overloaded, RelpredError
from neo4j_relpred.service.refusals import log_failure
from neo4j_relpred.triples import EntityId, Query, QuestionKind, Relation, ScoredTriple, Triple
from neo4j_relpred.wire import NotReady, ServiceFailed

if TYPE_CHECKING:
    from neo4j_relpred.api.foresight import TrainingEstimate
    from neo4j_relpred.api.jobs import Job, JobKind
    from neo4j_relpred.config import Settings
    from neo4j_relpred.data.daemon_state import DaemonState
    from neo4j_relpred.data.explanation import Explanation
    from neo4j_relpred.graph.daemons import Failure, Orders
    from neo4j_relpred.graph.decisions import Decision, Wish
    from neo4j_relpred.graph.live import LiveNode, Seen
    from neo4j_relpred.graph.pending import Order, Pending
    from neo4j_relpred.graph.runs import Run
    from neo4j_relpred.graph.writer import PublicationReport
    from neo4j_relpred.model.registry import ModelVersion
    from neo4j_relpred.scoring.cost import Cost
    from neo4j_relpred.scoring.estimate import Estimate

__all__ = ["Alike", "Daemons", "JobBoard", "ModelWorker", "Predictor", "Reviews", "Worker"]

Q = TypeVar("Q")
T = TypeVar("T")
Entry = tuple["Future[Any]", Callable[["Predictor"], Any]]
MOST_TOGETHER = 64  # calls that are answered at once
LOOK_SECONDS = 1.0  # between two looks for a new live version
LONGEST_PAUSE = 30.0  # between two tries to load a model that cannot be loaded
CLOSING_SECONDS = 5.0  # all requests have ended by then: what still runs, nobody waits for

log = logging.getLogger(__name__)


class Reviews(Protocol):
    """What the service needs of the facade's decisions."""

    def pending(
        self,
        *,
        relation: Relation | None = None,
        min_probability: float = 0.0,
        order: Order = "probable",
        most: int | None = None,
    ) -> list[Pending]:
        """Published edges that nobody has decided about."""

    def decisions(self, relation: Relation | None = None, most: int | None = None) -> list[Decision]:
        """What was decided, the latest first."""

    def settle(self, wish: Wish, by: str) -> Decision:
        """Carries one decision out."""

    def take_back(self, triple: Triple) -> Decision:
        """Takes one decision back; what it was."""

    def relation_of(self, name: str) -> Relation:
        """The type that is meant by its own name or by that of its predicted edges."""


class JobBoard(Protocol):
    """What the service needs of the facade's jobs. Any thread may call it."""

    model_name: str

    def submit(
        self,
        kind: JobKind,
        options: Mapping[str, Any],
        overrides: Mapping[str, Mapping[str, Any]],
        job_id: str | None = None,
    ) -> Job:
        """Queues a job, once for each id."""

    def list(self) -> list[Job]:
        """All jobs, the newest first."""

    def get(self, job_id: str) -> Job:
        """One of them."""

    def cancel(self, job_id: str) -> Job:
        """Stops one of them."""


class Daemons(Protocol):
    """What the service needs of the node by which daemons are told."""

    def read(self) -> DaemonState | None:
        """How the daemon is that leads or led last."""

    def orders(self) -> Orders:
        """What daemons are told."""

    def failures(self) -> list[Failure]:
        """The nodes that the last sync left out."""

    def pause(self, by: str) -> None:
        """Lets daemons do nothing."""

    def resume(self) -> None:
        """Takes a pause back."""


class Predictor(Protocol):
    """What the service needs of the facade. Only the threads of workers call it, those of the model only one."""

    @property
    def settings(self) -> Settings:
        """Those of the facade."""

    @property
    def daemons(self) -> Daemons:
        """What daemons say and are told."""

    @property
    def review(self) -> Reviews:
        """The decisions."""

    @property
    def jobs(self) -> JobBoard:
        """The jobs."""

    def ready(self) -> str:
        """Loads the live model if none is loaded; name and version of what answers ("name@version")."""

    def entities_of(self, element_ids: Sequence[str], seen: Mapping[str, Seen]) -> list[EntityId]:
        """The entities of nodes. seen: labels and key properties of some, by element id."""

    def element_id_of(self, entity: EntityId) -> str:
        """The node of an entity."""

    def look_ahead(self) -> bool:
        """Works out a little of what coming questions need; False when all is there."""

    def predict_each(
        self,
        queries: Sequence[Query],
        top_k: int = 10,
        min_probability: float = 0.0,
        given: Sequence[LiveNode] = (),
    ) -> list[list[ScoredTriple]]:
        """Of each query, the candidates for the part that is missing, the best first."""

    def described(
        self,
        element_id: str,
        labels: Sequence[str],
        properties: Mapping[str, Any],
        edges: Sequence[tuple[Literal["out", "in"], Relation, str]] = (),
    ) -> LiveNode:
        """A node that is not committed yet, as its transaction sees it."""

    def score(self, triples: Sequence[Triple]) -> list[ScoredTriple]:
        """Given triples, in the order given."""

    def predicted_type(self, relation: Relation) -> str:
        """The type of the edges that state predictions of a type."""

    def cost(self, question: QuestionKind, relation: Relation | None, number: int) -> Cost:
        """What so many questions of a kind would take."""

    def explain(self, triple: Triple) -> Explanation:
        """Why a triple is scored as it is."""

    def estimate(self) -> Estimate:
        """What a publication would ask."""

    def training_estimate(self, minutes: float | None = None) -> TrainingEstimate:
        """What a training would take."""

    def models(self) -> list[ModelVersion]:
        """All versions of the model, oldest first."""

    def promote(self, version: int) -> None:
        """Makes a version the live one."""

    def rollback(self) -> int:
        """Makes the version live that was so before."""

    def drop(self, version: int) -> None:
        """Removes a version for good."""

    def runs(self) -> list[Run]:
        """The ledger of runs, newest first."""

    def undo(self, run: str, *, dry_run: bool = False, patience: float | None = None) -> PublicationReport:
        """Puts back what stood in the graph before a run."""


@dataclass(frozen=True)
class Alike(Generic[Q, T]):
    """A call that is answered together with others of its kind where they wait at the same time, in far less time.

    `together` answers many questions, in order. A call without a kind stays alone.
    """

    question: Q
    together: Callable[[Predictor, Sequence[Q]], Sequence[T]]
    kind: str

    def __call__(self, predictor: Predictor) -> T:
        """Answers this one alone."""
        return self.together(predictor, [self.question])[0]


class Worker:
    """Runs what is submitted, one after the other, in a thread of its own."""

    def __init__(self, predictor: Predictor, queue_size: int, name: str) -> None:
        self._predictor, self._queue_size = predictor, queue_size
        self._waiting: deque[Entry] = deque()
        self._unanswered: set[Future[Any]] = set()
        self._change = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self, patience: float = CLOSING_SECONDS) -> None:
        """Refuses the waiting calls and lets the running one end, or leaves it behind when it takes too long."""
        with self._change:
            self._closing = True
            abandoned = [future for future, _ in self._waiting if future.set_running_or_notify_cancel()]
            self._waiting.clear()
            self._change.notify()
        for future in abandoned:
            future.set_exception(NotReady("The service is stopping.", hint="Ask again in a moment."))
        self._thread.join(patience)

    def submit(self, call: Callable[[Predictor], T]) -> Future[T]:
        """Queues a call. Raises Overloaded when the queue is full, NotReady while stopping."""
        future: Future[T] = Future()
        with self._change:
            if self._closing:
                raise NotReady("The service is stopping.", hint="Ask again in a moment.")
            if len(self._waiting) >= self._queue_size:
                raise Overloaded(
                    f"{self._queue_size} questions are waiting already.",
                    hint="Ask again in a moment, or raise service.queue_size.",
                )
            self._waiting.append((future, call))
            self._change.notify()
        self._unanswered.add(future)
        future.add_done_callback(self._unanswered.discard)
        return future

    def load(self) -> tuple[int, int]:
        """How many calls wait, and how many run."""
        calls = list(self._unanswered)
        running = sum(call.running() for call in calls)
        return len(calls) - running, running

    def give_up(self, future: Future[Any]) -> None:
        """Frees the place in the queue of a call that nobody waits for any more. A running call runs to its end."""
        if future.cancel():
            with self._change:
                self._waiting = deque(entry for entry in self._waiting if entry[0] is not future)

    def _work(self) -> None:
        while True:
            pause = self._between()
            with self._change:
                if not self._waiting and not self._closing:
                    self._change.wait(pause)
                if self._closing:
                    return
                entries = self._taken()
            entries = [entry for entry in entries if entry[0].set_running_or_notify_cancel()]
            if len(entries) < 2 or not self._answered_together(entries):
                for entry in entries:
                    self._answer(*entry)

    def _taken(self) -> list[Entry]:
        """The next call, and those that wait as well and are alike."""
        if not self._waiting:
            return []
        first = self._waiting.popleft()
        kind = first[1].kind if isinstance(first[1], Alike) else ""
        others = [one for one in self._waiting if kind and isinstance(one[1], Alike) and one[1].kind == kind]
        others = others[: MOST_TOGETHER - 1]
        for one in others:
            self._waiting.remove(one)
        return [first, *others]

    def _answered_together(self, entries: Sequence[Entry]) -> bool:
        """False where one of them spoils it: then each has to be answered alone, to see which."""
        calls = [call for _, call in entries if isinstance(call, Alike)]
        try:
            self._require()
            answers = calls[0].together(self._predictor, [call.question for call in calls])
        except Exception:
            return False
        for (future, _), answer in zip(entries, answers, strict=True):
            future.set_result(answer)
        return True

    def _between(self) -> float | None:
        """What is done between two calls; for how many seconds at most to wait for the next one."""
        return None

    def _require(self) -> None:
        """Raises what no call can do without."""

    def _answer(self, future: Future[Any], call: Callable[[Predictor], Any]) -> None:
        try:
            self._require()
            future.set_result(call(self._predictor))
        except RelpredError as error:
            future.set_exception(error)
        except Exception as error:
            log_failure("a question", error)
            future.set_exception(_fault())


class ModelWorker(Worker):
    """The one worker that asks the model. It loads it first, and also looks for a new live version of it."""

    def __init__(self, predictor: Predictor, queue_size: int) -> None:
        super().__init__(predictor, queue_size, "relpred-model")
        self._next_look = 0.0
        self._failures = 0
        self.model: str | None = None
        self._blind: str | None = None  # a model that cannot look ahead
        self.problem: RelpredError | None = None
        self.loads = self.load_failures = 0

    def _between(self) -> float:
        self._look()
        return 0.0 if self._looked_ahead() else max(0.0, self._next_look - time.monotonic())

    def _looked_ahead(self) -> bool:
        """Whether there is more to do before somebody asks. What fails here is told once, and spoils no answer."""
        if self._waiting or self.model is None or self.model == self._blind:
            return False
        try:
            return self._predictor.look_ahead()
        except Exception as error:
            log_failure("looking ahead", error)
            self._blind = self.model
            return False

    def _require(self) -> None:
        if self.model is None and self.problem is not None:
            raise self.problem.with_traceback(None)

    def _look(self) -> None:
        """Loads the live model, or the version that has become live. An old one goes on answering when that fails."""
        if time.monotonic() < self._next_look:
            return
        try:
            model = self._predictor.ready()
        except RelpredError as error:
            self._not_loaded(error)
            return
        except Exception as error:
            log_failure("loading the model", error)
            self._not_loaded(_fault())
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


def _fault() -> ServiceFailed:
    return ServiceFailed("The service failed.", hint="Its log says where.")
