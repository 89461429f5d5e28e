"""A graph that others write to while it is read: at least what stood untouched, at most what ever stood."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random
from typing import LiteralString, TypeVar

import neo4j
import pytest
from neo4j.exceptions import TransientError

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.reader import read_snapshot
from neo4j_relpred.triples import Triple
from tests.integration.graphs import Rows, ask

pytestmark = pytest.mark.usefixtures("clean_graph")
log = logging.getLogger(__name__)

FULL = bool(os.environ.get("RELPRED_TEST_FULL"))
SECONDS = 60.0 if FULL else 0.0
STILL = 20_000 if FULL else 1_000  # nodes that nobody touches
WRITERS = 6 if FULL else 3
BATCH = 20  # transactions that the server makes of one statement
KEYS = 400  # of each writer, so that a key often comes back
LEAST_TRANSACTIONS = 500
SETTINGS = GraphSettings(keys={"Item": "id"}, texts=("text",))

Fact = Triple | tuple[str, str]  # an edge, or what a node says
Key = TypeVar("Key", str, Triple)


class Writer:
    """Creates, deletes and changes nodes and edges with keys of its own, and knows what stands.

    A fact is in `ever` before it is committed and among the touched before it is deleted; it is in `standing` only
    in between.
    """

    def __init__(self, number: int) -> None:
        self._name = f"w{number}"
        self._random = Random(number)
        self._texts: dict[str, str] = {}
        self._edges: set[Triple] = set()
        self._lock = threading.Lock()
        self.standing: set[Fact] = set()
        self._gone: set[Fact] = set()
        self.ever: set[Fact] = set()
        self.transactions = 0

    def work(self, driver: neo4j.Driver, stop: threading.Event) -> None:
        steps = (self._create, self._create, self._link, self._link, self._tell, self._tell, self._cut, self._delete)
        with driver.session(database="neo4j") as self._session:
            while not stop.is_set():
                self._random.choice(steps)()

    def now(self) -> set[Fact]:
        """What stands for sure; what is touched from here on is remembered."""
        with self._lock:
            self._gone.clear()
            return set(self.standing)

    def touched(self) -> set[Fact]:
        """What was deleted or changed since `now`, or is about to be."""
        with self._lock:
            return set(self._gone)

    def _do(self, statement: LiteralString, rows: Rows, new: set[Fact], old: set[Fact]) -> None:
        """A transaction for each row; doing a row twice is doing it once."""
        with self._lock:
            self.ever |= new
            self._gone |= old
            self.standing -= old
        whole: LiteralString = f"UNWIND $rows AS row CALL (row) {{ {statement} }} IN TRANSACTIONS OF 1 ROW"
        while True:  # a deadlock between two writers undoes a row of one of them
            with suppress(TransientError):
                self._session.run(whole, rows=rows).consume()
                break
        self.transactions += len(rows)
        with self._lock:
            self.standing |= new

    def _some(self, keys: Iterable[Key]) -> list[Key]:
        return self._random.sample(found := list(keys), min(BATCH, len(found)))

    def _still(self) -> str:
        return f"s{self._random.randrange(STILL)}"

    def _text(self) -> str:
        return f"{self._name} says {self._random.randrange(1_000_000)}"

    def _create(self) -> None:
        """Nodes between one that stays and itself."""
        free = {f"{self._name}-{number}" for number in range(KEYS)} - self._texts.keys()
        texts = {key: self._text() for key in self._some(sorted(free))}
        rows = [{"a": self._still(), "b": key, "text": text} for key, text in texts.items()]
        edges = {Triple(row["a"], "NEXT", row["b"]) for row in rows} | {
            Triple(row["b"], "BACK", row["a"]) for row in rows
        }
        self._do(
            "MATCH (a:Item {id: row.a}) MERGE (b:Item {id: row.b}) SET b.text = row.text "
            "MERGE (a)-[:NEXT]->(b) MERGE (b)-[:BACK]->(a)",
            rows,
            {*edges, *texts.items()},
            set(),
        )
        self._texts |= texts
        self._edges |= edges

    def _link(self) -> None:
        """Edges from a node of one's own to another one, or to one that stays."""
        others = [*self._some(self._texts), *(self._still() for _ in range(BATCH))]
        edges = {Triple(key, "LINK", self._random.choice(others)) for key in self._some(self._texts)} - self._edges
        rows = [{"a": edge.head, "b": edge.tail} for edge in edges]
        self._do("MATCH (a:Item {id: row.a}), (b:Item {id: row.b}) MERGE (a)-[:LINK]->(b)", rows, {*edges}, set())
        self._edges |= edges

    def _tell(self) -> None:
        texts = {key: self._text() for key in self._some(self._texts)}
        rows = [{"id": key, "text": text} for key, text in texts.items()]
        old = {(key, self._texts[key]) for key in texts}
        self._do("MATCH (n:Item {id: row.id}) SET n.text = row.text", rows, {*texts.items()}, {*old})
        self._texts |= texts

    def _cut(self) -> None:
        edges = self._some(sorted(edge for edge in self._edges if edge.relation == "LINK"))
        rows = [{"a": edge.head, "b": edge.tail} for edge in edges]
        self._do("MATCH (:Item {id: row.a})-[r:LINK]->(:Item {id: row.b}) DELETE r", rows, set(), set[Fact](edges))
        self._edges -= {*edges}

    def _delete(self) -> None:
        keys = self._some(self._texts)
        edges = {edge for edge in self._edges if not {edge.head, edge.tail}.isdisjoint(keys)}
        old: set[Fact] = {*edges, *((key, self._texts[key]) for key in keys)}
        self._do("MATCH (n:Item {id: row.id}) DETACH DELETE n", [{"id": key} for key in keys], set(), old)
        self._edges -= edges
        self._texts = {key: text for key, text in self._texts.items() if key not in keys}


