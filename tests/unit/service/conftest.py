"""A predictor of a few lines, and the service around it without a socket."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from starlette.testclient import TestClient

from neo4j_relpred.api.foresight import TrainingEstimate
from neo4j_relpred.api.jobs import Job, JobKind
from neo4j_relpred.config import ServiceSettings, Settings
from neo4j_relpred.data.daemon_state import DaemonState
from neo4j_relpred.data.explanation import Clue, Explanation, FiredRule, NamedNode
from neo4j_relpred.data.snapshot import Node
from neo4j_relpred.errors import InvalidQuery, JobNotFound, RunNotFound, UnknownEntity, VersionNotFound
from neo4j_relpred.graph.daemons import Failure, Orders
from neo4j_relpred.graph.decisions import Decision, Wish
from neo4j_relpred.graph.live import LiveEdge, LiveNode, Seen
from neo4j_relpred.graph.pending import Order, Pending
from neo4j_relpred.graph.runs import Run
from neo4j_relpred.graph.writer import PublicationReport
from neo4j_relpred.model.registry import ModelVersion
from neo4j_relpred.scoring.cost import Cost
from neo4j_relpred.scoring.estimate import Estimate, TypeEstimate
from neo4j_relpred.service.app import create_app
from neo4j_relpred.triples import Evidence, Query, QuestionKind, ScoredTriple, Triple

AT = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)


class FakeReviews:
    """Has one edge that waits; remembers what was decided, by whom, and in which thread."""

    def __init__(self) -> None:
        self.waiting = [
            Pending(
                Triple("Person/ada", "KNOWS", "Person/bob"), "Ada", "Bob", 0.75, 1, "main/1", "r1", "a friend of both"
            )
        ]
        self.told: dict[Triple, Decision] = {}
        self.asked: list[tuple[object, ...]] = []
        self.threads: set[str] = set()
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def pending(
        self,
        *,
        relation: str | None = None,
        min_probability: float = 0.0,
        order: Order = "probable",
        most: int | None = None,
    ) -> list[Pending]:
        self._enter(relation, min_probability, order, most)
        return self.waiting

    def decisions(self, relation: str | None = None, most: int | None = None) -> list[Decision]:
        self._enter(relation, most)
        return list(self.told.values())

    def settle(self, wish: Wish, by: str) -> Decision:
        self._enter(wish, by)
        told = Decision(wish.triple, wish.verdict, wish.reason, wish.note, by, AT, 0.75, "main/1")
        self.told[wish.triple] = told
        return told

    def take_back(self, triple: Triple) -> Decision:
        self._enter(triple)
        if triple not in self.told:
            raise InvalidQuery("Nobody decided about this triple.", hint="See the list.")
        return self.told.pop(triple)

    def relation_of(self, name: str) -> str:
        return name.removeprefix("PREDICTED_")

    def _enter(self, *asked: object) -> None:
        self.threads.add(threading.current_thread().name)
        self.asked.append(asked)
        assert self.gate.wait(10)
        if self.error is not None:
            raise self.error


class FakeJobs:
    """Remembers what was submitted; every job runs for ever."""

    model_name = "main"

    def __init__(self) -> None:
        self.submitted: list[tuple[JobKind, dict[str, Any], dict[str, Any]]] = []
        self.jobs: dict[str, Job] = {}

    def submit(
        self,
        kind: JobKind,
        options: Mapping[str, Any],
        overrides: Mapping[str, Mapping[str, Any]],
        job_id: str | None = None,
    ) -> Job:
        self.submitted.append((kind, dict(options), dict(overrides)))
        job = Job(job_id or f"{kind}-1", kind, options, AT, "running", "fit", 0.25, AT, notes=("odd",))
        return self.jobs.setdefault(job.id, job)

    def list(self) -> list[Job]:
        return list(self.jobs.values())

    def get(self, job_id: str) -> Job:
        if job_id not in self.jobs:
            raise JobNotFound(f"There is no job {job_id!r}.", hint="Known are: none.")
        return self.jobs[job_id]

    def cancel(self, job_id: str) -> Job:
        self.jobs[job_id] = replace(self.get(job_id), state="cancelled", ended_at=AT)
        return self.jobs[job_id]

    def withdraw(self, job_id: str) -> Job:
        return self.cancel(job_id)


class FakeDaemons:
    """The node of a daemon that a test may have run."""

    def __init__(self) -> None:
        self.state: DaemonState | None = None
        self.paused_by: str | None = None
        self.left_out: list[Failure] = []

    def read(self) -> DaemonState | None:
        return self.state

    def orders(self) -> Orders:
        return Orders(self.paused_by, ())

    def failures(self) -> list[Failure]:
        return self.left_out

    def pause(self, by: str) -> None:
        self.paused_by = self.paused_by or by

    def resume(self) -> None:
        self.paused_by = None


class FakePredictor:
    """Knows Ada, Bob and Cid; every answer is as the test wants it. `gate` closed holds the model's thread."""

    def __init__(self, home: Path = Path("nowhere")) -> None:
        self.settings = Settings(home=home, model_name="main")
        self.nodes = {"4:x:1": "Person/ada", "4:x:2": "Person/bob", "4:x:3": "Person/cid"}
        self.answers: list[ScoredTriple] = []
        self.looks = 0
        self.seen: dict[str, Seen] = {}
        self.asked: list[tuple[Query, int, float]] = []
        self.given: list[LiveNode] = []
        self.explained: list[Triple] = []
        self.threads: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.error: Exception | None = None
        self.not_ready: Exception | None = None
        self.version = 1
        self.review = FakeReviews()
        self.jobs = FakeJobs()
        self.daemons = FakeDaemons()
        self.versions = {1: True, 2: False}
        self.ledger = [
            Run("r2", "publish", "main", "publishing", AT),
            Run("r1", "publish", "main", "published", AT, AT, 3, 2, 1, 9),
        ]
        self.undone: list[tuple[str, bool, float | None, str]] = []
        self.undo_error: Exception | None = None

    def ready(self) -> str:
        if self.not_ready is not None:
            raise self.not_ready
        return f"main/{self.version}"

    @property
    def model(self) -> str:
        return f"main/{self.version}"

    def entities_of(self, element_ids: Sequence[str], seen: Mapping[str, Seen]) -> list[str]:
        self.looks += 1
        self.seen = dict(seen)
        if not self.nodes.keys() >= set(element_ids):
            raise UnknownEntity("There is no such node.", hint="Was it deleted?")
        return [self.nodes[element_id] for element_id in element_ids]

    def element_id_of(self, entity: str) -> str:
        for element_id, known in self.nodes.items():
            if known == entity:
                return element_id
        raise UnknownEntity("There is no such entity.", hint="Was it deleted?")

    def look_ahead(self) -> bool:
        return False

    def predict_each(
        self,
        queries: Sequence[Query],
        top_k: int = 10,
        min_probability: float = 0.0,
        given: Sequence[LiveNode] = (),
    ) -> list[list[ScoredTriple]]:
        self._enter()
        self.given += given
        self.asked += [(query, top_k, min_probability) for query in queries]
        return [self.answers for _ in queries]

    def described(
        self,
        element_id: str,
        labels: Sequence[str],
        properties: Mapping[str, Any],
        edges: Sequence[tuple[Literal["out", "in"], str, str]] = (),
    ) -> LiveNode:
        if not labels:
            raise UnknownEntity("Nodes without a label are left out.", hint="Give it one.")
        found = tuple(
            LiveEdge(way, relation, self.nodes[other]) for way, relation, other in edges if other in self.nodes
        )
        return LiveNode(Node(f"{labels[0]}/{properties.get('name')}", element_id, tuple(labels), {}), found)

    def score(self, triples: Sequence[Triple]) -> list[ScoredTriple]:
        self._enter()
        return [scored(one.head, one.relation, one.tail) for one in triples]

    def predicted_type(self, relation: str) -> str:
        return "PREDICTED_" + relation

    def cost(self, question: QuestionKind, relation: str | None, number: int) -> Cost:
        self._enter()
        return Cost(3, 4, 5 * number, 1_000, 3_000_000)

    def explain(self, triple: Triple) -> Explanation:
        self._enter()
        self.explained.append(triple)
        ends = NamedNode(triple.head, "Ada"), NamedNode("Person/cid", "Cid"), NamedNode(triple.tail, "Bob")
        rule = FiredRule("friends of friends", (), None, (ends,), 12, 0.5, "(h)-[:`KNOWS`]->(x1)-[:`KNOWS`]->(t)")
        return Explanation(scored(triple.head, triple.relation, triple.tail), (Clue("rules", 0.75, "much"),), (rule,))

    def estimate(self) -> Estimate:
        self._enter()
        types = (TypeEstimate("KNOWS", 100, 40, 30), TypeEstimate("LIKES", 20, 0, 10))
        return Estimate.of(types, 9_000, 7, 0.5, 3_000_000, 0.5)

    def training_estimate(self, minutes: float | None = None) -> TrainingEstimate:
        self.threads.add(threading.current_thread().name)
        return TrainingEstimate(3, 4, {"graph": 2_000, "tower": 5_000_000}, 1_000, None, 60 * (minutes or 10))

    def models(self) -> list[ModelVersion]:
        report = {"entities": {"mrr": 0.5, "hits": {"10": 0.75}}, "relations": {"hits": {"1": 0.875}}}
        about = {"report": report, "trainedAt": "2026-11-29T12:30:00+00:00", "minutes": 4.0, "seed": 0}
        return [ModelVersion("main", number, live, about) for number, live in self.versions.items()]

    def promote(self, version: int) -> None:
        if version not in self.versions:
            raise VersionNotFound("No such version.", hint="Known versions: 1, 2.")
        self.versions = {number: number == version for number in self.versions}

    def rollback(self) -> int:
        self.promote(1)
        return 1

    def drop(self, version: int) -> None:
        if version not in self.versions:
            raise VersionNotFound("No such version.", hint="Known versions: 1, 2.")
        del self.versions[version]

    def runs(self) -> list[Run]:
        return self.ledger

    def undo(self, run: str, *, dry_run: bool = False, patience: float | None = None) -> PublicationReport:
        self.undone.append((run, dry_run, patience, threading.current_thread().name))
        if self.undo_error is not None:
            raise self.undo_error
        if run not in {one.id for one in self.ledger}:
            raise RunNotFound(f"There is no run {run!r}.", hint="Kept runs: r1, r2.")
        return PublicationReport("r3", 1, 2, 3, 4, {"decided by a person": 1}, 0.5, dry_run)

    def _enter(self) -> None:
        self.threads.add(threading.current_thread().name)
        self.entered.set()
        assert self.gate.wait(10)
        if self.error is not None:
            raise self.error


