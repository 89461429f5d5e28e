"""Explanations on a real server: their patterns run as they are, and find the paths that are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import neo4j
import pytest

from neo4j_relpred import Client
from neo4j_relpred.data.explanation import Direction, FiredRule, NamedNode, Step
from neo4j_relpred.demo.server import EmbeddedNeo4j, find_jar
from neo4j_relpred.demo.service import served
from neo4j_relpred.graph.patterns import pattern_of
from neo4j_relpred.triples import Triple
from tests.integration.graphs import Town, ask, trained_town

with_jar = pytest.mark.skipif(find_jar() is None, reason="the procedure jar is not built: mvn -f procedures package")

EXPLAIN = (
    "MATCH (h:Thing {uid: $h}), (t:Thing {uid: $t}) CALL relpred.explain(h, $r, t) "
    "YIELD kind, share, explanation, pattern, bindings, support, confidence, score, probability, model "
    "RETURN kind, share, explanation, pattern, [path IN bindings | [n IN path | elementId(n)]] AS bindings, "
    "[path IN bindings | [n IN path | n.name]] AS names, support, confidence, score, probability, model"
)


@pytest.fixture(scope="module")
def place(
    server: EmbeddedNeo4j, driver: neo4j.Driver, service_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Town]:
    """The town, with a service that answers about it."""
    town = trained_town(driver, server.bolt_uri, tmp_path_factory.mktemp("explaining") / "town", service_port)
    with served(town.config, service_port):
        yield town


def paths(driver: neo4j.Driver, pattern: str, h: str, t: str) -> list[list[str]]:
    """What the pattern finds between two nodes, as element ids."""
    query = (
        f"MATCH path = {pattern} WHERE elementId(h) = $h AND elementId(t) = $t "
        "RETURN [n IN nodes(path) | elementId(n)] AS ids"
    )
    return [row["ids"] for row in ask(driver, query, h=h, t=t)]


def checked(driver: neo4j.Driver, rules: list[dict[str, Any]]) -> int:
    """Every pattern runs, and finds what is told; how many paths those are."""
    told = 0
    for rule in rules:
        found = paths(driver, rule["pattern"], rule["bindings"][0][0], rule["bindings"][0][-1])
        assert 1 <= len(rule["bindings"]) <= 3
        assert all(path in found for path in rule["bindings"]), rule
        assert 0 < rule["confidence"] < 1
        assert rule["support"] > 0
        told += len(rule["bindings"])
    return told


@with_jar
def test_every_pattern_runs_and_finds_the_paths_that_are_told(place: Town) -> None:
    edges = ask(
        place.driver,
        "MATCH (h:Thing)-[e]->(t:Thing) WITH type(e) AS r, collect([h.uid, t.uid])[..3] AS some "
        "UNWIND some AS pair RETURN pair[0] AS h, r, pair[1] AS t",
    )
    kinds = {"structure", "text and graph", "words", "rules", "walks", "prior"}
    told, constants = 0, 0
    for edge in [*edges, {"h": "person3", "r": "PREDICTED_CITIZEN_OF", "t": "country2"}]:
        rows = ask(place.driver, EXPLAIN, **edge)
        rules = [row for row in rows if row["kind"] == "rule"]
        assert {row["kind"] for row in rows if row["share"] is not None} == kinds
        assert len({(row["score"], row["probability"], row["model"]) for row in rows}) == 1
        told += checked(place.driver, rules)
        constants += sum("elementId(x" in rule["pattern"] for rule in rules)
    assert len(edges) > 15
    assert told > 50
    assert constants > 10


@with_jar
def test_a_citizenship_is_told_by_the_city_as_the_facade_tells_it(place: Town) -> None:
    (edge,) = ask(
        place.driver,
        "MATCH (h:Person)-[:LIVES_IN]->(c)-[:LOCATED_IN]->(t)<-[:CITIZEN_OF]-(h) "
        "RETURN h.uid AS h, 'CITIZEN_OF' AS r, t.uid AS t, [h.name, c.name, t.name] AS names LIMIT 1",
    )
    names = edge.pop("names")
    rows = ask(place.driver, EXPLAIN, **edge)
    by_pattern = {row["pattern"]: row for row in rows}
    rule = by_pattern["(h)-[:`LIVES_IN`]->(x1)-[:`LOCATED_IN`]->(t)"]
    assert names in rule["names"]
    assert rule["confidence"] > 0.5
    triple = Triple(edge["h"], edge["r"], edge["t"])
    with place.predictor() as predictor:
        found = predictor.explain(triple)
        (scored,) = predictor.score([triple])
    assert found.scored.probability == pytest.approx(scored.probability, rel=1e-3) == rows[0]["probability"]
    assert [one.pattern for one in found.rules] == [row["pattern"] for row in rows if row["kind"] == "rule"]
    texts = [clue.text for clue in found.clues] + [rule.text for rule in found.rules]
    assert texts == [row["explanation"] for row in rows]
    with Client(f"http://127.0.0.1:{place.settings.service.port}") as client:
        assert [one.explanation for one in client.explain(triple)] == texts
    done = place.cli("explain", triple.head, "PREDICTED_CITIZEN_OF", triple.tail)
    assert done.code == 0, done.err
    assert f"MATCH {rule['pattern']}" in done.out
    assert " - ".join(names) in done.out
    told = place.cli("explain", triple.head, triple.relation, triple.tail, "--json").json
    assert [one["pattern"] for one in told["rules"]] == [one.pattern for one in found.rules]


@with_jar
def test_a_node_that_appeared_a_moment_ago_is_explained(place: Town) -> None:
    ask(
        place.driver,
        "MATCH (c:City {uid: 'city1'}) CREATE (p:Thing:Person {uid: 'newcomer', name: 'Ada', description: 'A cook'})"
        "-[:LIVES_IN]->(c)",
    )
    rows = ask(place.driver, EXPLAIN, h="newcomer", r="CITIZEN_OF", t="country1")
    rules = [row for row in rows if row["kind"] == "rule"]
    assert checked(place.driver, rules) > 0
    assert ["Ada", "Town 1", "Land 1"] in [path for rule in rules for path in rule["names"]]
    assert any("came after the training" in row["explanation"] for row in rows)


@with_jar
def test_what_is_told_of_a_node_that_is_gone_is_left_out(place: Town) -> None:
    (city,) = ask(
        place.driver,
        "MATCH (h:Person)-[:WORKS_FOR]->(t)<-[:WORKS_FOR]-(:Person)-[:LIVES_IN]->(c)<-[:LIVES_IN]-(h) "
        "RETURN h.uid AS h, t.uid AS t, c.uid AS uid, c.name AS name LIMIT 1",
    )
    edge = {"h": city["h"], "r": "WORKS_FOR", "t": city["t"]}
    before = ask(place.driver, EXPLAIN, **edge)
    assert any(city["name"] in row["explanation"] for row in before)
    ask(place.driver, "MATCH (c:Thing {uid: $uid}) DETACH DELETE c", uid=city["uid"])
    after = ask(place.driver, EXPLAIN, **edge)
    assert after
    assert not any(city["name"] in row["explanation"] for row in after)
    assert not any(city["name"] in path for row in after for path in row["names"])


@with_jar
def test_what_cannot_be_explained_says_why(place: Town) -> None:
    with pytest.raises(neo4j.exceptions.ClientError, match="Did you mean CITIZEN_OF"):
        ask(place.driver, EXPLAIN, h="person1", r="CITIZEN_OFF", t="country1")


@pytest.mark.parametrize("name", ["A B", "A`]->() DETACH DELETE h //", "\\u0060]->(t) RETURN 1 //", "住所", "a'\"b"])
def test_whatever_a_type_is_called_its_pattern_finds_its_edges(clean_graph: neo4j.Driver, name: str) -> None:
    (ids,) = ask(
        clean_graph,
        "CREATE (h:Item)-[:`Plain`]->(x:Item), (t:Item) RETURN elementId(h) AS h, elementId(x) AS x, elementId(t) AS t",
    )
    quoted = name.replace("\\", "\\u005C").replace("`", "``")
    for start, end in (("h", "x"), ("t", "x"), ("x", "t")):
        ask(
            clean_graph,
            f"MATCH (a), (b) WHERE elementId(a) = $a AND elementId(b) = $b CREATE (a)-[:`{quoted}`]->(b)",
            a=ids[start],
            b=ids[end],
        )
    path = tuple(NamedNode(ids[node], node) for node in "hxt")
    found: dict[Direction, int] = {"in": 1, "out": 1, "either": 2}
    for direction, edges in found.items():
        steps = (Step(name, "out"), Step(name, direction))
        for constant in (None, 1):
            written = pattern_of(FiredRule("", steps, constant, (path,), 1, 0.5), str)
            assert paths(clean_graph, written, ids["h"], ids["t"]) == [[ids["h"], ids["x"], ids["t"]]] * edges
