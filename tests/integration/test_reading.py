"""Reading a real graph: schema, snapshots and single nodes."""

from __future__ import annotations

from datetime import date
from typing import Any

import neo4j
import pytest

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.errors import EmptyGraph, InvalidSettings
from neo4j_relpred.graph import edges, nodes
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.live import LiveEdge, read_node, read_node_by_id
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.graph.proposal import propose
from neo4j_relpred.graph.reader import read_snapshot
from neo4j_relpred.graph.schema import check_settings, discover_schema
from neo4j_relpred.graph.size import GraphSize, graph_size
from neo4j_relpred.triples import Triple
from tests.integration.graphs import ask

pytestmark = pytest.mark.usefixtures("clean_graph")

PEOPLE = """
    CREATE (ada:Person {id: 'ada', name: 'Ada', born: date('1815-12-10'), tags: ['maths', 'engines'], fame: 9})
    CREATE (bob:Person {id: 'bob', name: 'Bob', note: 'builds bridges'})
    CREATE (acme:Company {id: 'acme', name: 'Acme'})
    CREATE (ada)-[:KNOWS {since: 1830}]->(bob), (ada)-[:WORKS_AT]->(acme), (bob)-[:WORKS_AT]->(acme)
"""
HOSTILE = ["a`b", "a\\u0060) DETACH DELETE n //", "\\", "\\u", "\\\\u0060", "``", "x\ny", "'\"", "\\u005c", " ", "é😀"]


def settings(**changes: Any) -> GraphSettings:
    return GraphSettings(**({"keys": {"Person": "id", "Company": "id"}} | changes))


def facts(snapshot: Snapshot) -> list[Triple]:
    return [snapshot.triple(row) for row in snapshot.triples]


def test_a_graph_is_read_as_nodes_types_and_triples(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, PEOPLE)
    told: list[tuple[str, int, int]] = []
    found = read_snapshot(client, settings(texts=("born", "tags", "fame")), lambda *step: told.append(step))

    assert found.ids == ["Company:acme", "Person:ada", "Person:bob"]
    assert found.labels == [("Company",), ("Person",), ("Person",)]
    assert found.properties()[1] == {"name": "Ada", "born": "1815-12-10", "tags": "maths, engines", "fame": "9"}
    assert facts(found) == [
        Triple("Person:ada", "KNOWS", "Person:bob"),
        Triple("Person:ada", "WORKS_AT", "Company:acme"),
        Triple("Person:bob", "WORKS_AT", "Company:acme"),
    ]
    assert {stage for stage, _, _ in told} == {"nodes", "edges"}
    assert told[-1] == ("edges", 3, 3)


def test_one_key_gives_plain_ids_and_nodes_without_it_their_element_id(
    driver: neo4j.Driver, client: Neo4jClient
) -> None:
    ask(driver, PEOPLE)
    found = read_snapshot(client, settings(keys={"Person": "id"}))
    (acme,) = ask(driver, "MATCH (n:Company) RETURN elementId(n) AS e")
    assert sorted(found.ids) == sorted(["ada", "bob", acme["e"]])


def test_without_keys_every_node_goes_by_its_element_id(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, PEOPLE)
    found = read_snapshot(client, GraphSettings())
    assert found.ids == found.element_ids


def test_number_keys_give_ids_that_find_the_node_again(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, "CREATE (:Item {id: 7, name: 'seven'})-[:NEXT]->(:Item {id: 8})")
    wish = settings(keys={"Item": "id"})
    assert read_snapshot(client, wish).ids == ["7", "8"]
    found = read_node_by_id(client, wish, "7")
    assert found is not None
    assert (found.node.id, dict(found.node.properties)) == ("7", {"name": "seven"})
    assert found.edges == (LiveEdge("out", "NEXT", "8"),)


def test_predicted_edges_and_nodes_of_ours_are_never_read(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, PEOPLE)
    before = read_snapshot(client, settings())
    ask(
        driver,
        "MATCH (a:Person {id: 'bob'}), (b:Person {id: 'ada'}) CREATE (a)-[:PREDICTED_KNOWS {key: 'k'}]->(b) "
        "CREATE (a)-[:KNOWS]->(:RelpredDecision:Person {id: 'own'})",
    )
    after = read_snapshot(client, settings())
    assert after.content_hash == before.content_hash
    live = read_node_by_id(client, settings(), "Person:bob")
    assert live is not None
    assert live.edges == (LiveEdge("in", "KNOWS", "Person:ada"), LiveEdge("out", "WORKS_AT", "Company:acme"))
    assert read_node_by_id(client, settings(), "Person:own") is None
    found = discover_schema(client, settings())
    assert "RelpredDecision" not in found.label_names
    assert "PREDICTED_KNOWS" not in found.relation_names


def test_the_same_data_in_another_order_gives_the_same_hash(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, PEOPLE)
    before = read_snapshot(client, settings()).content_hash
    ask(driver, "MATCH (n) DETACH DELETE n")
    lines = PEOPLE.strip().splitlines()
    ask(driver, "\n".join([*reversed(lines[:3]), lines[3]]))
    assert read_snapshot(client, settings()).content_hash == before


