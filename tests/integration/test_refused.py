"""Edges that a real server refuses: all others are written, and those are named."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import neo4j
import pytest

from neo4j_relpred.data.target_set import TargetSet
from neo4j_relpred.errors import PublicationStopped
from neo4j_relpred.graph.batches import REFUSED, WAITING
from neo4j_relpred.graph.client import Counters, Neo4jClient
from neo4j_relpred.graph.failures import ConstraintBroken, RowRefused
from neo4j_relpred.graph.leases import Fence
from neo4j_relpred.graph.runs import get_run
from neo4j_relpred.graph.writer import publish
from tests.integration.graphs import Town, ask, predicted
from tests.integration.test_publishing import Breaking, edge, in_graph, items, plan, some, wanted

__all__ = ["items"]  # a fixture
CONSTRAINT = "Neo.ClientError.Schema.ConstraintValidationFailed"


@pytest.fixture
def one_each(driver: neo4j.Driver, items: None) -> None:
    """No two edges of the type, whosever, may share rank and probability; somebody's own has 5 and .55."""
    ask(driver, "CREATE CONSTRAINT mine FOR ()-[e:PREDICTED_NEXT]-() REQUIRE (e.rank, e.probability) IS UNIQUE")
    ask(
        driver,
        "MATCH (a:Item {nr: 1}), (b:Item {nr: 2}) CREATE (a)-[:PREDICTED_NEXT {rank: 5, probability: 0.55}]->(b)",
    )


def different(count: int = 30) -> list[Any]:
    return [replace(one, rank=number + 10) for number, one in enumerate(some(count))]


