"""Publishing into a real graph: by difference, replayable, guarded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import neo4j
import pytest

from neo4j_relpred.config import GraphSettings, PublishingSettings
from neo4j_relpred.data.target_set import TargetEdge, TargetSet
from neo4j_relpred.errors import GraphQueryFailed, GraphUnavailable, PublicationStopped, RunNotFound
from neo4j_relpred.graph.client import Counters, GraphClient, Neo4jClient, Row
from neo4j_relpred.graph.failures import CommitLost
from neo4j_relpred.graph.leases import Fence
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.graph.reader import read_snapshot
from neo4j_relpred.graph.runs import get_run, list_runs
from neo4j_relpred.graph.writer import PublicationPlan, publish
from neo4j_relpred.triples import Evidence, ScoredTriple, Triple
from tests.integration.graphs import ask

pytestmark = pytest.mark.usefixtures("clean_graph")

GRAPH = GraphSettings(keys={"Item": "id"})
NODES = 40


@pytest.fixture
def items(driver: neo4j.Driver, clean_graph: object) -> None:
    """Items 0 to 39 in a ring of NEXT; half of them are keyed by numbers, half by strings."""
    ask(
        driver,
        "UNWIND range(0, $n - 1) AS i CREATE (:Item {id: CASE WHEN i < 20 THEN i ELSE toString(i) END, nr: i}) "
        "WITH count(*) AS done MATCH (a:Item), (b:Item) WHERE b.nr = (a.nr + 1) % $n CREATE (a)-[:NEXT]->(b)",
        n=NODES,
    )


def edge(head: object, tail: object, probability: float = 0.8, relation: str = "NEXT", **more: Any) -> TargetEdge:
    scored = ScoredTriple(
        Triple(str(head), relation, str(tail)), 1.5, probability, more.pop("rank", 1), Evidence("why")
    )
    return replace(TargetEdge.of(scored, "default", "r"), **more)


def some(count: int, step: int = 3, probability: float = 0.8) -> TargetSet:
    return TargetSet.of(edge(i % NODES, (i + step + i // NODES) % NODES, probability) for i in range(count))


def plan(run_id: str = "r1", **changes: Any) -> PublicationPlan:
    rows = changes.pop("batch_rows", 7)
    guard = changes.pop("shrink_guard", 0.0)
    publishing = PublishingSettings(batch_rows=rows, shrink_guard=guard)
    return replace(PublicationPlan(GRAPH, publishing, run_id, "default"), **changes)


def in_graph(driver: neo4j.Driver, prefix: str = "PREDICTED_") -> dict[str, tuple[Any, ...]]:
    """Key to what an edge says, its ends included; a key twice is an error."""
    rows = ask(
        driver,
        "MATCH (h)-[e]->(t) WHERE type(e) STARTS WITH $prefix AND e.model IS NOT NULL "
        "RETURN e.key AS key, toString(h.id) AS h, type(e) AS r, toString(t.id) AS t, e.score AS s, "
        "e.probability AS p, e.rank AS k, e.evidence AS v, e.model AS m",
        prefix=prefix,
    )
    found = {row.pop("key"): tuple(row.values()) for row in rows}
    assert len(found) == len(rows)
    return found


def wanted(target: TargetSet) -> dict[str, tuple[Any, ...]]:
    return {
        e.key: (e.head, f"PREDICTED_{e.relation}", e.tail, e.score, e.probability, e.rank, e.evidence, e.model)
        for e in target
    }


class Breaking:
    """A client whose writes fail after some, before or after they were committed."""

    def __init__(self, inner: GraphClient, writes: int, error: Exception, *, after_commit: bool = False) -> None:
        self.inner, self.left, self.error, self.after_commit = inner, writes, error, after_commit

    def read(self, query: str, /, **parameters: Any) -> Sequence[Row]:
        return self.inner.read(query, **parameters)

    def write(self, query: str, /, **parameters: Any) -> Counters:
        self.left -= 1
        if self.left != 0:
            return self.inner.write(query, **parameters)
        if self.after_commit:
            self.inner.write(query, **parameters)
        raise self.error

    def schema(self, query: str, /) -> None:
        self.inner.schema(query)

    def close(self) -> None:
        self.inner.close()


@pytest.mark.usefixtures("items")
def test_publishing_leaves_exactly_the_target_set(driver: neo4j.Driver, client: Neo4jClient) -> None:
    target = TargetSet.of([*some(30), edge(5, 5), edge(1, 2, relation="LIKES"), edge(1, 2, relation="KNOWS", rank=2)])
    report = publish(client, target, plan())
    assert in_graph(driver) == wanted(target)
    assert (report.created, report.updated, report.removed, report.unchanged) == (33, 0, 0, 0)
    (stamp,) = ask(driver, "MATCH ()-[e:PREDICTED_LIKES]->() RETURN e.run AS run, e.predictedAt AS at")
    assert stamp["run"] == "r1"
    assert abs(stamp["at"].to_native().timestamp() - time.time()) < 600


@pytest.mark.usefixtures("items")
def test_publishing_twice_is_publishing_once(driver: neo4j.Driver, client: Neo4jClient) -> None:
    publish(client, some(30), plan("r1"))
    report = publish(client, some(30), plan("r2"))
    assert (report.created, report.updated, report.removed, report.unchanged) == (0, 0, 0, 30)
    assert {row["run"] for row in ask(driver, "MATCH ()-[e:PREDICTED_NEXT]->() RETURN e.run AS run")} == {"r1"}
    assert [r.id for r in list_runs(client)] == ["r2", "r1"]


@pytest.mark.usefixtures("items")
def test_edges_that_expire_are_renewed_when_half_of_their_time_is_over(
    driver: neo4j.Driver, client: Neo4jClient
) -> None:
    target = some(30)

    def published(run: str, days: float | None) -> int:
        expiring = PublishingSettings(batch_rows=7, shrink_guard=0, expire_days=days)
        report = publish(client, target, plan(run, publishing=expiring))
        assert report.updated + report.unchanged == 30
        return report.updated

    publish(client, target, plan("r1"))
    assert published("r2", 10) == 30  # those of r1 carry no end
    (row,) = ask(
        driver,
        "MATCH ()-[e:PREDICTED_NEXT]->() RETURN count(*) AS edges, "
        "sum(CASE WHEN e.expiresAt = e.predictedAt + duration('P10D') THEN 1 END) AS right",
    )
    assert row == {"edges": 30, "right": 30}
    assert published("r3", 10) == 0
    ask(driver, "MATCH (:Item {nr: 1})-[e:PREDICTED_NEXT]->() SET e.expiresAt = datetime() + duration('P4D')")
    assert published("r4", 10) == 1
    assert published("r5", None) == 30
    assert ask(driver, "MATCH ()-[e:PREDICTED_NEXT]->() WHERE e.expiresAt IS NOT NULL RETURN e") == []


@pytest.mark.usefixtures("items")
def test_runs_that_changed_nothing_are_forgotten_in_time(client: Neo4jClient) -> None:
    settings = PublishingSettings(keep_idle_runs=2)
    for number in range(5):
        publish(client, some(30), plan(f"r{number}", publishing=settings))
    publish(client, some(31), plan("r5", publishing=settings, fence=None))
    assert [run.id for run in list_runs(client)] == ["r5", "r4", "r3", "r0"]


@pytest.mark.usefixtures("items")
def test_only_the_difference_is_written(driver: neo4j.Driver, client: Neo4jClient) -> None:
    publish(client, some(30), plan("r1"))
    kept = list(some(30))[10:]
    target = TargetSet.of([*(replace(e, probability=0.6) for e in kept[:5]), *kept[5:], edge(0, 20), edge(0, 21)])
    report = publish(client, target, plan("r2"))
    assert (report.created, report.updated, report.removed, report.unchanged) == (2, 5, 10, 15)
    assert in_graph(driver) == wanted(target)
    runs = ask(driver, "MATCH ()-[e:PREDICTED_NEXT]->() RETURN e.run AS run, count(*) AS n ORDER BY run")
    assert runs == [{"run": "r1", "n": 15}, {"run": "r2", "n": 7}]


@pytest.mark.usefixtures("items")
def test_predicted_edges_are_never_read_back(client: Neo4jClient) -> None:
    before = read_snapshot(client, GRAPH).content_hash
    publish(client, some(30), plan())
    assert read_snapshot(client, GRAPH).content_hash == before


@pytest.mark.usefixtures("items")
def test_undo_is_publishing_the_older_set(driver: neo4j.Driver, client: Neo4jClient) -> None:
    first, second = some(30), TargetSet.of([*list(some(30, probability=0.55))[5:], edge(0, 20)])
    publish(client, first, plan("r1"))
    publish(client, second, plan("r2"))
    publish(client, first, plan("r3", kind="undo"))
    assert in_graph(driver) == wanted(first)
    assert get_run(client, "r3").kind == "undo"


@pytest.mark.usefixtures("items")
@pytest.mark.parametrize("writes", range(1, 14))
def test_a_publication_that_broke_anywhere_is_completed_by_the_next(
    driver: neo4j.Driver, client: Neo4jClient, writes: int
) -> None:
    publish(client, some(30), plan("r1"))
    target = TargetSet.of([*list(some(30, probability=0.6))[15:], *some(20, step=9)])
    breaking = Breaking(client, writes, GraphUnavailable("gone"))
    try:
        publish(breaking, target, plan("r2"))
    except GraphUnavailable:
        assert set(in_graph(driver)) - set(wanted(some(30))) <= set(wanted(target))
    publish(client, target, plan("r3"))
    assert in_graph(driver) == wanted(target)


@pytest.mark.usefixtures("items")
@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize("writes", [1, 2, 4, 6, 8])
def test_a_lost_commit_neither_loses_nor_doubles_an_edge(
    driver: neo4j.Driver, client: Neo4jClient, writes: int, after_commit: bool
) -> None:
    publish(client, some(30), plan("r1"))
    target = TargetSet.of([*list(some(30, probability=0.6))[15:], *some(20, step=9)])
    publish(Breaking(client, writes, CommitLost("cut"), after_commit=after_commit), target, plan("r2"))
    assert in_graph(driver) == wanted(target)
    assert get_run(client, "r2").status == "published"


WRITER = """
import os, signal, sys
from neo4j_relpred.config import GraphSettings, PublishingSettings
from neo4j_relpred.data.target_set import TargetSet
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.writer import PublicationPlan, publish
from tests.integration.graphs import ask
from pathlib import Path

