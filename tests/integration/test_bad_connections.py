"""Whatever is wrong with the connection, the error says so within seconds and tells what to do next."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import neo4j
import pytest
from pydantic import SecretStr

from neo4j_relpred.api import RelationPredictor
from neo4j_relpred.config import GraphSettings, Settings
from neo4j_relpred.demo.server import EmbeddedNeo4j
from neo4j_relpred.errors import DatabaseNotFound, GraphQueryFailed, GraphUnavailable, InvalidSettings, LoginRefused
from neo4j_relpred.graph import nodes
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.login import IDLE_SECONDS
from neo4j_relpred.graph.reader import read_snapshot
from tests.integration.conftest import PASSWORD


class Wire:
    """A way to the server that can be cut without either side hearing of it."""

    def __init__(self, target: str) -> None:
        host, port = target.removeprefix("bolt://").split(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self.silent = False
        self.uri = f"bolt://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                near = self._listener.accept()[0]
                far = socket.create_connection(self._target)
                self._sockets += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if not self.silent:
                    sink.sendall(data)

    def cut(self) -> None:
        """Ends all connections; new ones are let through."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # else who waits in accept lets one more in
        self.cut()
        for each in (self._listener, *self._sockets):
            each.close()


@pytest.fixture
def wire(server: Any) -> Iterator[Wire]:
    made = Wire(server.bolt_uri)
    yield made
    made.close()


def settings(uri: str, **changes: Any) -> GraphSettings:
    return GraphSettings(**({"uri": uri, "timeout_seconds": 5} | changes))