@pytest.mark.usefixtures("one_each")
def test_an_edge_that_a_constraint_forbids_is_left_out_and_named(
    driver: neo4j.Driver, client: Neo4jClient, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = edge(30, 35, 0.55, rank=5), TargetSet.of(different())
    with caplog.at_level(logging.WARNING, "neo4j_relpred"):
        report = publish(client, TargetSet.of([*good, bad]), plan("r1"))
    assert in_graph(driver) == wanted(good)
    assert (report.created, report.skipped) == (30, {REFUSED: 1})
    assert [(one.head, one.relation, one.tail, one.error) for one in report.refused] == [
        ("30", "NEXT", "35", CONSTRAINT)
    ]
    assert (get_run(client, "r1").status, get_run(client, "r1").created) == ("published", 30)
    assert caplog.messages == [f"the database refuses edges type=NEXT number=1 code={CONSTRAINT}"]
    again = publish(client, TargetSet.of([*good, bad]), plan("r2"))
    assert (again.created, again.unchanged, again.skipped) == (0, 30, {REFUSED: 1})
    waiting = publish(client, TargetSet.of([*good, bad]), plan("r3", waiting={one.key: one for one in again.refused}))
    assert (waiting.unchanged, waiting.skipped, waiting.refused) == (30, {WAITING: 1}, again.refused)
    ask(driver, "DROP CONSTRAINT mine")
    assert publish(client, TargetSet.of([*good, bad]), plan("r4")).created == 1


@pytest.mark.usefixtures("one_each")
def test_a_change_that_a_constraint_forbids_leaves_the_edge_as_it_was(
    driver: neo4j.Driver, client: Neo4jClient
) -> None:
    before = different()
    publish(client, TargetSet.of(before), plan("r1"))
    after = [replace(before[0], rank=5, probability=0.55), *(replace(one, probability=0.6) for one in before[1:-3])]
    report = publish(client, TargetSet.of(after), plan("r2"))
    assert (report.updated, report.removed, report.skipped) == (26, 3, {REFUSED: 1})
    assert in_graph(driver) == wanted(TargetSet.of([before[0], *after[1:]]))


@pytest.mark.usefixtures("items")
def test_a_value_that_is_too_large_for_an_index_is_left_out(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, "CREATE INDEX mine FOR ()-[e:PREDICTED_NEXT]-() ON (e.evidence)")
    good = some(20)
    report = publish(client, TargetSet.of([*good, replace(edge(30, 35), evidence="long" * 10_000)]), plan("r1"))
    assert (report.created, report.skipped) == (20, {REFUSED: 1})
    assert in_graph(driver) == wanted(good)


@pytest.mark.usefixtures("items")
def test_a_constraint_that_forbids_nearly_all_ends_in_its_error_before_anything_is_removed(
    driver: neo4j.Driver, client: Neo4jClient
) -> None:
    publish(client, TargetSet.of([some(30).edges[0], edge(1, 2, relation="LIKES")]), plan("r1"))
    ask(driver, "CREATE CONSTRAINT mine FOR ()-[e:PREDICTED_NEXT]-() REQUIRE e.model IS UNIQUE")
    with pytest.raises(ConstraintBroken, match=r"A constraint of the database forbids this.*SHOW CONSTRAINTS"):
        publish(client, TargetSet.of(some(30).edges[1:]), plan("r2"))
    assert len(in_graph(driver)) == 2
    assert (get_run(client, "r2").status, get_run(client, "r2").reason) == ("failed", "graph-query-failed")


@pytest.mark.usefixtures("items")
def test_more_refused_edges_than_can_be_single_ones_end_in_the_error(driver: neo4j.Driver, client: Neo4jClient) -> None:
    publish(client, TargetSet.of([edge(39, 38)]), plan("r1"))
    ask(driver, "CREATE CONSTRAINT mine FOR ()-[e:PREDICTED_NEXT]-() REQUIRE e.model IS UNIQUE")
    with pytest.raises(ConstraintBroken):
        publish(client, TargetSet.of([edge(39, 38), *some(200)]), plan("r2", batch_rows=1000))
    assert set(in_graph(driver)) == {edge(39, 38).key}


@pytest.mark.usefixtures("one_each")
def test_who_lost_the_lease_writes_no_half_of_a_batch(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, "CREATE (:RelpredLease {name: 'publish', fence: 4})")

    class Robbed(Breaking):
        def write(self, query: str, /, **parameters: Any) -> Counters:
            try:
                return super().write(query, **parameters)
            except RowRefused:
                ask(driver, "MATCH (l:RelpredLease) SET l.fence = 5")
                raise

    target = TargetSet.of([edge(30, 35, 0.55, rank=5), *different()])
    with pytest.raises(PublicationStopped, match="lease 'publish' was lost"):
        publish(Robbed(client, 0, Exception()), target, plan("r1", batch_rows=100, fence=Fence("publish", 4)))
    assert in_graph(driver) == {}


def test_a_sync_names_what_was_refused_and_waits_before_it_tries_again(town: Town) -> None:
    with town.predictor() as predictor:
        first = predictor.sync()
        assert first.publication is not None
        assert first.publication.created == len(predicted(town.driver))
        key, (head, type_, tail, *_) = next(iter(predicted(town.driver).items()))
        ask(  # somebody's own edge under the very key that ours has to have
            town.driver,
            f"MATCH (h)-[e:{type_} {{key: $key}}]->(t) DELETE e CREATE (h)-[:{type_} {{key: $key}}]->(t)",
            key=key,
        )
        second = predictor.sync()
        (failure,) = second.failing
        assert failure.item == f"({head})-[{type_.removeprefix('PREDICTED_')}]->({tail})"
        assert (failure.step, failure.error, failure.tries) == ("publish", CONSTRAINT, 1)
        assert second.publication is not None
        assert second.publication.skipped == {REFUSED: 1}
        third = predictor.sync()
        assert third.publication is not None
        assert (third.publication.skipped, third.failing) == ({WAITING: 1}, second.failing)
        ask(town.driver, "MATCH ()-[e {key: $key}]->() DELETE e", key=key)
        assert predictor.retry_failed() == 1
        fourth = predictor.sync()
        assert fourth.publication is not None
        assert (fourth.publication.created, fourth.failing) == (1, ())