def facts(snapshot: Snapshot) -> set[Fact]:
    told = {(key, values["text"]) for key, values in zip(snapshot.ids, snapshot.properties(), strict=True)}
    return {*(snapshot.triple(row) for row in snapshot.triples), *told}


def test_a_write_load_beside_it_neither_fails_nor_corrupts_a_snapshot(
    driver: neo4j.Driver, client: Neo4jClient
) -> None:
    ask(driver, "CREATE CONSTRAINT FOR (n:Item) REQUIRE n.id IS UNIQUE")
    ask(driver, "UNWIND range(0, $n - 1) AS i CREATE (:Item {id: 's' + i, text: 'still ' + i})", n=STILL)
    ask(
        driver,
        "UNWIND range(1, $n - 1) AS i MATCH (a:Item {id: 's' + (i - 1)}), (b:Item {id: 's' + i}) "
        "CREATE (a)-[:NEXT]->(b)",
        n=STILL,
    )
    still = facts(read_snapshot(client, SETTINGS))
    assert len(still) == 2 * STILL - 1
    writers, stop = [Writer(number) for number in range(WRITERS)], threading.Event()
    left_out: list[int] = []
    untouched: list[int] = []
    transactions, began = 0, time.monotonic()
    with ThreadPoolExecutor(WRITERS) as threads:
        working = [threads.submit(writer.work, driver, stop) for writer in writers]
        try:
            while (seconds := time.monotonic() - began) < SECONDS or transactions < LEAST_TRANSACTIONS:
                assert not any(writer.done() for writer in working)
                before = set[Fact]().union(*(writer.now() for writer in writers))
                snapshot = read_snapshot(client, SETTINGS)
                touched = set[Fact]().union(*(writer.touched() for writer in writers))
                found = facts(snapshot)
                missing = (still | before) - touched - found
                assert not missing, sorted(map(str, missing))[:9]
                invented = {fact for fact in found - still if not any(fact in writer.ever for writer in writers)}
                assert not invented, sorted(map(str, invented))[:9]
                left_out.append(snapshot.about["edgesLeftOut"])
                untouched.append(len(before - touched))
                transactions = sum(writer.transactions for writer in writers)
        finally:
            stop.set()
            for writer in working:
                writer.result()
    after, standing = facts(read_snapshot(client, SETTINGS)), still.union(*(writer.standing for writer in writers))
    assert after == standing, sorted(map(str, after ^ standing))[:9]
    assert max(untouched) > 0
    told = (
        f"{transactions / seconds:.0f} transactions a second for {seconds:.0f} s, {len(left_out)} snapshots meanwhile"
    )
    log.info("%s; edges they left out: %s; what the writers made and left: %s", told, left_out, untouched)
