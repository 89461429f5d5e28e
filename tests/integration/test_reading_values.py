"""Reading whatever a graph holds: every kind of value, parts of it, changes, and a graph that changes meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import neo4j
import numpy as np
import pytest

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.data.changes import Changes, compare
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.data.verbalize import verbalize
from neo4j_relpred.errors import InvalidSettings, UnknownEntity
from neo4j_relpred.graph import nodes, selection
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.edges import read_edges
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.graph.reader import read_snapshot
from neo4j_relpred.text.cache import CachedEncoder
from neo4j_relpred.text.vectors import Progress, Vectors
from neo4j_relpred.triples import Triple
from tests.integration.graphs import ask

pytestmark = pytest.mark.usefixtures("clean_graph")

ALL_KINDS = """
    CREATE (a:Thing {id: 'a', text: 'words', whole: 42, part: 2.5, yes: true, list: [1, 2], words: ['x', 'y'],
        day: date('2020-02-03'), moment: datetime('2020-02-03T04:05:06+02:00'),
        local: localdatetime('2020-02-03T04:05'),
        clock: time('04:05:06Z'), hour: localtime('04:05'), span: duration('P1Y2M3DT4H'),
        place: point({x: 1.5, y: 2}), world: point({longitude: 12.5, latitude: 55.25}), blob: $blob})
    CREATE (b:Thing:Second {id: 'b', text: 7}), (c {note: 'no label'})
    CREATE (a)-[:TYPE {weight: 0.5, since: datetime('2020-01-01T01:00:00+02:00')}]->(b)
    CREATE (a)-[:TYPE {weight: 2}]->(b)
    CREATE (b)-[:关系 {since: datetime('2021-01-01T00:00:00Z')}]->(b)
    CREATE (b)-[:关系]->(c)