def test_the_right_password_opens_given_directly_or_in_a_file(guarded: EmbeddedNeo4j, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    for login in ({"password": SecretStr(PASSWORD)}, {"password_file": file}):
        with Neo4jClient.open(settings(guarded.bolt_uri, **login)) as client:
            assert client.read("RETURN 1 AS one") == [{"one": 1}]


def test_a_wrong_or_missing_password_is_refused_with_the_setting_to_give(guarded: EmbeddedNeo4j) -> None:
    with pytest.raises(LoginRefused, match="RELPRED_GRAPH__PASSWORD") as caught:
        Neo4jClient.open(settings(guarded.bolt_uri, password=SecretStr("wrong-horse")))
    assert "wrong-horse" not in str(caught.value)
    with pytest.raises(LoginRefused, match="RELPRED_GRAPH__PASSWORD"):
        Neo4jClient.open(settings(guarded.bolt_uri))


def test_a_password_file_that_cannot_be_read_is_named(server: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="no-such-file"):
        Neo4jClient.open(settings(server.bolt_uri, password_file=tmp_path / "no-such-file"))


def test_a_wrong_database_is_named_with_the_nearest_one(server: Any) -> None:
    with pytest.raises(DatabaseNotFound, match=r"no database 'neo4k'. Did you mean neo4j\?"):
        Neo4jClient.open(settings(server.bolt_uri, database="neo4k"))


def test_an_address_where_nobody_listens_answers_at_once() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for scheme in ("bolt", "neo4j"):
        start = time.monotonic()
        with pytest.raises(GraphUnavailable, match="relpred doctor"):
            Neo4jClient.open(settings(f"{scheme}://127.0.0.1:{port}", timeout_seconds=30))
        assert time.monotonic() - start < 8


def test_a_listener_that_never_answers_is_given_up_in_time() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        start = time.monotonic()
        with pytest.raises(GraphUnavailable):
            Neo4jClient.open(settings(f"bolt://127.0.0.1:{deaf.getsockname()[1]}", timeout_seconds=1))
        assert time.monotonic() - start < 8


@pytest.mark.parametrize("uri", ["", "localhost:7687", "http://localhost:7474", "bolt://", "bolt://localhost:port"])
def test_what_is_no_address_is_an_error_of_the_settings(uri: str) -> None:
    with pytest.raises((InvalidSettings, GraphUnavailable), match=r"graph\.uri"):
        Neo4jClient.open(settings(uri))


def test_a_server_that_goes_away_is_reported_within_the_deadline_and_found_again(guarded: EmbeddedNeo4j) -> None:
    wish = settings(guarded.bolt_uri, password=SecretStr(PASSWORD), timeout_seconds=2)
    with Neo4jClient.open(wish) as client:
        guarded.kill()
        start = time.monotonic()
        with pytest.raises(GraphUnavailable):
            client.read("RETURN 1 AS one")
        assert time.monotonic() - start < 15
        guarded.start()
        assert client.read("RETURN 1 AS one") == [{"one": 1}]


def test_a_server_that_falls_silent_is_given_up_within_the_deadline(wire: Wire) -> None:
    with Neo4jClient.open(settings(wire.uri, timeout_seconds=1)) as client:
        assert client.read("RETURN 1 AS one") == [{"one": 1}]
        time.sleep(IDLE_SECONDS + 0.1)
        wire.silent = True
        start = time.monotonic()
        with pytest.raises(GraphUnavailable):
            client.read("RETURN 1 AS one")
        assert time.monotonic() - start < 8
        wire.close()  # else closing the client would say goodbye into the void


def test_a_lock_that_somebody_holds_ends_in_an_error_within_the_deadline(
    server: Any, driver: neo4j.Driver, clean_graph: object
) -> None:
    driver.execute_query("CREATE (:Item {id: 1})", database_="neo4j")
    with (
        Neo4jClient.open(settings(server.bolt_uri, timeout_seconds=1)) as client,
        driver.session(database="neo4j") as session,
        session.begin_transaction() as held,
    ):
        held.run("MATCH (n:Item) SET n.id = 2").consume()
        start = time.monotonic()
        with pytest.raises(GraphQueryFailed, match=r"graph\.timeout_seconds"):
            client.write("MATCH (n:Item) SET n.id = 3")
        assert time.monotonic() - start < 15
        held.rollback()


def test_a_statement_that_the_server_refuses_keeps_the_code_of_the_server(server: Any) -> None:
    with Neo4jClient.open(settings(server.bolt_uri)) as client:
        with pytest.raises(GraphQueryFailed, match="SyntaxError"):
            client.read("RETURN nonsense(")
        with pytest.raises(GraphQueryFailed, match="ArithmeticError"):
            client.read("RETURN 1 / 0")


def test_the_message_of_a_broken_constraint_does_not_quote_the_data(server: Any, clean_graph: object) -> None:
    with Neo4jClient.open(settings(server.bolt_uri)) as client:
        client.schema("CREATE CONSTRAINT IF NOT EXISTS FOR (n:Item) REQUIRE n.id IS UNIQUE")
        client.write("CREATE (:Item {id: $id})", id="a private value")
        with pytest.raises(GraphQueryFailed, match="constraint") as caught:
            client.write("CREATE (:Item {id: $id})", id="a private value")
        assert "private" not in str(caught.value)


CHAIN = "UNWIND range(0, 199) AS i MERGE (a:Item {id: i}) MERGE (b:Item {id: i + 1}) MERGE (a)-[:NEXT]->(b)"


def test_a_connection_lost_while_reading_is_taken_up_again(
    wire: Wire, clean_graph: neo4j.Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean_graph.execute_query(CHAIN)
    monkeypatch.setattr(nodes, "MOST_NODES", 20)
    monkeypatch.setattr(nodes, "FIRST_NODES", 20)
    cuts = iter([True, True])
    told: list[tuple[str, int, int]] = []

    def progress(*step: Any) -> None:
        told.append(step)
        if len(told) in (3, 6) and next(cuts, False):
            wire.cut()

    with Neo4jClient.open(settings(wire.uri, timeout_seconds=20)) as client:
        found = read_snapshot(client, settings(wire.uri, keys={"Item": "id"}), progress)
    assert next(cuts, None) is None
    assert (len(found.ids), found.edges.num_rows) == (201, 200)


def test_a_connection_lost_for_good_leaves_no_half_snapshot(
    wire: Wire, clean_graph: neo4j.Driver, tmp_path: Path
) -> None:
    clean_graph.execute_query(CHAIN)
    wish = settings(wire.uri, keys={"Item": "id"}, timeout_seconds=2)
    with RelationPredictor.open(Settings(home=tmp_path, graph=wish)) as predictor:
        before = predictor.snapshot()
        with pytest.raises(GraphUnavailable, match="cannot be reached"):
            predictor.snapshot(lambda stage, share: wire.close() if stage == "read nodes" else None)
        kept = predictor.snapshots
        assert kept.numbers() == [1]
        assert kept.read().content_hash == before.content_hash
        assert {path.name for path in kept.folder.iterdir()} == {"000001", "lock"}