def scored(head: str, relation: str, tail: str, rank: int = 1) -> ScoredTriple:
    return ScoredTriple(Triple(head, relation, tail), 2.5, 0.875, rank, Evidence("they share a friend", {"rules": 1.0}))


Serve = Callable[..., TestClient]


@pytest.fixture(autouse=True)
def _loggers_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever configures logging in this process may have switched off the loggers that were there."""
    for module in ("guard", "hands", "refusals", "run", "tokens"):
        monkeypatch.setattr(logging.getLogger(f"neo4j_relpred.service.{module}"), "disabled", False)


@pytest.fixture
def predictor(tmp_path: Path) -> FakePredictor:
    return FakePredictor(tmp_path / "home")


@pytest.fixture
def serve(predictor: FakePredictor) -> Iterator[Serve]:
    """Starts services around the predictor: `serve(deadline_seconds=..., queue_size=...)`."""
    with ExitStack() as services:

        def start(deadline_seconds: float = 5.0, keys: Sequence[str] = (), **settings: object) -> TestClient:
            service = ServiceSettings.model_validate(settings)
            app = create_app(predictor, service, keys=keys, deadline_seconds=deadline_seconds)
            return services.enter_context(TestClient(app, base_url="http://127.0.0.1:7475"))

        yield start
        predictor.gate.set()


@pytest.fixture
def client(serve: Serve) -> TestClient:
    return serve()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("first-token\n", encoding="ascii")
    return path