"""
ODD = "A type \\u0060 with `ticks`"
SHOWN = "text whole part yes list words day moment local clock hour span place world blob note".split()
CHAIN = "UNWIND range(0, 29) AS i MERGE (a:Item {id: i}) MERGE (b:Item {id: i + 1}) MERGE (a)-[:NEXT]->(b)"


def things(**changes: Any) -> GraphSettings:
    return GraphSettings(**({"keys": {"Thing": "id"}, "names": (), "texts": tuple(SHOWN)} | changes))


def items(**changes: Any) -> GraphSettings:
    return GraphSettings(**({"keys": {"Item": "id"}, "texts": ("text",)} | changes))


def test_every_kind_of_value_becomes_text_and_bytes_become_nothing(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, ALL_KINDS.replace("TYPE", quoted(ODD)), blob=b"bytes")
    found = read_snapshot(client, things())
    assert found.properties()[found.index["a"]] == {
        "text": "words",
        "whole": "42",
        "part": "2.5",
        "yes": "true",
        "list": "1, 2",
        "words": "x, y",
        "day": "2020-02-03",
        "moment": "2020-02-03T04:05:06+02:00",
        "local": "2020-02-03T04:05:00",
        "clock": "04:05:06+00:00",
        "hour": "04:05:00",
        "span": "P1Y2M3DT4H",
        "place": "1.5, 2.0",
        "world": "12.5, 55.25",
    }
    assert found.properties()[found.index["b"]] == {"text": "7"}
    assert found.labels[found.index["b"]] == ("Second", "Thing")
    unlabelled = next(iter({*found.ids} - {"a", "b"}))
    assert (found.labels[found.index[unlabelled]], found.properties()[found.index[unlabelled]]) == (
        (),
        {"note": "no label"},
    )
    assert found.relations == (ODD, "关系")


def test_properties_of_edges_come_along_and_parallel_edges_stay(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, ALL_KINDS.replace("TYPE", quoted(ODD)), blob=b"")
    found = read_snapshot(client, things(edge_properties=("weight",), time_property="since"))
    assert found.edge_property_names == ("since", "weight")
    assert found.edges.num_rows == 4
    assert len(found.triples) == 3
    weights, times = found.edge_property("weight"), found.edge_property("since")
    assert weights is not None
    assert times is not None
    first = next(row for row, t in enumerate(found.triples) if found.triple(t).head == "a")
    assert sorted(times.tolist()) == ["", "2019-12-31T23:00:00+00:00", "2021-01-01T00:00:00+00:00"]
    assert weights[first] == 0.5
    assert np.isnan(weights).sum() == 2
    plain = read_snapshot(client, things())
    assert plain.edge_property_names == ()
    assert plain.edges.num_rows == 4


def test_the_same_nodes_created_anew_give_the_same_hash(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, CHAIN)
    before = read_snapshot(client, items())
    ask(driver, "MATCH (n) DETACH DELETE n")
    ask(driver, "UNWIND range(0, 99) AS i CREATE (:Noise)")
    ask(driver, CHAIN)
    ask(driver, "MATCH (n:Noise) DELETE n")
    after = read_snapshot(client, items())
    assert after.element_ids != before.element_ids
    assert after.content_hash == before.content_hash
    assert not compare(before, after)


def test_a_part_of_a_graph_is_what_lies_near_given_nodes(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, CHAIN)
    ask(driver, "MATCH (a:Item {id: 3}) CREATE (a)-[:PREDICTED_NEXT]->(:Item {id: 99})")
    found = read_snapshot(client, items(around=("3",), hops=2))
    assert set(found.ids) == {"1", "2", "3", "4", "5"}
    assert len(found.triples) == 4
    with pytest.raises(UnknownEntity, match=r"'300'.*graph.around"):
        read_snapshot(client, items(around=("300",)))


@pytest.mark.parametrize(
    "query",
    [
        "MATCH (n:Item) WHERE n.id < 4 RETURN n",
        "MATCH (n:Item) WHERE n.id < 4 RETURN collect(n) AS all, null AS nothing;",
        "MATCH path = (:Item {id: 0})-[:NEXT*3]->() RETURN path",
        "MATCH ()-[r:NEXT]->(b) WHERE b.id < 4 RETURN r",
    ],
)
def test_a_part_of_a_graph_is_what_a_query_chooses(query: str, driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, CHAIN)
    found = read_snapshot(client, items(query=query))
    assert set(found.ids) == {"0", "1", "2", "3"}
    assert len(found.triples) == 3


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("MATCH (n) DETACH DELETE n RETURN n", "writes"),
        ("CREATE (n) RETURN n", "writes"),
        ("CREATE INDEX FOR (n:Item) ON (n.id)", "writes"),
        ("MATCH (n:Item) RETURN n.id", "int where nodes are wanted"),
        ("MATCH (n:Item RETURN n", "cannot be run"),
    ],
)
def test_a_query_that_writes_or_answers_no_nodes_is_refused(
    query: str, told: str, driver: neo4j.Driver, client: Neo4jClient
) -> None:
    ask(driver, CHAIN)
    with pytest.raises(InvalidSettings, match=told):
        read_snapshot(client, items(query=query))
    assert ask(driver, "MATCH (n) RETURN count(n) AS n") == [{"n": 31}]


def test_every_way_of_choosing_reads_the_same_part(
    driver: neo4j.Driver, client: Neo4jClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(driver, CHAIN)
    ask(driver, "MATCH (n:Item) WHERE n.id % 2 = 0 OR n.id < 9 SET n:Even, n.text = 'text ' + n.id")
    ask(driver, "CREATE (:Item {id: 100})-[:NEXT]->(:RelpredRun:Even {id: 'ours'})")
    by_label = read_snapshot(client, items(labels=("Even",)))
    by_query = read_snapshot(client, items(query="MATCH (n:Even) RETURN n"))
    monkeypatch.setattr(selection, "SMALL_SHARE", 1.1)
    from_nodes = read_snapshot(client, items(labels=("Even",), edge_properties=("none",)))
    assert by_label.content_hash == by_query.content_hash == from_nodes.content_hash
    assert len(by_label.ids) == 20
    assert len(by_label.triples) == 8


def test_texts_of_any_length_are_read_in_answers_of_even_weight(
    driver: neo4j.Driver, client: Neo4jClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(driver, CHAIN)
    ask(driver, "MATCH (n:Item {id: 7}) SET n.text = $book", book="page " * 1_000_000)
    ask(driver, "MATCH (n:Item {id: 8}) SET n.text = $book", book=["page " * 200_000])
    monkeypatch.setattr(nodes, "FIRST_NODES", 2)
    monkeypatch.setattr(nodes, "ANSWER_CHARACTERS", 1_000)
    found = read_snapshot(client, items())
    lengths = [len(properties.get("text", "")) for properties in found.properties()]
    assert sorted(lengths)[-3:] == [0, nodes.LONGEST_TEXT, nodes.LONGEST_TEXT]
    assert len(found.triples) == 30


# changes


@dataclass
class Remembering:
    """An encoder that keeps what it was asked."""

    fingerprint: str = "remembering"
    width: int = 2
    asked: list[str] = field(default_factory=list)

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        self.asked += texts
        return np.ones((len(texts), self.width), np.float32)


def test_only_texts_that_changed_are_encoded_again(driver: neo4j.Driver, client: Neo4jClient, tmp_path: Path) -> None:
    encoder = Remembering()
    cache = CachedEncoder(encoder, tmp_path / "text.sqlite")
    load = (
        "UNWIND range(0, 299) AS i CREATE (n:Item {id: i, text: 'text ' + i}) "
        "WITH collect(n) AS all UNWIND range(1, 299) AS i WITH all[i - 1] AS a, all[i] AS b CREATE (a)-[:NEXT]->(b)"
    )

    def encoded(snapshot: Snapshot) -> list[str]:
        encoder.asked.clear()
        cache.encode([verbalize(*row, items()) for row in zip(snapshot.labels, snapshot.properties(), strict=True)])
        return sorted(encoder.asked)

    ask(driver, load)
    first = read_snapshot(client, items())
    assert len(encoded(first)) == 300
    second = read_snapshot(client, items())
    assert second.content_hash == first.content_hash
    assert encoded(second) == []
    ask(driver, "MATCH (n:Item) WHERE n.id % 100 = 7 SET n.text = 'told ' + n.id")  # one in a hundred
    third = read_snapshot(client, items())
    assert compare(first, third) == Changes(text=("107", "207", "7"))
    assert encoded(third) == [f"item. told {key}" for key in (107, 207, 7)]
    ask(driver, "MATCH (n) DETACH DELETE n")
    ask(driver, "UNWIND range(0, 99) AS i CREATE (:Noise)")
    ask(driver, load)
    ask(driver, "MATCH (n:Noise) DELETE n")
    anew = read_snapshot(client, items())
    assert anew.element_ids != first.element_ids
    assert anew.content_hash == first.content_hash
    assert encoded(anew) == []


def test_a_watermark_spares_the_texts_of_nodes_that_did_not_change(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, CHAIN)
    ask(driver, "MATCH (n:Item) SET n.text = 'text ' + n.id, n.updatedAt = datetime('2020-01-01T00:00:00Z')")
    wish = items(changes="watermark", watermark="updatedAt")
    first = read_snapshot(client, wish)
    ask(driver, "MATCH (n:Item {id: 3}) SET n.text = 'told', n.updatedAt = datetime('2021-01-01T00:00:00Z')")
    ask(driver, "MATCH (n:Item {id: 4}) SET n.text = 'silent'")
    ask(driver, "MATCH (n:Item {id: 5}) DETACH DELETE n")
    ask(driver, "MATCH (n:Item {id: 6}) CREATE (n)-[:NEXT]->(:Item {id: 50, text: 'new'})")
    told = compare(first, second := read_snapshot(client, wish, before=first))
    # everything was stamped alike, so everything was read again: what a first look after a load does
    assert told == Changes(("50",), ("5",), ("3", "4"), ("4", "6"), 1, 2)
    ask(driver, "MATCH (n:Item) SET n.text = 'silent'")
    ask(driver, "MATCH (n:Item {id: 9}) SET n.updatedAt = datetime('2022-01-01T00:00:00Z')")
    third = read_snapshot(client, wish, before=second)
    assert compare(second, third).text == ("3", "50", "9")  # the newest of the last look, one without a stamp, the new
    assert compare(third, read_snapshot(client, items())).text != ()


def test_other_properties_than_last_time_are_read_for_all_nodes(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, CHAIN)
    ask(driver, "MATCH (n:Item) SET n.text = 'text', n.more = 'more', n.version = 1")
    ask(driver, "MATCH (n:Item {id: 1}) SET n.version = 2")
    wish = items(changes="watermark", watermark="version")
    first = read_snapshot(client, wish)
    wider = wish.model_copy(update={"texts": ("text", "more")})
    assert all("more" in properties for properties in read_snapshot(client, wider, before=first).properties())


def test_ways_that_cannot_work_say_so(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, CHAIN)
    with pytest.raises(InvalidSettings, match="needs a property"):
        read_snapshot(client, items(changes="watermark"))
    with pytest.raises(InvalidSettings, match="captures no changes"):
        read_snapshot(client, items(changes="cdc"))


# a graph that changes while it is read


def test_a_node_that_makes_way_for_another_one_meanwhile_is_left_out_with_its_edges(
    driver: neo4j.Driver, client: Neo4jClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(driver, CHAIN)

    def meanwhile(*arguments: Any) -> Any:
        ask(driver, "MATCH (n:Item {id: 3}) SET n.id = 300")
        ask(driver, "MATCH (n:Item {id: 4}) DETACH DELETE n")
        ask(driver, "MATCH (n:Item {id: 10}) CREATE (n)-[:NEXT]->(:Item {id: 400})")
        return read_edges(*arguments)

    monkeypatch.setattr("neo4j_relpred.graph.reader.read_edges", meanwhile)
    found = read_snapshot(client, items())
    assert {*map(str, range(31))} - {*found.ids} == {"3", "4"}
    assert Triple("2", "NEXT", "3") not in [found.triple(row) for row in found.triples]
    assert found.about["nodesGoneMeanwhile"] == 2
    assert found.about["edgesLeftOut"] == 2  # to the node that has another key now, and to the new one
