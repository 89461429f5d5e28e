"""A transaction of somebody else that stays open: publishing goes on around what it holds locked, and says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import neo4j
import pytest

from neo4j_relpred.config import GraphSettings, PublishingSettings
from neo4j_relpred.data.target_set import TargetEdge, TargetSet
from neo4j_relpred.errors import Busy, PublicationStopped
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.decisions import Wish, decide, list_decisions, withdraw
from neo4j_relpred.graph.failures import TimedOut
from neo4j_relpred.graph.leases import PUBLISH, held
from neo4j_relpred.graph.purge import count_ours, purge
from neo4j_relpred.graph.runs import get_run
from neo4j_relpred.graph.writer import PublicationPlan, PublicationReport, publish
from neo4j_relpred.triples import ScoredTriple, Triple
from tests.reliability.conftest import FULL
from tests.reliability.sets import KEYS, fill, in_graph, wanted

DEADLINE = 20.0 if FULL else 4.0
SLACK = 8.0  # the server notices late that a transaction is over its time, and the machine has other things to do
HUB, OTHER = "7", "400"
LOCKED = "locked by another transaction"

Publish = Callable[[TargetSet], PublicationReport]


@pytest.fixture
def items(clean_graph: neo4j.Driver) -> None:
    fill(clean_graph)


@pytest.fixture
def settings(graph_uri: str) -> GraphSettings:
    return GraphSettings(uri=graph_uri, keys=KEYS, timeout_seconds=DEADLINE)


@pytest.fixture
def impatient(settings: GraphSettings) -> Iterator[Neo4jClient]:
    with Neo4jClient.open(settings) as opened:
        yield opened


@pytest.fixture
def publish_here(items: None, settings: GraphSettings, impatient: Neo4jClient) -> Publish:
    """Publishes in batches of 100; the lease is much shorter than the wait for a lock."""
    number = iter(range(100))

    def now(target: TargetSet) -> PublicationReport:
        plan = PublicationPlan(settings, PublishingSettings(batch_rows=100, shrink_guard=0), f"r{next(number)}", "m")
        with held(impatient, PUBLISH, seconds=2, patience=5) as fence:
            return publish(impatient, target, replace(plan, relations=("NEXT",), fence=fence))

    return now


def edge(head: str, tail: str, probability: float = 0.5) -> TargetEdge:
    return TargetEdge.of(ScoredTriple(Triple(head, "NEXT", tail), 1.0, probability, 1), "m", "r")


def star(*hubs: str, probability: float = 0.5, step: int = 1) -> TargetSet:
    """A ring of all items, and edges from every tenth item to the hubs and back."""
    ring = [edge(str(i), str((i + step) % 500), probability) for i in range(500)]
    spokes = [
        edge(*ends, probability) for hub in hubs for i in range(0, 500, 10) for ends in ((str(i), hub), (hub, str(i)))
    ]
    return TargetSet.of([*ring, *spokes])


def at(target: TargetSet, *hubs: str) -> set[str]:
    return {e.key for e in target if {e.head, e.tail} & set(hubs)}


@contextmanager
def locked(driver: neo4j.Driver, *hubs: str) -> Iterator[None]:
    """Somebody has changed nodes, and thinks about it."""
    with driver.session() as session, session.begin_transaction() as theirs:
        theirs.run("MATCH (n:Item) WHERE n.id IN $ids SET n.seen = true", ids=list(hubs)).consume()
        yield
        theirs.rollback()


def test_edges_at_a_locked_hub_are_left_out_named_and_written_the_next_time(
    driver: neo4j.Driver, impatient: Neo4jClient, publish_here: Publish
) -> None:
    hubs = (HUB, OTHER) if FULL else (HUB,)  # each of them takes some seconds to find
    before, target = TargetSet.of(list(star())[:100]), star(*hubs)
    publish_here(before)
    with locked(driver, *hubs):
        started = time.monotonic()
        report = publish_here(target)
        assert time.monotonic() - started < 2 * DEADLINE + SLACK
    theirs = at(target, *hubs) - {e.key for e in before}
    assert report.skipped == {LOCKED: len(theirs)}
    assert (report.created, report.unchanged) == (len(target) - len(before) - len(theirs), len(before))
    assert in_graph(driver) == {key: said for key, said in wanted(target).items() if key not in theirs}
    assert get_run(impatient, report.run).status == "published"
    again = publish_here(target)
    assert (again.created, again.unchanged, again.skipped) == (len(theirs), len(target) - len(theirs), {})
    assert in_graph(driver) == wanted(target)


def test_updates_and_removals_at_a_locked_hub_are_left_and_done_the_next_time(
    driver: neo4j.Driver, publish_here: Publish
) -> None:
    old, new = star(HUB), star(OTHER, probability=0.7)
    publish_here(old)
    before = in_graph(driver)
    with locked(driver, HUB):
        started = time.monotonic()
        report = publish_here(new)
        assert time.monotonic() - started < 2 * DEADLINE + SLACK
    both = {e.key for e in old} & {e.key for e in new}
    late, gone = at(old, HUB) & both, at(old, HUB) - both
    missing = at(new, HUB) - both
    assert report.skipped == {LOCKED: len(late | gone | missing)}
    assert (report.updated, report.removed) == (len(both - late), len(old) - len(both) - len(gone))
    expected = {key: said for key, said in wanted(new).items() if key not in late | missing}
    assert in_graph(driver) == expected | {key: before[key] for key in late | gone}
    again = publish_here(new)
    assert (again.created, again.updated, again.removed) == (len(missing), len(late), len(gone))
    assert in_graph(driver) == wanted(new)


def test_an_edge_that_is_locked_itself_is_left(driver: neo4j.Driver, publish_here: Publish) -> None:
    publish_here(star())
    keys = [edge("3", "4").key]
    with driver.session() as session, session.begin_transaction() as theirs:
        theirs.run("MATCH ()-[e:PREDICTED_NEXT]->() WHERE e.key IN $keys SET e.seen = 1", keys=keys).consume()
        report = publish_here(star(probability=0.7))
        theirs.rollback()
    assert report.skipped == {LOCKED: 1}
    assert report.updated == 499
    assert publish_here(star(probability=0.7)).updated == 1


def test_a_lock_that_ends_in_time_is_only_waited_for(driver: neo4j.Driver, publish_here: Publish) -> None:
    target = star(HUB)
    with driver.session() as session, session.begin_transaction() as theirs:
        theirs.run("MATCH (n:Item {id: $id}) SET n.seen = true", id=HUB).consume()
        timer = threading.Timer(DEADLINE / 4, theirs.commit)
        timer.start()
        report = publish_here(target)
        timer.join()
    assert (report.created, report.skipped) == (len(target), {})


def test_more_locks_than_can_be_waited_for_end_with_an_error_in_time(
    driver: neo4j.Driver, publish_here: Publish
) -> None:
    target = star(HUB)
    with locked(driver, *map(str, range(500))):
        started = time.monotonic()
        with pytest.raises(TimedOut, match="hold more locked") as refused:
            publish_here(target)
        assert time.monotonic() - started < 2 * DEADLINE + SLACK
    assert "SHOW TRANSACTIONS" in refused.value.hint
    assert publish_here(target).created == len(target)


def test_who_wants_to_publish_meanwhile_waits_or_takes_over_and_nothing_is_lost(
    driver: neo4j.Driver, publish_here: Publish, settings: GraphSettings
) -> None:
    target = star(HUB)
    second: list[object] = []

    def compete() -> None:
        with Neo4jClient.open(settings) as client:
            try:
                with held(client, PUBLISH, seconds=2, patience=0) as fence:
                    second.append(fence.number)
            except Busy as error:
                second.append(error.code)

    with locked(driver, HUB):
        rival = threading.Timer(DEADLINE / 8, compete)
        rival.start()
        with suppress(PublicationStopped):  # the lease is short, so the other one may have taken it over
            publish_here(target)
        rival.join()
    assert len(second) == 1
    publish_here(target)
    assert in_graph(driver) == wanted(target)


def test_a_decision_about_a_locked_node_and_a_purge_end_in_time_and_change_nothing(
    driver: neo4j.Driver, impatient: Neo4jClient, settings: GraphSettings, publish_here: Publish
) -> None:
    target = star(HUB)
    publish_here(target)
    before, triple = in_graph(driver), Triple("10", "NEXT", HUB)
    attempts: list[Callable[[], object]] = [
        lambda: decide(impatient, settings, [Wish(triple, "accepted")], "me"),
        lambda: decide(impatient, settings, [Wish(triple, "rejected")], "me"),
    ]

    def refused(attempt: Callable[[], object]) -> None:
        with locked(driver, HUB):
            started = time.monotonic()
            with pytest.raises(TimedOut):
                attempt()
            assert time.monotonic() - started < DEADLINE + SLACK

    for attempt in attempts:
        refused(attempt)
        assert in_graph(driver) == before
        assert list_decisions(impatient) == []
    assert attempts[0]() == {"accepted": 1}
    refused(lambda: withdraw(impatient, settings, [triple]))
    assert len(list_decisions(impatient)) == 1
    assert withdraw(impatient, settings, [triple]) == 1
    found = count_ours(impatient, settings)
    with held(impatient, PUBLISH, seconds=2, patience=5) as fence:
        refused(lambda: purge(impatient, found, fence))
        purge(impatient, found, fence)
    assert in_graph(driver) == {}