graph = GraphSettings(uri=sys.argv[1], keys={"Item": "id"})
def progress(stage, done, total):
    if done >= int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
with Neo4jClient.open(graph) as client:
    publishing = PublishingSettings(batch_rows=10, shrink_guard=0)
    plan = PublicationPlan(graph, publishing, "killed", "default", progress=progress)
    publish(client, TargetSet.read(Path(sys.argv[2])), plan)
"""


@pytest.mark.usefixtures("items")
@pytest.mark.parametrize("done", [20, 55])
def test_a_writer_that_is_killed_leaves_a_run_that_says_so_and_a_graph_that_can_be_completed(
    driver: neo4j.Driver, client: Neo4jClient, server: Any, tmp_path: Path, done: int
) -> None:
    publish(client, some(30), plan("r1"))
    target = TargetSet.of([*list(some(30, probability=0.6))[15:], *some(30, step=9)])
    target.write(tmp_path / "set", {})
    command = [sys.executable, "-c", WRITER, server.bolt_uri, str(tmp_path / "set"), str(done)]
    here = str(Path(__file__).parents[2])
    child = subprocess.run(command, check=False, timeout=120, env={**os.environ, "PYTHONPATH": here})
    assert child.returncode == -signal.SIGKILL
    assert get_run(client, "killed").open
    assert in_graph(driver) != wanted(target)
    publish(client, target, plan("r3"))
    assert in_graph(driver) == wanted(target)


@pytest.mark.usefixtures("items")
def test_an_edge_whose_node_has_gone_is_skipped_and_counted(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, "MATCH (n:Item {id: 3}) DETACH DELETE n")
    target = TargetSet.of([edge(3, 9), edge(2, 9), edge(2, "nowhere")])
    report = publish(client, target, plan())
    assert (report.created, report.skipped) == (1, {"missing node": 2})
    assert publish(client, target, plan("r2")).unchanged == 1


@pytest.mark.usefixtures("items")
def test_a_node_that_goes_between_looking_it_up_and_writing_is_skipped(
    driver: neo4j.Driver, client: Neo4jClient
) -> None:
    class Deleting(Breaking):
        def write(self, query: str, /, **parameters: Any) -> Counters:
            if "FOREACH" in query:
                ask(driver, "MATCH (n:Item {id: 3}) DETACH DELETE n")
                ask(driver, "MATCH (n:Item {id: 4}) SET n.id = 'renamed'")
            return super().write(query, **parameters)

    report = publish(Deleting(client, 0, Exception()), TargetSet.of([edge(3, 9), edge(4, 9), edge(2, 9)]), plan())
    assert (report.created, report.skipped) == (1, {"missing node": 2})


@pytest.mark.usefixtures("items")
def test_a_key_that_two_nodes_share_is_skipped_as_ambiguous(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, "CREATE (:Item {id: '3'})")
    report = publish(client, TargetSet.of([edge(3, 9), edge(2, 9)]), plan())
    assert (report.created, report.skipped) == (1, {"ambiguous node": 1})


@pytest.mark.usefixtures("items")
def test_a_relationship_that_exists_by_now_is_not_predicted(driver: neo4j.Driver, client: Neo4jClient) -> None:
    target = TargetSet.of([edge(2, 3), edge(3, 2), edge(2, 9)])
    foreseen = publish(client, target, plan(dry_run=True))
    report = publish(client, target, plan())
    assert (report.created, report.skipped) == (2, {"already a relationship": 1})
    assert (foreseen.created, foreseen.skipped) == (report.created, report.skipped)


@pytest.mark.usefixtures("items")
def test_a_dry_run_writes_nothing(driver: neo4j.Driver, client: Neo4jClient) -> None:
    publish(client, some(30), plan("r1"))
    before = in_graph(driver)
    report = publish(client, TargetSet.of([*list(some(30))[20:], edge(0, 20)]), plan("r2", dry_run=True))
    assert (report.created, report.removed, report.unchanged, report.dry_run) == (1, 20, 10, True)
    assert in_graph(driver) == before
    assert [r.id for r in list_runs(client)] == ["r1"]


@pytest.mark.usefixtures("items")
def test_an_owned_type_without_wanted_edges_is_emptied_and_others_are_left(
    driver: neo4j.Driver, client: Neo4jClient
) -> None:
    both = TargetSet.of([edge(1, 9), edge(1, 9, relation="LIKES"), edge(1, 9, relation="KNOWS")])
    publish(client, both, plan("r1"))
    report = publish(client, TargetSet.of([edge(1, 9)]), plan("r2", relations=("NEXT", "LIKES")))
    assert (report.removed, report.unchanged) == (1, 1)
    assert sorted(row[1] for row in in_graph(driver).values()) == ["PREDICTED_KNOWS", "PREDICTED_NEXT"]


@pytest.mark.usefixtures("items")
def test_a_type_of_another_model_is_refused_unless_taken_over(driver: neo4j.Driver, client: Neo4jClient) -> None:
    publish(client, some(10), plan("r1"))
    mine = TargetSet.of(replace(e, model="rival@2") for e in some(8))
    with pytest.raises(PublicationStopped, match="PREDICTED_NEXT belongs to the model 'default'"):
        publish(client, mine, plan("r2", model="rival"))
    assert in_graph(driver) == wanted(some(10))
    report = publish(client, mine, plan("r2", model="rival", take_over=True))
    assert (report.updated, report.removed) == (8, 2)
    assert publish(client, mine, plan("r3", model="rival")).unchanged == 8


@pytest.mark.usefixtures("items")
def test_a_set_that_shrinks_too_much_stops_until_confirmed(driver: neo4j.Driver, client: Neo4jClient) -> None:
    publish(client, some(30), plan("r1"))
    with pytest.raises(PublicationStopped, match="4 edges, the graph has 30"):
        publish(client, some(4), plan("r2", shrink_guard=0.5))
    assert in_graph(driver) == wanted(some(30))
    assert [r.id for r in list_runs(client)] == ["r1"]
    publish(client, some(4), plan("r2", shrink_guard=0.5, confirm_shrink=True))
    assert in_graph(driver) == wanted(some(4))


@pytest.mark.usefixtures("items")
def test_an_edge_of_the_users_own_with_a_predicted_type_is_never_touched(
    driver: neo4j.Driver, client: Neo4jClient
) -> None:
    ask(
        driver,
        "MATCH (a:Item {nr: 1}), (b:Item {nr: 9}) CREATE (a)-[:PREDICTED_NEXT {by: 'hand'}]->(b) "
        "CREATE (a)-[:PREDICTED_NEXT {by: 'hand', key: 'my key'}]->(b)",
    )
    publish(client, TargetSet.of([edge(1, 9)]), plan("r1"))
    publish(client, TargetSet.of([]), plan("r2", relations=("NEXT",)))
    assert in_graph(driver) == {}
    left = ask(driver, "MATCH ()-[e:PREDICTED_NEXT]->() RETURN properties(e) AS p ORDER BY size(keys(e))")
    assert [row["p"] for row in left] == [{"by": "hand"}, {"by": "hand", "key": "my key"}]


def test_nodes_of_several_labels_and_without_key_are_found_by_the_same_rule(
    driver: neo4j.Driver, client: Neo4jClient
) -> None:
    graph = GraphSettings(keys={"Person": "id", "Company": "code"})
    ask(
        driver,
        "CREATE (a:Person:Company {id: 1, code: 'x', name: 'both'})-[:KNOWS]->(b:Company {code: 'x', name: 'x'}), "
        "(b)-[:KNOWS]->(c:Thing {name: 'loose'}), (c)-[:KNOWS]->(d:Person {id: 'x', name: 'd'})",
    )
    ids = read_snapshot(client, graph).ids
    target = TargetSet.of(edge(a, b, relation="OWNS") for a in ids for b in ids)
    assert publish(client, target, plan(graph=graph)).created == 16
    pairs = ask(driver, "MATCH (h)-[:PREDICTED_OWNS]->(t) RETURN DISTINCT h.name AS h, t.name AS t")
    assert len(pairs) == 16


def test_without_any_key_the_element_ids_bind(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, "CREATE (:A {name: 'a'})-[:KNOWS]->(:B {name: 'b'})")
    fact = read_snapshot(client, GraphSettings()).triple([0, 0, 1])
    back = TargetSet.of([edge(fact.tail, fact.head, relation="KNOWS")])
    assert publish(client, back, plan(graph=GraphSettings())).created == 1
    pairs = ask(driver, "MATCH (h)-[:PREDICTED_KNOWS]->(t) RETURN elementId(h) AS h, elementId(t) AS t")
    assert pairs == [{"h": fact.tail, "t": fact.head}]


@pytest.mark.parametrize("name", ["a`b", "a\\u0060]->() DETACH DELETE n //", "\\", "x y", "``\\u005c", "é😀"])
def test_hostile_types_labels_and_keys_are_published_as_themselves(
    driver: neo4j.Driver, client: Neo4jClient, name: str
) -> None:
    n = quoted(name)
    client.write(f"CREATE (:{n} {{{n}: 'a'}})-[:{n}]->(:{n} {{{n}: 'b'}})")
    prefix = f"P`\\u0060{name}"
    graph = GraphSettings(keys={name: name}, prefix=prefix)
    target = TargetSet.of([edge("b", "a", relation=name), edge("a", "b", relation=name)])
    report = publish(client, target, plan("r1", graph=graph))
    assert (report.created, report.skipped) == (1, {"already a relationship": 1})
    assert publish(client, target, plan("r2", graph=graph)).unchanged == 1
    seen = ask(driver, "MATCH (h)-[e]->(t) WHERE e.key IS NOT NULL RETURN type(e) AS r, h[$k] AS h, t[$k] AS t", k=name)
    assert seen == [{"r": prefix + name, "h": "b", "t": "a"}]
    assert publish(client, TargetSet.of([]), plan("r3", graph=graph, relations=(name,))).removed == 1


@pytest.mark.usefixtures("items")
def test_every_published_type_has_a_unique_key_by_constraint(driver: neo4j.Driver, client: Neo4jClient) -> None:
    publish(client, TargetSet.of([edge(1, 9), edge(1, 9, relation="LIKES")]), plan())
    with pytest.raises(neo4j.exceptions.ConstraintError):
        ask(driver, "MATCH (a)-[e:PREDICTED_LIKES]->(b) CREATE (a)-[:PREDICTED_LIKES {key: e.key}]->(b)")


@pytest.mark.usefixtures("items")
def test_a_lost_lease_stops_the_publication_at_the_next_batch(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, "CREATE (:RelpredLease {name: 'publish', fence: 4})")
    publish(client, some(20), plan("r1", fence=Fence("publish", 4)))
    assert in_graph(driver) == wanted(some(20))

    def stolen(_stage: str, done: int, _total: int) -> None:
        if done >= 14:
            ask(driver, "MATCH (l:RelpredLease) SET l.fence = 5")

    moved = TargetSet.of([*some(20), *some(20, step=9)])
    with pytest.raises(PublicationStopped, match="lease 'publish' was lost"):
        publish(client, moved, plan("r2", fence=Fence("publish", 4), progress=stolen))
    assert len(in_graph(driver)) == 34
    assert (get_run(client, "r2").status, get_run(client, "r2").reason) == ("failed", "publication-stopped")


@pytest.mark.usefixtures("items")
def test_the_ledger_tells_what_each_run_did(client: Neo4jClient) -> None:
    publish(client, some(10), plan("r1"))
    with pytest.raises(GraphQueryFailed):
        publish(Breaking(client, 2, GraphQueryFailed("no")), some(30), plan("r2"))
    first, second = get_run(client, "r1"), get_run(client, "r2")
    assert (first.status, first.created, first.target_edges) == ("published", 10, 10)
    assert first.target_hash == some(10).content_hash
    assert first.started_at is not None
    assert first.finished_at is not None
    assert (second.status, second.reason) == ("failed", "graph-query-failed")
    with pytest.raises(RunNotFound, match="Did you mean r1"):
        get_run(client, "r1x")


@pytest.mark.usefixtures("items")
def test_somebody_who_keeps_adding_edges_is_reported(driver: neo4j.Driver, client: Neo4jClient) -> None:
    class Meddling(Breaking):
        extra = 0

        def read(self, query: str, /, **parameters: Any) -> Sequence[Row]:
            if "count(e)" in query:
                self.extra += 1
                ask(
                    driver,
                    "MATCH (a:Item {nr: 1}), (b:Item {nr: 2}) "
                    "CREATE (a)-[:PREDICTED_NEXT {key: $key, model: 'default', run: 'x'}]->(b)",
                    key=f"extra {self.extra}",
                )
            return super().read(query, **parameters)

    with pytest.raises(PublicationStopped, match="PREDICTED_NEXT has 11 instead of 10"):
        publish(Meddling(client, 0, Exception()), some(10), plan())