def test_labels_and_types_that_are_not_chosen_stay_out(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, PEOPLE)
    found = read_snapshot(client, settings(labels=("Person",)))
    assert found.ids == ["Person:ada", "Person:bob"]
    assert facts(found) == [Triple("Person:ada", "KNOWS", "Person:bob")]
    assert read_snapshot(client, settings(relations=("WORKS_AT",))).relations == ("WORKS_AT",)
    live = read_node_by_id(client, settings(labels=("Person",)), "Person:ada")
    assert live is not None
    assert live.edges == (LiveEdge("out", "KNOWS", "Person:bob"),)


def test_self_loops_stay_and_parallel_edges_are_one_fact(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, "CREATE (a:Person {id: 'a'}) CREATE (a)-[:LIKES]->(a), (a)-[:LIKES]->(a), (a)-[:KNOWS]->(a)")
    found = read_snapshot(client, settings())
    assert facts(found) == [Triple("Person:a", "KNOWS", "Person:a"), Triple("Person:a", "LIKES", "Person:a")]
    assert found.edges.num_rows == 3
    live = read_node_by_id(client, settings(), "Person:a")
    assert live is not None
    assert live.edges == (LiveEdge("out", "KNOWS", "Person:a"), LiveEdge("out", "LIKES", "Person:a"))


