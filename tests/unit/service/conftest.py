"""A predictor of a few lines, and the service around it without a socket."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from neo4j_relpred.config import ServiceSettings
from neo4j_relpred.errors import UnknownEntity
from neo4j_relpred.service.app import create_app
from neo4j_relpred.triples import Evidence, Query, ScoredTriple, Triple


class FakePredictor:
    """Knows Ada, Bob and Cid; every answer is as the test wants it. `gate` closed holds the model's thread."""

    def __init__(self) -> None:
        self.nodes = {"4:x:1": "Person/ada", "4:x:2": "Person/bob", "4:x:3": "Person/cid"}
        self.answers: list[ScoredTriple] = []
        self.asked: list[tuple[Query, int, float]] = []
        self.threads: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.error: Exception | None = None
        self.not_ready: Exception | None = None
        self.version = 1

    def ready(self) -> str:
        if self.not_ready is not None:
            raise self.not_ready
        return f"main/{self.version}"

    def entity_of(self, element_id: str) -> str:
        if element_id not in self.nodes:
            raise UnknownEntity("There is no such node.", hint="Was it deleted?")
        return self.nodes[element_id]

    def element_id_of(self, entity: str) -> str:
        for element_id, known in self.nodes.items():
            if known == entity:
                return element_id
        raise UnknownEntity("There is no such entity.", hint="Was it deleted?")

    def predict(self, query: Query, top_k: int = 10, min_probability: float = 0.0) -> list[ScoredTriple]:
        self._enter()
        self.asked.append((query, top_k, min_probability))
        return self.answers

    def score(self, triples: Sequence[Triple]) -> list[ScoredTriple]:
        self._enter()
        return [scored(one.head, one.relation, one.tail) for one in triples]

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
    for module in ("guard", "refusals", "run", "tokens", "worker"):
        monkeypatch.setattr(logging.getLogger(f"neo4j_relpred.service.{module}"), "disabled", False)


@pytest.fixture
def predictor() -> FakePredictor:
    return FakePredictor()


@pytest.fixture
def serve(predictor: FakePredictor) -> Iterator[Serve]:
    """Starts services around the predictor: `serve(deadline_seconds=..., queue_size=...)`."""
    with ExitStack() as services:

        def start(deadline_seconds: float = 5.0, **settings: object) -> TestClient:
            app = create_app(predictor, ServiceSettings.model_validate(settings), deadline_seconds=deadline_seconds)
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
