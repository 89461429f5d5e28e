"""Versions of what is written into the graph: steps are done once, after a kill again, and nothing newer is touched."""

from __future__ import annotations

from collections.abc import Callable

import neo4j
import pytest

from neo4j_relpred.errors import GraphTooNew, PublicationStopped
from neo4j_relpred.graph.client import GraphClient, Neo4jClient
from neo4j_relpred.graph.leases import Fence, break_lease, held, write_fenced
from neo4j_relpred.graph.migrations import Migration, graph_version, migrate, pending_migrations
from tests.integration.graphs import ask

pytestmark = pytest.mark.usefixtures("clean_graph")


def renaming(version: int, old: str, new: str, at_each: Callable[[], None] = lambda: None) -> Migration:
    """Renames a property of runs, two at a time."""

    def run(client: GraphClient, fence: Fence) -> bool:
        at_each()
        (row,) = write_fenced(
            client,
            fence,
            "OPTIONAL MATCH (run:RelpredRun) WHERE run[$old] IS NOT NULL WITH run LIMIT 2 "
            "FOREACH (_ IN CASE WHEN run IS NULL THEN [] ELSE [1] END | "
            "SET run += {new: run[$old]} REMOVE run.old) RETURN $fence AS fence, count(run) AS number"
            if (old, new) == ("old", "new")
            else "MATCH (lease:RelpredLease) RETURN $fence AS fence, 0 AS number",
            old=old,
        )
        return bool(row["number"])

    return Migration(version, f"{old} becomes {new}", run)


STEPS = (renaming(2, "old", "new"), renaming(3, "a", "b"))


@pytest.fixture
def runs(driver: neo4j.Driver, clean_graph: object) -> None:
    ask(driver, "UNWIND range(1, 5) AS n CREATE (:RelpredRun {id: 'r' + n, old: n})")


def values(driver: neo4j.Driver) -> list[tuple[object, object]]:
    rows = ask(driver, "MATCH (r:RelpredRun) RETURN r.old AS old, r.new AS new ORDER BY r.id")
    return [(row["old"], row["new"]) for row in rows]


def test_an_empty_graph_gets_the_newest_version_and_no_step(client: Neo4jClient) -> None:
    assert graph_version(client) is None
    with held(client, "publish", seconds=30, patience=0) as fence:
        assert migrate(client, fence, STEPS) == 0
    assert graph_version(client) == 3
    assert pending_migrations(client, STEPS) == []


@pytest.mark.usefixtures("runs")
def test_what_was_written_before_versions_were_kept_is_the_first(driver: neo4j.Driver, client: Neo4jClient) -> None:
    assert graph_version(client) == 1
    assert [step.version for step in pending_migrations(client, STEPS)] == [2, 3]
    with held(client, "publish", seconds=30, patience=0) as fence:
        assert migrate(client, fence, STEPS) == 2
        assert migrate(client, fence, STEPS) == 0
    assert values(driver) == [(None, n) for n in range(1, 6)]
    assert graph_version(client) == 3


@pytest.mark.usefixtures("runs")
def test_a_step_that_was_killed_is_done_again(driver: neo4j.Driver, client: Neo4jClient) -> None:
    calls: list[int] = []

    def dies() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        held(client, "publish", seconds=30, patience=0) as fence,
    ):
        migrate(client, fence, (renaming(2, "old", "new", dies), STEPS[1]))
    assert graph_version(client) == 1
    assert [old for old, _ in values(driver)].count(None) == 2
    with held(client, "publish", seconds=30, patience=0) as fence:
        assert migrate(client, fence, STEPS) == 2
    assert values(driver) == [(None, n) for n in range(1, 6)]


@pytest.mark.usefixtures("runs")
def test_who_has_lost_the_lease_migrates_nothing_more(driver: neo4j.Driver, client: Neo4jClient) -> None:
    with held(client, "publish", seconds=30, patience=0) as fence:
        break_lease(client, "publish")
        with pytest.raises(PublicationStopped):
            migrate(client, fence, STEPS)
    assert values(driver) == [(n, None) for n in range(1, 6)]


def test_a_graph_that_is_newer_is_refused(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, "CREATE (:RelpredSchema {version: 4})")
    with pytest.raises(GraphTooNew, match="version 4, this one knows 3"):
        pending_migrations(client, STEPS)
    with held(client, "publish", seconds=30, patience=0) as fence, pytest.raises(GraphTooNew):
        migrate(client, fence, STEPS)
    assert graph_version(client) == 4