def test_a_type_too_large_for_one_answer_reads_the_same_in_ranges(
    driver: neo4j.Driver, client: Neo4jClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(driver, "UNWIND range(0, 99) AS i CREATE (:Item {id: i})")
    ask(
        driver,
        "MATCH (a:Item), (b:Item) WHERE (a.id * 7 + b.id) % 13 = 0 "
        "FOREACH (_ IN CASE WHEN b.id % 2 = 0 THEN [1] ELSE [] END | CREATE (a)-[:EVEN]->(b)) "
        "FOREACH (_ IN CASE WHEN b.id % 4 = 1 THEN [1] ELSE [] END | CREATE (a)-[:ODD]->(b))",
    )
    ask(driver, "MATCH (a:Item) WHERE a.id % 10 = 3 DETACH DELETE a")
    wish = settings(keys={"Item": "id"})
    whole = read_snapshot(client, wish)
    expected = ask(driver, "MATCH (:Item)-[r]->(:Item) RETURN count(r) AS n")[0]["n"]
    assert len(whole.triples) == expected > 300
    monkeypatch.setattr(edges, "MOST_EDGES_AT_ONCE", 200)
    monkeypatch.setattr(edges, "EDGE_RANGE", 37)
    monkeypatch.setattr(nodes, "MOST_NODES", 7)
    assert read_snapshot(client, wish).content_hash == whole.content_hash


def test_the_same_key_twice_is_an_error_that_names_the_value(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, "CREATE (:Person {id: 'twin'})-[:KNOWS]->(:Person {id: 'twin'})")
    with pytest.raises(InvalidSettings, match=r"'Person:twin'.*unique"):
        read_snapshot(client, settings())


def test_an_empty_graph_and_one_without_relationships_say_so(driver: neo4j.Driver, client: Neo4jClient) -> None:
    with pytest.raises(EmptyGraph, match="no node"):
        read_snapshot(client, settings())
    ask(driver, "CREATE (:Person {id: 1}), (:Person {id: 2})")
    with pytest.raises(EmptyGraph, match="no relationship"):
        read_snapshot(client, settings())
    with pytest.raises(EmptyGraph, match="label of Robot"):
        read_snapshot(client, settings(labels=("Robot",)))


def test_a_node_that_came_after_the_snapshot_is_read_with_its_edges(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, PEOPLE)
    read_snapshot(client, settings())
    (row,) = ask(
        driver,
        "MATCH (c:Company) CREATE (n:Person {id: 'new', name: 'Newcomer', note: 'wrote a book'})-[:WORKS_AT]->(c) "
        "RETURN elementId(n) AS e",
    )
    by_element = read_node(client, settings(texts=("note",)), row["e"])
    assert by_element == read_node_by_id(client, settings(texts=("note",)), "Person:new")
    assert by_element is not None
    assert by_element.node.properties == {"name": "Newcomer", "note": "wrote a book"}
    assert by_element.edges == (LiveEdge("out", "WORKS_AT", "Company:acme"),)
    assert read_node(client, settings(), "4:no-such:1") is None
    assert read_node_by_id(client, settings(), "Person:nobody") is None


def test_hostile_names_mean_exactly_themselves(driver: neo4j.Driver, client: Neo4jClient) -> None:
    for name in HOSTILE:
        n = quoted(name)
        client.write(f"CREATE (:{n} {{{n}: 1}})-[:{n}]->(:{n} {{{n}: 2}})")
    seen = ask(driver, "MATCH (a)-[r]->(b) RETURN labels(a) AS l, keys(a) AS k, type(r) AS t, labels(b) AS m")
    assert sorted(map(repr, seen)) == sorted(repr({"l": [n], "k": [n], "t": n, "m": [n]}) for n in HOSTILE)
    wish = settings(keys={name: name for name in HOSTILE}, names=tuple(HOSTILE), labels=tuple(HOSTILE))
    assert discover_schema(client, wish).label_names == tuple(sorted(HOSTILE))
    found = read_snapshot(client, wish)
    assert found.relations == tuple(sorted(HOSTILE))
    assert sorted(facts(found)) == sorted(Triple(f"{name}:1", name, f"{name}:2") for name in HOSTILE)
    for name in HOSTILE:
        live = read_node_by_id(client, wish, f"{name}:2")
        assert live is not None
        assert live.edges == (LiveEdge("in", name, f"{name}:1"),)


def test_a_name_as_long_as_the_store_allows_can_be_quoted(client: Neo4jClient) -> None:
    name = "`" * 65_534
    rows = client.write(f"CREATE (n:{quoted(name)}) RETURN labels(n) AS labels").rows
    assert rows[0]["labels"] == [name]


def test_the_schema_tells_counts_ends_kinds_and_unique_keys(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, PEOPLE)
    ask(driver, "CREATE CONSTRAINT FOR (n:Person) REQUIRE n.id IS UNIQUE")
    found = discover_schema(client, settings())
    assert [(label.name, label.count) for label in found.labels] == [("Company", 1), ("Person", 2)]
    assert [(r.name, r.count, r.ends) for r in found.relations] == [
        ("KNOWS", 1, (("Person", "Person"),)),
        ("WORKS_AT", 2, (("Person", "Company"),)),
    ]
    person = found.properties_of("Person")
    kinds = {name: info.kind for name, info in person.items()}
    assert kinds == {
        "born": "date",
        "fame": "integer",
        "id": "string",
        "name": "string",
        "note": "string",
        "tags": "list",
    }
    assert (person["id"].fill, person["note"].fill, person["note"].mean_length) == (1.0, 0.5, 14.0)
    assert found.unique == {("Person", "id")}
    assert propose(found).keys == {"Person": "id", "Company": "id"}
    assert propose(found).names == ("name",)
    check_settings(found, settings(labels=("Person",), texts=("note",)))
    with pytest.raises(InvalidSettings, match="Did you mean Person"):
        check_settings(found, settings(labels=("Persom",)))
    with pytest.raises(InvalidSettings, match="Did you mean WORKS_AT"):
        check_settings(found, settings(relations=("WORK_AT",)))


def test_a_large_label_is_sampled_and_counted_exactly(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(
        driver,
        "UNWIND range(1, 3000) AS i CREATE (n:Item {id: i}) FOREACH (_ IN CASE i % 2 WHEN 0 THEN [1] ELSE [] END "
        "| SET n.half = 'x')",
    )
    found = discover_schema(client, settings(), sample=200)
    assert found.labels[0].count == 3000
    assert found == discover_schema(client, settings(), sample=200)
    assert found.properties_of("Item")["half"].fill == pytest.approx(0.5, abs=0.2)
    assert found.properties_of("Item")["id"].distinct == 1.0


def test_a_key_that_is_a_date_is_refused_with_a_remedy(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, "CREATE (:Day {on: $day})-[:NEXT]->(:Day {on: $day})", day=date(2020, 1, 1))
    with pytest.raises(InvalidSettings, match="strings or numbers"):
        read_snapshot(client, settings(keys={"Day": "on"}))


@pytest.mark.parametrize(
    ("chosen", "more"),
    [
        ({}, 0),
        ({"relations": ("WORKS_AT",)}, 0),
        ({"labels": ("Person", "Company")}, 0),
        ({"labels": ("Person",)}, 1),  # two begin at a person and two end at one, but one does both
        ({"labels": ("Company", "Firm")}, 3),  # a node with both counts for each
        ({"around": ("Company:acme",), "hops": 1}, 0),
        ({"query": "MATCH (p:Person) RETURN p"}, 0),
    ],
)
def test_as_much_is_counted_as_would_be_read(
    driver: neo4j.Driver, client: Neo4jClient, chosen: dict[str, Any], more: int
) -> None:
    ask(driver, PEOPLE + "CREATE (ada)-[:PREDICTED_KNOWS]->(acme), (:RelpredRun {id: 'r1'}) SET acme:Firm")
    likes = "(ada)-[:LIKES]->(bob), (ada)-[:LIKES]->(acme), (acme)-[:LIKES]->(bob), (acme)-[:LIKES]->(acme)"
    ask(driver, f"MATCH (ada {{id: 'ada'}}), (bob {{id: 'bob'}}), (acme {{id: 'acme'}}) CREATE {likes}")
    wish = settings(**chosen)
    counted, read = graph_size(client, wish), read_snapshot(client, wish)
    assert (counted.nodes, counted.types) == (len(read.ids), len(read.relations))
    assert counted.relationships == read.edges.num_rows + more


def test_of_nothing_nothing_is_counted(client: Neo4jClient) -> None:
    for wish in (settings(), settings(labels=("Person",)), settings(query="MATCH (n:Person) RETURN n")):
        assert graph_size(client, wish) == GraphSize(0, 0, 0)
