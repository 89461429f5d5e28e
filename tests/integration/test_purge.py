"""Purging takes away what was ever written here, and nothing of what people wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import neo4j
import pytest

from neo4j_relpred.config import GraphSettings, PublishingSettings
from neo4j_relpred.data.target_set import TargetEdge, TargetSet
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.decisions import Wish, decide
from neo4j_relpred.graph.leases import held
from neo4j_relpred.graph.purge import count_ours
from neo4j_relpred.graph.writer import PublicationPlan, publish
from neo4j_relpred.triples import Evidence, ScoredTriple, Triple
from tests.integration.graphs import Outcome, ask, relpred, write_settings

pytestmark = pytest.mark.usefixtures("clean_graph")

GRAPH = GraphSettings(keys={"Thing": "uid"})


def edge(head: str, relation: str, tail: str) -> TargetEdge:
    return TargetEdge.of(ScoredTriple(Triple(head, relation, tail), 1.0, 0.8, 1, Evidence("why")), "default@1", "r")


TARGET = TargetSet.of(
    [edge("a", "LIKES", "b"), edge("b", "LIKES", "c"), edge("a", "KNOWS", "c"), edge("c", "LIKES", "a")]
)


def everything(driver: neo4j.Driver) -> list[Any]:
    nodes = ask(driver, "MATCH (n) RETURN labels(n) AS labels, properties(n) AS p ORDER BY n.uid, labels(n)")
    edges = ask(
        driver, "MATCH (h)-[e]->(t) RETURN h.uid AS h, type(e) AS r, t.uid AS t, properties(e) AS p ORDER BY h, r, t"
    )
    names = ask(driver, "SHOW CONSTRAINTS YIELD name RETURN name ORDER BY name")
    return [nodes, edges, names]


@pytest.fixture
def theirs(driver: neo4j.Driver, clean_graph: object) -> list[Any]:
    """A graph of somebody who likes names like ours."""
    ask(driver, "CREATE CONSTRAINT relpred_of_their_own FOR (n:Thing) REQUIRE n.uid IS UNIQUE")
    ask(
        driver,
        "CREATE (a:Thing {uid: 'a'}), (b:Thing {uid: 'b'}), (c:Thing {uid: 'c'}), (:RelpredLike {uid: 'd'}) "
        "CREATE (a)-[:PREDICTED_LIKES {by: 'hand'}]->(b), "
        "(a)-[:PREDICTED_SOMETHING {key: 'k', model: 'm', run: 'r', predictedAt: datetime('2026-01-01')}]->(b), "
        "(b)-[:KNOWS]->(a), (b)-[:LIKES {relpredKey: 'mine'}]->(a)",
    )
    return everything(driver)


def cli(uri: str, folder: Path, *words: str) -> Outcome:
    return relpred("--config", str(write_settings(folder, uri)), *words)


def test_purging_leaves_what_people_wrote(
    driver: neo4j.Driver, client: Neo4jClient, theirs: list[Any], graph_uri: str, tmp_path: Path
) -> None:
    settings = PublishingSettings()
    with held(client, "publish", seconds=30, patience=0) as fence:
        publish(client, TARGET, PublicationPlan(GRAPH, settings, "r1", "default", fence=fence))
    old = GRAPH.model_copy(update={"prefix": "GUESSED_"})
    publish(client, TARGET, PublicationPlan(old, settings, "r2", "default"))
    decide(
        client, GRAPH, [Wish(Triple("a", "LIKES", "b"), "accepted"), Wish(Triple("b", "LIKES", "c"), "rejected")], "me"
    )
    before = everything(driver)
    foreseen = cli(graph_uri, tmp_path, "admin", "purge", "--dry-run", "--json").json
    assert foreseen["edges"] == {"GUESSED_KNOWS": 1, "GUESSED_LIKES": 3, "PREDICTED_KNOWS": 1, "PREDICTED_LIKES": 1}
    assert foreseen["nodes"] == {"RelpredRun": 2, "RelpredDecision": 2}
    assert foreseen["accepted"] == {"LIKES": 1}
    assert len(foreseen["constraints"]) == 7
    assert everything(driver) == before
    done = cli(graph_uri, tmp_path, "admin", "purge", "--yes")
    assert (done.code, "what was accepted stays" in done.out) == (0, True)
    kept = [row for row in everything(driver)[1] if "relpredAcceptedAt" in row["p"]]
    assert [(row["h"], row["r"], row["t"]) for row in kept] == [("a", "LIKES", "b")]
    ask(driver, "MATCH ()-[e:LIKES]->() WHERE e.relpredAcceptedAt IS NOT NULL DELETE e")
    assert everything(driver) == theirs
    assert "Nothing of ours" in cli(graph_uri, tmp_path, "admin", "purge", "--yes").out


def test_accepted_relationships_go_where_that_is_asked_for(
    driver: neo4j.Driver, client: Neo4jClient, theirs: list[Any], graph_uri: str, tmp_path: Path
) -> None:
    publish(client, TARGET, PublicationPlan(GRAPH, PublishingSettings(), "r1", "default"))
    decide(client, GRAPH, [Wish(Triple("a", "LIKES", "b"), "accepted")], "me")
    assert cli(graph_uri, tmp_path, "admin", "purge", "--accepted", "--yes").code == 0
    assert everything(driver) == theirs


def test_nothing_is_removed_without_a_yes_or_while_somebody_publishes(
    client: Neo4jClient, theirs: list[Any], graph_uri: str, tmp_path: Path
) -> None:
    publish(client, TARGET, PublicationPlan(GRAPH, PublishingSettings(), "r1", "default"))
    assert cli(graph_uri, tmp_path, "admin", "purge").code == 130  # nobody answered the question
    assert count_ours(client, GRAPH).total == 5
    with held(client, "publish", seconds=60, patience=0):
        file = write_settings(tmp_path, graph_uri, more={"timeout_seconds = 20": "timeout_seconds = 1"})
        refused = relpred("--config", str(file), "admin", "purge", "--yes")
    assert (refused.code, "(busy)" in refused.err) == (9, True)
    assert count_ours(client, GRAPH).total == 5
