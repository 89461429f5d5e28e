"""The main job on a real server: read, learn, report, publish, undo, and answer through the procedures."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import neo4j
import pytest

from neo4j_relpred.demo.server import EmbeddedNeo4j, find_jar
from neo4j_relpred.demo.service import served
from neo4j_relpred.errors import GraphUnavailable
from neo4j_relpred.graph.client import Counters, Neo4jClient, Row
from neo4j_relpred.triples import Query, Triple, edge_key
from tests.integration.graphs import TYPES, Town, ask, child, predicted, trained_town, written
from tests.integration.serving import until

with_jar = pytest.mark.skipif(find_jar() is None, reason="the procedure jar is not built: mvn -f procedures package")


class Breaking:
    """A client whose connection breaks at one of its writes."""

    def __init__(self, inner: Neo4jClient, writes: int) -> None:
        self.inner, self.left = inner, writes

    def read(self, query: Any, /, **parameters: object) -> Sequence[Row]:
        return self.inner.read(query, **parameters)

    def write(self, query: Any, /, **parameters: Any) -> Counters:
        self.left -= 1
        if self.left < 0:
            raise GraphUnavailable("gone")
        return self.inner.write(query, **parameters)

    def schema(self, query: Any, /) -> None:
        self.inner.schema(query)

    def close(self) -> None:
        self.inner.close()


def test_what_there_is_to_learn_is_learnt_and_stands_beside_cheap_baselines(town: Town) -> None:
    with town.predictor() as predictor:
        version, report = predictor.report()
        assert version.live
        assert version.about["snapshot"] == predictor.snapshot().content_hash
    assert {"frequency", "popularity", "context only", "text only", "structure only"} <= set(report.baselines)
    popularity = report.baselines["popularity"]
    assert popularity.entities is not None
    assert report.entities.mrr > 2 * popularity.entities.mrr
    assert report.relations.hits_at(1) > 0.8
    assert set(report.per_relation) <= set(TYPES)


def test_predicted_edges_carry_everything_that_is_promised(town: Town) -> None:
    with town.predictor() as predictor:
        report = predictor.publish()
        (run,) = predictor.runs()
    assert (run.id, run.status, run.created) == (report.run, "published", report.created)
    settings = json.loads(run.settings)
    assert (run.version, len(run.snapshot), settings["top_k"]) == ("default@1", 64, town.settings.publishing.top_k)
    rows = ask(
        town.driver,
        "MATCH (h)-[e]->(t) WHERE type(e) STARTS WITH 'PREDICTED_' "
        "RETURN h.uid AS h, type(e) AS r, t.uid AS t, properties(e) AS e, "
        "EXISTS { MATCH (h)-[real]->(t) WHERE 'PREDICTED_' + type(real) = type(e) } AS known",
    )
    assert len(rows) == report.created > 20
    for row in rows:
        edge = row["e"]
        assert set(edge) == {"key", "score", "probability", "rank", "model", "run", "predictedAt", "evidence"}
        assert edge["key"] == edge_key(row["h"], row["r"].removeprefix("PREDICTED_"), row["t"])
        assert 0.05 <= edge["probability"] <= 1
        assert 1 <= edge["rank"] <= 5
        assert (edge["model"], edge["run"]) == ("default@1", report.run)
        assert not row["known"]
    evidence = {row["e"]["evidence"] for row in rows if row["r"] == "PREDICTED_CITIZEN_OF"}
    assert any(re.search(r"-\[:LIVES_IN\]->\(Town \d+\)-\[:LOCATED_IN\]->", line) for line in evidence)


def test_what_the_graph_lacks_is_found(town: Town) -> None:
    """A citizen of nowhere belongs to the country of the city."""
    lacking = {
        row["h"]: row["t"]
        for row in ask(
            town.driver,
            "MATCH (p:Person)-[:LIVES_IN]->()-[:LOCATED_IN]->(c) WHERE NOT (p)-[:CITIZEN_OF]->() "
            "RETURN p.uid AS h, c.uid AS t",
        )
    }
    with town.predictor() as predictor:
        best = {head: predictor.predict(Query(head=head, relation="CITIZEN_OF"), 1)[0].triple.tail for head in lacking}
    right = sum(best[head] == country for head, country in lacking.items())
    assert right >= 0.8 * len(lacking) > 3


def test_publishing_again_writes_no_edge(town: Town) -> None:
    with town.predictor() as predictor:
        first = predictor.publish()
    before = predicted(town.driver)
    with town.predictor() as predictor:
        second = predictor.publish()
    assert (second.created, second.updated, second.removed) == (0, 0, 0)
    assert second.unchanged == first.created
    assert predicted(town.driver) == before


def test_a_stated_precision_is_what_the_probabilities_of_each_type_promise(town: Town) -> None:
    assert town.cli("publish", "--precision", "0.5").code == 0
    published = predicted(town.driver).values()
    types = {edge[1] for edge in published}
    assert types
    for name in types:
        probabilities = [edge[4] for edge in published if edge[1] == name]
        assert sum(probabilities) / len(probabilities) >= 0.5
    refused = town.cli("publish", "--precision", "0.5", "--min-probability", "0.5")
    assert (refused.code, "give one of them" in refused.err) == (2, True)


def test_an_audit_shows_relationships_of_the_graph_the_least_probable_first(town: Town) -> None:
    found = [json.loads(line) for line in town.cli("audit", "LIVES_IN", "--most", "5", "--json").out.splitlines()]
    assert len(found) == 5
    assert [row["probability"] for row in found] == sorted(row["probability"] for row in found)
    for row in found:
        ends = {"h": row["head"], "t": row["tail"]}
        assert ask(town.driver, "MATCH (:Thing {uid: $h})-[r:LIVES_IN]->(:Thing {uid: $t}) RETURN 1 AS one", **ends)
    unknown = town.cli("audit", "LIVES")
    assert (unknown.code, "Did you mean LIVES_IN" in unknown.err) == (3, True)


def test_publishing_does_not_change_what_is_read(town: Town) -> None:
    with town.predictor() as predictor:
        before = predictor.snapshot().content_hash
        assert predictor.publish().created > 0
        assert predictor.snapshot().content_hash == before


def test_a_dry_run_says_what_would_be_done_and_does_nothing(town: Town) -> None:
    before = written(town.driver, town.home)
    with town.predictor() as predictor:
        foreseen = predictor.publish(dry_run=True)
        assert written(town.driver, town.home) == before
        done = predictor.publish()
    assert (foreseen.created, foreseen.skipped) == (done.created, done.skipped)


def test_undo_takes_a_publication_back_and_undoing_the_undo_brings_it_again(town: Town) -> None:
    with town.predictor() as predictor:
        few = predictor.publish(min_probability=0.6)
        first = predicted(town.driver)
        more = predictor.publish()
        second = predicted(town.driver)
        assert set(first) < set(second)
        undone = predictor.undo(more.run)
        assert predicted(town.driver) == first
        predictor.undo(undone.run)
        assert predicted(town.driver) == second
        predictor.undo(few.run)
        assert predicted(town.driver) == {}
        assert [run.kind for run in predictor.runs()] == ["undo", "undo", "undo", "publish", "publish"]


def test_a_publication_whose_process_is_killed_is_completed_by_the_next(town: Town) -> None:
    with town.predictor() as predictor:
        whole = predictor.publish()
        wanted = predicted(town.driver)
        predictor.undo(whole.run)
        with child(["--config", str(town.config), "publish"], RELPRED_PUBLISHING__BATCH_ROWS="1") as publishing:
            while not 20 <= len(predicted(town.driver)):
                assert publishing.poll() is None, publishing.communicate()
                time.sleep(0.02)
            publishing.send_signal(signal.SIGKILL)
        half = predicted(town.driver)
        assert 0 < len(half) < len(wanted)
        assert half.items() <= wanted.items()
        killed = predictor.runs()[0]
        assert (killed.kind, killed.status) == ("publish", "publishing")
        assert "did not finish" in town.cli("doctor").out
        predictor.publish()
        assert predicted(town.driver) == wanted
        predictor.undo(killed.id)
        assert predicted(town.driver) == {}


def test_a_publication_whose_connection_breaks_is_completed_by_the_next(town: Town) -> None:
    with town.predictor() as predictor:
        predictor.publish(min_probability=0.6)
        predictor.__dict__["client"] = Breaking(predictor.client, 2)
        with pytest.raises(GraphUnavailable):
            predictor.publish()
    with town.predictor() as predictor:
        predictor.publish()
        completed = predicted(town.driver)
        ask(town.driver, "MATCH ()-[e]->() WHERE type(e) STARTS WITH 'PREDICTED_' DELETE e")
        predictor.publish()
    assert predicted(town.driver) == completed


def test_types_that_the_model_no_longer_knows_lose_their_predicted_edges(town: Town) -> None:
    with town.predictor() as predictor:
        predictor.publish()
        ask(town.driver, "MATCH ()-[r:CITIZEN_OF]->() DELETE r")
        predictor.fit()
        predictor.publish(confirm_shrink=True)
    assert ask(town.driver, "MATCH ()-[e:PREDICTED_CITIZEN_OF]->() RETURN count(*) AS n") == [{"n": 0}]


def test_given_triples_are_scored_whether_they_are_known_or_not(town: Town) -> None:
    triples = [Triple("person0", "LIVES_IN", f"city{i}") for i in range(12)]
    with town.predictor() as predictor:
        scored = predictor.score(triples)
    assert [one.triple for one in scored] == triples
    assert all(0 <= one.probability <= 1 for one in scored)


# The service as a process of its own, asked through the jar. It comes last: its graph is loaded once.


class Serving:
    """The town with a service that answers about it."""

    def __init__(self, town: Town, stack: ExitStack) -> None:
        self.town, self._stack = town, stack

    def ask(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        return ask(self.town.driver, statement, **parameters)

    def stop(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def serving(
    server: EmbeddedNeo4j, driver: neo4j.Driver, service_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    town = trained_town(driver, server.bolt_uri, tmp_path_factory.mktemp("serving") / "town", service_port)
    with ExitStack() as stack:
        stack.enter_context(served(town.config, service_port))
        yield Serving(town, stack)


@with_jar
def test_health_tells_which_model_answers(serving: Serving) -> None:
    (health,) = serving.ask("CALL relpred.health() YIELD status, model RETURN status, model")
    assert health == {"status": "ok", "model": "default@1"}


@with_jar
def test_the_procedures_answer_with_nodes_that_further_patterns_join(serving: Serving) -> None:
    tails = serving.ask(
        "MATCH (p:Person)-[:LIVES_IN]->()-[:LOCATED_IN]->(right) WHERE NOT (p)-[:CITIZEN_OF]->() WITH p, right LIMIT 1 "
        "CALL relpred.predict.tails.stream(p, 'CITIZEN_OF', {topK: 3}) YIELD head, relation, tail, probability, rank "
        "MATCH (tail)<-[:LOCATED_IN]-(c:City) WHERE head = p "
        "RETURN DISTINCT relation, tail = right AS right, probability, rank ORDER BY rank"
    )
    assert [row["rank"] for row in tails] == [1, 2, 3]
    assert (tails[0]["relation"], tails[0]["right"]) == ("CITIZEN_OF", True)
    heads = serving.ask(
        "MATCH (s:Skill {uid: 'botany'}) CALL relpred.predict.heads.stream(s, 'HAS_SKILL') YIELD head, rank, evidence "
        "MATCH (head)-[:LIVES_IN]->(c) WHERE NOT (head)-[:HAS_SKILL]->(s) RETURN head.uid AS head, rank, evidence"
    )
    assert len(heads) > 3
    relations = serving.ask(
        "MATCH (p:Person {uid: 'person0'}), (f:Company {uid: 'firm0'}) "
        "CALL relpred.predict.relations.stream(p, f) YIELD relation, rank RETURN relation ORDER BY rank LIMIT 1"
    )
    assert relations == [{"relation": "WORKS_FOR"}]


@with_jar
@pytest.mark.parametrize("edges", [0, 1])
def test_a_node_that_appeared_a_moment_ago_is_answered_for(serving: Serving, edges: int) -> None:
    uid = f"new{edges}"
    serving.ask(
        "CREATE (p:Thing:Person {uid: $uid, name: 'Ada', description: 'A gardener who enjoys working as a gardener'}) "
        "WITH p MATCH (c:City {uid: 'city1'}) FOREACH (_ IN range(1, $edges) | CREATE (p)-[:LIVES_IN]->(c))",
        uid=uid,
        edges=edges,
    )
    tails = serving.ask(
        "MATCH (p:Thing {uid: $uid}) CALL relpred.predict.tails.stream(p, 'HAS_SKILL', {topK: 5}) "
        "YIELD tail, probability, rank RETURN tail.uid AS tail, probability, rank ORDER BY rank",
        uid=uid,
    )
    assert {"botany", "pruning", "greenhouse-keeping"} & {row["tail"] for row in tails}
    relations = serving.ask(
        "MATCH (p:Thing {uid: $uid}), (f:Company {uid: 'firm1'}) CALL relpred.predict.relations.stream(p, f) "
        "YIELD head, relation, rank RETURN head.uid AS head, relation, rank ORDER BY rank",
        uid=uid,
    )
    assert (relations[0]["head"], relations[0]["relation"]) == (uid, "WORKS_FOR")
    if edges:
        (country,) = serving.ask(
            "MATCH (p:Thing {uid: $uid}) CALL relpred.predict.tails.stream(p, 'CITIZEN_OF', {topK: 1}) YIELD tail "
            "MATCH (p)-[:LIVES_IN]->()-[:LOCATED_IN]->(c) RETURN c = tail AS right",
            uid=uid,
        )
        assert country["right"]


@with_jar
def test_a_node_that_is_not_committed_is_answered_for_by_its_own_transaction(serving: Serving) -> None:
    create = (
        "MATCH (c:City {uid: 'city1'}) CREATE (p:Thing:Person {uid: 'draft', name: 'Ada', "
        "description: 'A gardener who enjoys working as a gardener', born: date('1990-01-01')})-[:LIVES_IN]->(c) "
    )
    tails = "CALL relpred.predict.tails.stream(p, $type, {topK: 5}) YIELD head, tail, rank "
    right = "MATCH (p)-[:LIVES_IN]->()-[:LOCATED_IN]->(c) RETURN head = p AS same, c = tail AS right, rank"
    with serving.town.driver.session() as session, session.begin_transaction() as transaction:
        first, *_ = transaction.run(create + "WITH p " + tails + right, type="CITIZEN_OF").data()
        assert first == {"same": True, "right": True, "rank": 1}
        skills = transaction.run(
            "MATCH (p:Thing {uid: 'draft'}) " + tails + "RETURN tail.uid AS tail", type="HAS_SKILL"
        ).data()
        assert {"botany", "pruning", "greenhouse-keeping"} & {row["tail"] for row in skills}
        (relations,) = transaction.run(
            "MATCH (p:Thing {uid: 'draft'}), (f:Company {uid: 'firm1'}) "
            "CALL relpred.predict.relations.stream(p, f, {topK: 1}) YIELD head, relation RETURN head.uid AS h, relation"
        ).data()
        assert relations == {"h": "draft", "relation": "WORKS_FOR"}
        transaction.rollback()
    assert serving.ask("MATCH (p:Thing {uid: 'draft'}) RETURN p") == []


@with_jar
def test_the_service_answers_by_the_latest_snapshot_that_another_process_read(serving: Serving) -> None:
    """Between two looks at the graph an edge of a known node is not seen, after a look it is."""
    about = (
        "MATCH (p:Thing {uid: 'person1'}) CALL relpred.predict.tails.stream(p, 'WORKS_FOR', {topK: 100}) YIELD tail "
        "RETURN collect(tail.uid) AS tails"
    )
    (before,) = serving.ask(about)
    firm = before["tails"][0]
    serving.ask(
        "MATCH (p:Thing {uid: 'person1'}), (f:Thing {uid: $firm}) CREATE (p)-[:WORKS_FOR]->(f)",
        firm=firm,
    )
    assert serving.town.cli("snapshot").code == 0
    until(lambda: firm not in serving.ask(about)[0]["tails"])


@with_jar
def test_with_the_service_stopped_the_call_ends_and_says_what_to_start(serving: Serving) -> None:
    serving.stop()
    began = time.monotonic()
    with pytest.raises(neo4j.exceptions.ClientError) as caught:
        serving.ask(
            "MATCH (p:Person) WITH p LIMIT 1 CALL relpred.predict.tails.stream(p, 'LIVES_IN') YIELD tail RETURN 1"
        )
    assert time.monotonic() - began < 30  # a hang would be caught here; how fast it is, is not tested
    for part in ("relpred serve", "service.address"):
        assert part in str(caught.value)
    (health,) = serving.ask("CALL relpred.health() YIELD status RETURN status")
    assert health["status"] == "down"
