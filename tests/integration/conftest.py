"""A real Neo4j for the whole session, and a service of a few lines that answers what a test tells it to."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from neo4j import Driver, GraphDatabase

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.demo.server import EmbeddedNeo4j, Line, choose_line, find_jar, free_port
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.wire import WIRE, WIRE_HEADER
from tests.integration.graphs import Town, trained_town

CACHE = Path(__file__).parents[2] / ".build"
DEADLINE_MS = 30_000  # as long as a busy machine may need; no test waits for it
PASSWORD = "correct-horse"
FULL = os.environ.get("RELPRED_TEST_FULL") == "1"

Row = dict[str, Any]
Answer = Callable[[dict[str, Any]], list[Row]]


class StubService:
    """Speaks the protocol between jar and service. A test fills `answers`; `questions` holds what was asked."""

    def __init__(self, port: int) -> None:
        self.answers: dict[str, Answer] = {}
        self.questions: list[tuple[str, dict[str, Any]]] = []
        self.headers: dict[str, str] = {}
        self.health: Row = {"status": "ok", "version": "0.0.0", "wire": WIRE, "model": "stub/1"}
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(200, "application/json", json.dumps(stub.health))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                stub.questions.append((self.path, body))
                stub.headers = dict(self.headers)
                if self.path not in stub.answers:
                    refusal = {"code": "unknown-entity", "message": "No such node.", "hint": "Train again."}
                    self._send(404, "application/json", json.dumps(refusal))
                    return
                rows = stub.answers[self.path](body)
                self._send(200, "application/x-ndjson", "".join(json.dumps(row) + "\n" for row in rows))

            def _send(self, status: int, kind: str, text: str) -> None:
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.send_header(WIRE_HEADER, str(WIRE))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                """Print nothing."""

        return Handler


@pytest.fixture(scope="session")
def neo4j_line() -> Line:
    """The line of Neo4j under test: RELPRED_TEST_NEO4J, else the one that suits the Java at hand."""
    return choose_line(os.environ.get("RELPRED_TEST_NEO4J") or None)


@pytest.fixture(scope="session")
def on_line_5(neo4j_line: Line) -> None:
    """For tests of minutes that are about us rather than the server: short runs share them among the lines."""
    _only("5", neo4j_line)


@pytest.fixture(scope="session")
def on_line_2026(neo4j_line: Line) -> None:
    """The same for the other line."""
    _only("2026", neo4j_line)


def _only(line: str, present: Line) -> None:
    if present.name != line and not FULL:
        pytest.skip(f"in a short run this is done on Neo4j {line} only")


@pytest.fixture(scope="session")
def service_port() -> int:
    """Where the procedures look for the service; nothing listens there until a test starts something."""
    return free_port()


@pytest.fixture(scope="session")
def server(neo4j_line: Line, service_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNeo4j]:
    """A Neo4j server with our jar, if it was built."""
    with replace(_embedded(neo4j_line, tmp_path_factory.mktemp("neo4j"), service_port), heap="1g") as running:
        yield running


@pytest.fixture(scope="session")
def guarded(neo4j_line: Line, service_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNeo4j]:
    """The same, but it asks for a password: PASSWORD. Tests may stop it, and start it again."""
    with _embedded(neo4j_line, tmp_path_factory.mktemp("guarded"), service_port, PASSWORD) as running:
        yield running


def _embedded(line: Line, home: Path, service_port: int, password: str | None = None) -> EmbeddedNeo4j:
    (home / "conf").mkdir()
    settings = f"service.address=http://127.0.0.1:{service_port}\nservice.deadline_ms={DEADLINE_MS}\n"
    (home / "conf" / "relpred.conf").write_text(settings, encoding="utf-8")
    jar = find_jar()
    plugins = [jar] if jar else []
    return EmbeddedNeo4j(line, home=home, cache=CACHE, plugins=plugins, password=password, heap="512m")


@pytest.fixture(scope="session")
def graph_uri(server: EmbeddedNeo4j) -> str:
    """The Bolt address of the server; its login is off."""
    return server.bolt_uri


@pytest.fixture(scope="session")
def driver(graph_uri: str) -> Iterator[Driver]:
    """A driver for the session's server."""
    with GraphDatabase.driver(graph_uri, notifications_min_severity="OFF") as shared:
        yield shared


@pytest.fixture
def client(server: EmbeddedNeo4j) -> Iterator[Neo4jClient]:
    """A client of ours for the session's server."""
    with Neo4jClient.open(GraphSettings(uri=server.bolt_uri)) as opened:
        yield opened


@pytest.fixture
def clean_graph(driver: Driver) -> Driver:
    """The driver, on a graph without nodes, constraints and indexes."""
    driver.execute_query("MATCH (n) DETACH DELETE n")
    for record in driver.execute_query("SHOW CONSTRAINTS YIELD name").records:
        driver.execute_query(f"DROP CONSTRAINT `{record['name']}`")
    # The two look-up indexes belong to every database, which is slow without them.
    for record in driver.execute_query("SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP'").records:
        driver.execute_query(f"DROP INDEX `{record['name']}`")
    return driver


@pytest.fixture
def town(server: EmbeddedNeo4j, driver: Driver, tmp_path: Path) -> Town:
    """The town in the graph, and a model of it that the session trained once."""
    return trained_town(driver, server.bolt_uri, tmp_path / "town")


@pytest.fixture
def stub_service(service_port: int) -> Iterator[StubService]:
    """A service at the address that the procedures ask."""
    with StubService(service_port) as stub:
        yield stub
