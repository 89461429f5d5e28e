"""Whatever somebody calls a type, a label, a property or a node: exactly what was meant is written, or nothing is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import neo4j
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from neo4j_relpred.config import GraphSettings, PublishingSettings
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.data.target_set import TargetEdge, TargetSet
from neo4j_relpred.errors import RelpredError
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.decisions import Wish, decide, list_decisions, withdraw
from neo4j_relpred.graph.identity import Identity
from neo4j_relpred.graph.leases import PUBLISH, held
from neo4j_relpred.graph.live import read_node_by_id
from neo4j_relpred.graph.predicted import PredictedType
from neo4j_relpred.graph.purge import count_ours, purge, remove_leases
from neo4j_relpred.graph.reader import read_snapshot
from neo4j_relpred.graph.schema import discover_schema
from neo4j_relpred.graph.writer import PublicationPlan, PublicationReport, publish
from neo4j_relpred.triples import Evidence, ScoredTriple, Triple
from tests.reliability.conftest import FULL

LONGEST = 65_534  # bytes of a name in the store
HOSTILE = [
    "`", "``", "\\u0060", "\\", "\\\\u0060", "\\u005c", "\0", "'", '"', "$rows", "$", "{", "}", "//", "/*", ";", " ",
    "\n", "\r", "\t", "}) DETACH DELETE n //", "`) DETACH DELETE (n) //", "\\u0060) DETACH DELETE (n) //",
    "]->() DELETE e //", ": NULL}) MATCH (m) DETACH DELETE m //", "שלום", "\u202e", "\u200f", "😀", "\ufeff", "\uffff",
    "\u2028", "\x1a", "\ud800", "\udc00", "e\u0301", "name", "Item", "PREDICTED_",
]  # fmt: skip
EXTREME = [
    "",
    "x" * 10_000,
    "`" * 10_000,
    "\\u0060" * 1_000,
    "é" * (LONGEST // 2),
    "é" * (LONGEST // 2) + "x",
    "\\" * LONGEST,
]
WORDS = st.one_of(
    st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=5).map("".join),
    st.text(st.characters(exclude_categories=()), max_size=20),
    st.sampled_from(EXTREME),
)
GOOD_WORDS = WORDS.map(lambda word: word.replace("\0", "").encode("utf-8", "ignore").decode()[:9_000] or "x")
STRINGS = ("relation", "label", "key", "weight", "model", "note")
TRICK = "`\\u0060) DETACH DELETE (n) //"
CANARY = (
    "CREATE (a:Canary {id: 'a', name: 'x'})-[:SINGS {id: 1}]->(b:Item:Canary {id: 'b'})-[:PREDICTED_SINGS {by: 'hand'}]"
    "->(a), (b)-[:NEXT]->(b)"
)


@dataclass(frozen=True)
class Names:
    """What everything is called."""

    prefix: str = "PREDICTED_"
    relation: str = "NEXT"
    label: str = "Item"
    key: str = "id"
    text: str = "text"
    weight: str = "weight"
    model: str = "default"
    note: str = "note"
    ids: tuple[str, str, str] = ("1", "2", "3")

    @property
    def can_be(self) -> bool:
        """Whether Neo4j could hold all of it."""
        names = (self.prefix + self.relation, self.label, self.key, self.text, self.weight, self.relation)
        values = (self.model, self.note, *self.ids)
        return all(0 < size(name) <= LONGEST and "\0" not in name for name in names) and all(map(encodes, values))

    @property
    def graph(self) -> GraphSettings:
        return GraphSettings(
            labels=(self.label,),
            keys={self.label: self.key},
            names=(),
            texts=(self.text,),
            edge_properties=(self.weight,),
            prefix=self.prefix,
        )

    def triple(self, head: int, tail: int) -> Triple:
        return Triple(self.ids[head], self.relation, self.ids[tail])

    def target(self, *ends: tuple[int, int], probability: float = 0.5) -> TargetSet:
        scored = [ScoredTriple(self.triple(*end), 1.0, probability, 1, Evidence(self.note)) for end in ends]
        return TargetSet.of(TargetEdge.of(one, self.model, "r") for one in scored)

    def edges(self, target: TargetSet) -> list[dict[str, Any]]:
        found = [
            {"head": e.head, "type": self.prefix + e.relation, "tail": e.tail, "p": e.probability, "key": e.key,
             "model": e.model, "evidence": e.evidence}
            for e in target
        ]  # fmt: skip
        return sorted(found, key=repr)


def size(name: str) -> int:
    return len(name.encode("utf-8")) if encodes(name) else 0


def encodes(text: str) -> bool:
    return text == text.encode("utf-8", "ignore").decode()


def named(words: st.SearchStrategy[str]) -> st.SearchStrategy[Names]:
    """A few of the names are drawn, the others are as usual."""
    some = st.fixed_dictionaries(
        {},
        optional={
            **{name: words for name in ("relation", "label", "key", "text", "weight", "model", "note")},
            # the settings themselves refuse others
            "prefix": words.map(lambda word: word if word and encodes(word) else "P"),
            "ids": st.tuples(words, words, words),
        },
    )

    def given_these(drawn: dict[str, Any]) -> Names:
        return replace(Names(), **drawn)

    return some.map(given_these)


class Graph:
    """The graph of an example, seen through a driver that knows nothing of our statements."""

    def __init__(self, driver: neo4j.Driver, client: Neo4jClient) -> None:
        self._driver, self.client = driver, client

    def ask(self, query: str, **parameters: object) -> list[dict[str, Any]]:
        return [dict(record) for record in self._driver.execute_query(query, parameters).records]

    def begin(self, names: Names) -> None:
        """Three nodes and an edge beside the canary; names are parameters here, so nothing is quoted."""
        self.ask("MATCH (n) DETACH DELETE n")
        self.ask(CANARY)
        for entity in names.ids:
            self.ask(
                "CREATE (n:$($label)) SET n += $properties",
                label=names.label,
                properties={names.text: "said"} | {names.key: entity},
            )
        self.ask(
            "MATCH (a:$($label)), (b:$($label)) WHERE a[$key] = $head AND b[$key] = $tail "
            "AND NOT a:Canary AND NOT b:Canary CREATE (a)-[e:$($type)]->(b) SET e += $properties",
            label=names.label,
            key=names.key,
            head=names.ids[0],
            tail=names.ids[1],
            type=names.relation,
            properties={names.weight: 1.5},
        )

    def everything(self) -> list[str]:
        """What is not ours, word for word."""
        nodes = self.ask(
            "MATCH (n) WHERE none(l IN labels(n) WHERE l STARTS WITH 'Relpred') "
            "RETURN elementId(n) AS i, labels(n) AS l, properties(n) AS p"
        )
        edges = self.ask(
            "MATCH (a)-[e]->(b) RETURN elementId(e) AS i, type(e) AS t, properties(e) AS p, elementId(a) AS a, "
            "elementId(b) AS b"
        )
        return sorted(map(repr, nodes + edges))

    def predicted(self, names: Names, key: str) -> list[dict[str, Any]]:
        if not encodes(names.prefix + names.relation):
            return []
        rows = self.ask(
            "MATCH (a)-[e]->(b) WHERE type(e) = $type AND e.model IS NOT NULL RETURN a[$key] AS head, type(e) AS type, "
            "b[$key] AS tail, e.probability AS p, e.key AS key, e.model AS model, e.evidence AS evidence",
            type=names.prefix + names.relation,
            key=key,
        )
        return sorted(rows, key=repr)

    def publish(self, names: Names, target: TargetSet, **changes: Any) -> PublicationReport:
        plan = PublicationPlan(names.graph, PublishingSettings(shrink_guard=0), "run", names.model, take_over=True)
        return publish(self.client, target, replace(plan, relations=(names.relation,), **changes))


@pytest.fixture
def graph(clean_graph: neo4j.Driver, client: Neo4jClient) -> Iterator[Graph]:
    """Names stay in a store for good, so what is seen of them here is no use to other tests; nodes and edges go."""
    yield Graph(clean_graph, client)
    clean_graph.execute_query("MATCH (n) DETACH DELETE n")


quick = settings(
    max_examples=100 if FULL else 10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)

slow = settings(quick, max_examples=40 if FULL else 4)  # the server plans every statement anew: seconds for each


@slow
@given(named(GOOD_WORDS))
@example(replace(Names(), ids=("`", "\\u0060", "}) DETACH DELETE n //"), **dict.fromkeys(STRINGS, TRICK)))
@example(Names(label="😀", key="\u202e", ids=("", "\0", "x" * 10_000)))
def test_names_that_can_be_do_exactly_what_was_meant(graph: Graph, names: Names) -> None:
    assume(names.can_be and len(set(names.ids)) == 3 and len({names.key, names.text}) == 2)
    assume(not names.relation.startswith(names.prefix) and not names.label.startswith("Relpred"))
    assume((names.label, names.key) != ("Canary", "id"))
    graph.begin(names)
    if names.label in ("Item", "Canary"):
        graph.ask("MATCH (n:Canary) REMOVE n:Item")
    before = graph.everything()
    wish, client = names.graph, graph.client

    snapshot = read_it(graph, names)
    both, later = names.target((0, 2), (1, 2)), names.target((1, 2), (2, 0), probability=0.7)
    assert graph.publish(names, both, dry_run=True).created == 2
    assert graph.everything() == before
    for target, counts in ((both, (2, 0, 0)), (later, (1, 1, 1))):
        report = graph.publish(names, target)
        assert (report.created, report.updated, report.removed) == counts
        assert graph.predicted(names, names.key) == names.edges(target)
        ours = PredictedType(client, names.prefix, names.relation)
        assert (ours.count(), {key for page in ours.present() for key in page.keys}) == (
            len(target),
            {e.key for e in target},
        )
    assert read_snapshot(client, wish).content_hash == snapshot.content_hash
    assert set(graph.everything()) >= set(before)

    accepted = Wish(names.triple(2, 0), "accepted", note=names.note)
    rejected = Wish(names.triple(1, 2), "rejected", note=names.note)
    assert decide(client, wish, [accepted, rejected], names.note) == {"accepted": 1, "rejected": 1}
    assert graph.predicted(names, names.key) == []
    assert {d.triple for d in list_decisions(client, relation=names.relation)} == {accepted.triple, rejected.triple}
    assert len(graph.everything()) == len(before) + 1
    assert withdraw(client, wish, [accepted.triple, rejected.triple]) == 2
    assert graph.everything() == before

    graph.publish(names, both)
    with held(client, PUBLISH, seconds=30, patience=0) as fence:
        purge(client, count_ours(client, wish), fence)
    remove_leases(client)
    assert graph.everything() == before
    assert graph.ask("MATCH (n) WHERE any(l IN labels(n) WHERE l STARTS WITH 'Relpred') RETURN n") == []
    assert graph.ask("SHOW CONSTRAINTS YIELD name RETURN name") == []


def read_it(graph: Graph, names: Names) -> Snapshot:
    found = read_snapshot(graph.client, names.graph)
    assert set(found.ids) == set(names.ids)
    assert found.relations == (names.relation,)
    assert all(properties == {names.text: "said"} for properties in found.properties())
    weights = found.edge_property(names.weight)
    assert weights is not None
    assert weights.tolist() == [1.5]
    nodes = Identity(names.graph).resolve(graph.client, names.ids)
    assert set(nodes.found) == set(names.ids)
    live = read_node_by_id(graph.client, names.graph, names.ids[0])
    assert live is not None
    assert [(edge.relation, edge.other) for edge in live.edges] == [(names.relation, names.ids[1])]
    schema = discover_schema(graph.client, names.graph)
    assert names.relation in schema.relation_names
    assert names.label in schema.label_names
    return found


@quick
@given(named(WORDS))
@example(Names(relation=""))
@example(Names(label="\0"))
@example(Names(key="\ud800"))
@example(Names(ids=("\ud800", "\0", "")))
@example(Names(relation="é" * (LONGEST // 2)))
@example(Names(note="\udfff"))
def test_names_that_cannot_be_are_refused_in_our_words_and_change_nothing(graph: Graph, names: Names) -> None:
    assume(not names.can_be)
    graph.begin(Names())
    before, client, wish = graph.everything(), graph.client, names.graph
    target = names.target((0, 2), (1, 2))
    attempts: list[Callable[[], object]] = [
        lambda: read_snapshot(client, wish),
        lambda: Identity(wish).resolve(client, names.ids),
        lambda: [read_node_by_id(client, wish, entity) for entity in names.ids],
        lambda: graph.publish(names, target, dry_run=True),
        lambda: graph.publish(names, target),
        lambda: PredictedType(client, names.prefix, names.relation).count(),
        lambda: decide(client, wish, [Wish(names.triple(0, 2), "rejected", note=names.note)], names.note),
        lambda: list_decisions(client, relation=names.relation),
        lambda: withdraw(client, wish, [names.triple(0, 2)]),
        lambda: count_ours(client, wish),
    ]
    errors: list[RelpredError] = []
    for attempt in attempts:
        try:
            attempt()
        except RelpredError as error:
            errors.append(error)
        # what a statement does not mention cannot hinder it: then the meant edges are there, and nothing else
        edges = graph.predicted(names, Names().key)
        assert all(edge in names.edges(target) for edge in edges)
        now = graph.everything()
        assert set(now) >= set(before)
        assert len(now) == len(before) + len(edges)
    assert errors
    assert all(error.message and error.hint for error in errors)
