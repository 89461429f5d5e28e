"""The procedure jar in a real server, against a service of a few lines; the same on both lines of Neo4j."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from neo4j import Driver, GraphDatabase, RoutingControl
from neo4j.exceptions import ClientError

import neo4j_relpred
from neo4j_relpred.api import RelationPredictor
from neo4j_relpred.config import Settings
from neo4j_relpred.data.published import PublishedSets
from neo4j_relpred.data.target_set import TargetEdge, TargetSet
from neo4j_relpred.demo.server import EmbeddedNeo4j, find_jar
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.leases import PUBLISH, held
from neo4j_relpred.graph.writer import PublicationPlan, publish
from neo4j_relpred.triples import Evidence, ScoredTriple, Triple
from tests.integration.serving import listening, until

pytestmark = pytest.mark.skipif(find_jar() is None, reason="the procedure jar is not built: mvn -f procedures package")

PAIR = "MATCH (a:Person {name: 'Ada'}), (b:Person {name: 'Bob'}) "
RELATIONS = (
    PAIR + "CALL relpred.predict.relations.stream(a, b, $configuration) YIELD relation, rank RETURN relation, rank"
)


class Stub(Protocol):
    """What these tests use of the fixture `stub_service`."""

    answers: dict[str, Any]
    questions: list[tuple[str, dict[str, Any]]]
    headers: dict[str, str]
    health: dict[str, Any]


@pytest.fixture
def people(clean_graph: Driver) -> dict[str, str]:
    """Three people by name; the values are their element ids."""
    query = "UNWIND ['Ada', 'Bob', 'Cid'] AS name CREATE (p:Person {name: name}) RETURN name, elementId(p) AS id"
    return {record["name"]: record["id"] for record in clean_graph.execute_query(query).records}


def row(head: str, relation: str, tail: str, rank: int = 1) -> dict[str, Any]:
    return {
        "head": {"element_id": head},
        "relation": relation,
        "tail": {"element_id": tail},
        "score": 2.5,
        "probability": 0.875,
        "rank": rank,
        "model": "main/2",
        "run": None,
        "evidence": "they share a friend",
    }


def ask(driver: Driver, query: str, **parameters: object) -> list[dict[str, Any]]:
    return [record.data() for record in driver.execute_query(query, dict(parameters)).records]


def test_the_jar_has_the_version_of_the_package(driver: Driver) -> None:
    assert ask(driver, "RETURN relpred.version() AS version") == [{"version": neo4j_relpred.__version__}]


def test_every_procedure_says_its_mode_and_what_it_does(driver: Driver) -> None:
    found = ask(
        driver,
        "SHOW PROCEDURES YIELD name, mode, description, signature WHERE name STARTS WITH 'relpred.' "
        "RETURN name, mode, description, signature ORDER BY name",
    )
    assert [one["name"] for one in found] == [
        "relpred.config.show",
        "relpred.explain",
        "relpred.health",
        "relpred.job.cancel",
        "relpred.job.list",
        "relpred.listProgress",
        "relpred.model.deploy",
        "relpred.model.drop",
        "relpred.model.exists",
        "relpred.model.list",
        "relpred.model.rollback",
        *(
            f"relpred.predict.{asked}.{mode}"
            for asked in ("heads", "relations", "tails", "triples")
            for mode in ("estimate", "stats", "stream", "write")
        ),
        "relpred.publish",
        "relpred.publish.estimate",
        "relpred.review.accept",
        "relpred.review.list",
        "relpred.review.reject",
        "relpred.review.withdraw",
        "relpred.run.list",
        "relpred.run.undo",
        "relpred.sync.failures",
        "relpred.sync.pause",
        "relpred.sync.resume",
        "relpred.sync.status",
        "relpred.sync.trigger",
        "relpred.train",
        "relpred.train.estimate",
        "relpred.userLog",
    ]
    writing = {"accept", "cancel", "pause", "publish", "reject", "resume", "trigger", "undo", "withdraw", "write"}
    for one in found:
        assert one["mode"] == ("WRITE" if one["name"].rpartition(".")[2] in writing else "READ")
        assert re.fullmatch(r"[A-Z][^.]+\.", one["description"])
    signature = {one["name"]: one["signature"].replace(":: DATETIME", ":: ZONED DATETIME") for one in found}
    columns = "head :: NODE, relation :: STRING, tail :: NODE, score :: FLOAT, probability :: FLOAT, rank :: INTEGER"
    for asked, arguments in (
        ("heads", "tail :: ANY, relation :: STRING"),
        ("relations", "head :: NODE, tail :: NODE"),
        ("tails", "head :: ANY, relation :: STRING"),
        ("triples", "triples :: LIST<ANY>"),
    ):
        assert columns in signature[f"relpred.predict.{asked}.stream"]
        for mode in ("estimate", "stats", "stream", "write"):
            assert f"({arguments}, configuration = {{}} :: MAP)" in signature[f"relpred.predict.{asked}.{mode}"]
    assert "(triple :: ANY, configuration = {} :: MAP)" in signature["relpred.review.accept"]
    assert "decidedBy :: STRING, decidedAt :: ZONED DATETIME" in signature["relpred.review.accept"]
    assert "trainMillis :: INTEGER, modelInfo :: MAP, configuration :: MAP, jobId" in signature["relpred.train"]
    explaining = signature["relpred.explain"]
    assert "(head :: NODE, relation :: STRING, tail :: NODE, configuration = {} :: MAP)" in explaining
    assert "bindings :: LIST<LIST<NODE>>, support :: INTEGER, confidence :: FLOAT" in explaining


def test_relations_are_ranked_between_two_nodes(driver: Driver, people: dict[str, str], stub_service: Stub) -> None:
    ada, bob = people["Ada"], people["Bob"]
    stub_service.answers["/v1/relations"] = lambda _: [row(ada, "KNOWS", bob), row(ada, "LIKES", bob, rank=2)]
    query = PAIR + "CALL relpred.predict.relations.stream(a, b, {topK: 5, threshold: 0.5}) YIELD "
    columns = "head, relation, tail, score, probability, rank, model, run, evidence"
    rows = ask(driver, f"{query}{columns} RETURN {columns}")
    assert rows[0] == {
        "head": {"name": "Ada"},
        "relation": "KNOWS",
        "tail": {"name": "Bob"},
        "score": 2.5,
        "probability": 0.875,
        "rank": 1,
        "model": "main/2",
        "run": None,
        "evidence": "they share a friend",
    }
    assert [(one["relation"], one["rank"]) for one in rows] == [("KNOWS", 1), ("LIKES", 2)]
    question = {"head": {"element_id": ada}, "tail": {"element_id": bob}, "top_k": 5, "min_probability": 0.5}
    ((route, asked),) = stub_service.questions
    for end in ("head", "tail"):
        asked[end].pop("seen", None)  # keys, where an earlier service at this address told which properties those are
    assert (route, asked) == ("/v1/relations", question)
    assert stub_service.headers["X-Relpred-Wire"] == "1"
    assert stub_service.headers["Accept"] == "application/x-ndjson"


def test_tails_and_heads_are_nodes_that_further_patterns_join(
    driver: Driver, people: dict[str, str], stub_service: Stub
) -> None:
    driver.execute_query("MATCH (b:Person {name: 'Bob'}), (c:Person {name: 'Cid'}) CREATE (b)-[:KNOWS]->(c)")
    stub_service.answers["/v1/tails"] = lambda body: [row(body["head"]["element_id"], body["relation"], people["Bob"])]
    stub_service.answers["/v1/heads"] = lambda body: [row(people["Bob"], body["relation"], body["tail"]["element_id"])]
    for call in (
        "tails.stream(a, 'LIKES') YIELD relation, tail AS x",
        "heads.stream(a, 'LIKES') YIELD relation, head AS x",
    ):
        query = f"MATCH (a:Person {{name: 'Ada'}}) CALL relpred.predict.{call} MATCH (x)-[:KNOWS]->(y) "
        assert ask(driver, query + "RETURN relation, y.name AS name") == [{"relation": "LIKES", "name": "Cid"}]
    assert [body["top_k"] for _, body in stub_service.questions] == [10, 10]


def test_an_answer_about_a_deleted_node_is_left_out(driver: Driver, people: dict[str, str], stub_service: Stub) -> None:
    driver.execute_query("MATCH (c:Person {name: 'Cid'}) DELETE c")
    stub_service.answers["/v1/tails"] = lambda body: [
        row(people["Ada"], "LIKES", people["Cid"]),
        row(people["Ada"], "LIKES", people["Bob"], rank=2),
    ]
    query = "MATCH (a:Person {name: 'Ada'}) CALL relpred.predict.tails.stream(a, 'LIKES') YIELD tail, rank "
    assert ask(driver, query + "RETURN tail.name AS name, rank") == [{"name": "Bob", "rank": 2}]


def test_thousands_of_rows_stream_through(driver: Driver, people: dict[str, str], stub_service: Stub) -> None:
    ids = [people["Ada"], people["Bob"]]
    stub_service.answers["/v1/tails"] = lambda _: [row(ids[0], "LIKES", ids[n % 2], rank=n + 1) for n in range(9000)]
    query = "MATCH (a:Person {name: 'Ada'}) CALL relpred.predict.tails.stream(a, 'LIKES', {topK: 9000}) YIELD rank "
    assert ask(driver, query + "RETURN count(*) AS rows, max(rank) AS last") == [{"rows": 9000, "last": 9000}]
    assert ask(driver, query + "RETURN rank LIMIT 2") == [{"rank": 1}, {"rank": 2}]


def test_an_error_of_the_service_keeps_its_message_and_hint(
    driver: Driver, people: dict[str, str], stub_service: Stub
) -> None:
    with pytest.raises(ClientError, match=r"No such node\. Train again\."):
        ask(driver, RELATIONS, configuration={})


def test_a_service_that_is_down_is_told_within_the_deadline(
    driver: Driver, people: dict[str, str], server: EmbeddedNeo4j
) -> None:
    began = time.monotonic()
    with pytest.raises(ClientError) as caught:
        ask(driver, RELATIONS, configuration={})
    message = str(caught.value)
    assert time.monotonic() - began < 30  # a hang would be caught here; how fast it is, is not tested
    for part in ("cannot be reached", "relpred serve", "service.address", "RELPRED_SERVICE_ADDRESS"):
        assert part in message
    assert f"{server.home}/conf/relpred.conf" in message


def test_a_service_that_is_slow_is_given_up_when_the_caller_says_so(
    driver: Driver, people: dict[str, str], stub_service: Stub
) -> None:
    def late(_: dict[str, Any]) -> list[dict[str, Any]]:
        time.sleep(1)
        return []

    stub_service.answers["/v1/relations"] = late
    with pytest.raises(ClientError, match="did not answer within 200 ms"):
        ask(driver, RELATIONS, configuration={"timeoutMillis": 200})


def test_an_unknown_key_is_refused_with_the_one_that_was_meant(driver: Driver, people: dict[str, str]) -> None:
    with pytest.raises(ClientError, match=r"unknown key treshold\. Did you mean threshold\?"):
        ask(driver, RELATIONS, configuration={"treshold": 0.5})


def test_health_tells_of_a_running_service(driver: Driver, service_port: int, stub_service: Stub) -> None:
    expected = {
        "status": "ok",
        "service": "0.0.0",
        "model": "stub/1",
        "wireVersion": 1,
        "address": f"http://127.0.0.1:{service_port}",
        "message": "",
    }
    assert ask(driver, "CALL relpred.health()") == [expected]
    stub_service.health["wire"] = 2
    incompatible = ask(driver, "CALL relpred.health()")[0]
    assert incompatible["status"] == "incompatible"
    assert "version 2 of the protocol" in incompatible["message"]


def test_health_tells_of_a_service_that_is_down(driver: Driver) -> None:
    health = ask(driver, "CALL relpred.health()")[0]
    assert health["status"] == "down"
    assert "relpred serve" in health["message"]


# decisions, carried out by a real service that needs no model for them


TARGET = TargetSet.of(
    TargetEdge.of(ScoredTriple(Triple(head, "NEXT", tail), 1.5, probability, 1, Evidence("why")), "default@1", "r1")
    for head, tail, probability in (("1", "5", 0.8), ("2", "7", 0.75), ("3", "8", 0.55))
)
ONE = "MATCH (h:Item {id: 1})-[e:PREDICTED_NEXT]->(t:Item {id: 5}) "
DECIDED = " YIELD head, relation, tail, state, reason, note, decidedBy, probability, model "
SEVEN = {"head": "2", "relation": "NEXT", "tail": "7"}


@pytest.fixture
def desk(
    clean_graph: Driver, client: Neo4jClient, server: EmbeddedNeo4j, service_port: int, tmp_path: Path
) -> Iterator[RelationPredictor]:
    """Ten items in a ring, three predicted edges between them, published as run r1, and the service before them."""
    ask(
        clean_graph,
        "UNWIND range(0, 9) AS i CREATE (:Item {id: i, name: 'item ' + i}) "
        "WITH count(*) AS done MATCH (a:Item), (b:Item) WHERE b.id = (a.id + 1) % 10 CREATE (a)-[:NEXT]->(b)",
    )
    graph = {"uri": server.bolt_uri, "keys": {"Item": "id"}, "names": ["name"]}
    settings = Settings.model_validate({"home": tmp_path / "home", "graph": graph})
    sets = PublishedSets(settings.home / "runs", 5)
    sets.add("r1", TARGET, "default")
    republish(client, settings, "r1")
    sets.settle("r1", "default")
    with RelationPredictor.open(settings) as predictor, listening(predictor, service_port):
        yield predictor


def republish(client: Neo4jClient, settings: Settings, run: str) -> None:
    publish(client, TARGET, PublicationPlan(settings.graph, settings.publishing, run, "default"))


def made(driver: Driver) -> list[dict[str, Any]]:
    """The relationships that came of accepting."""
    query = (
        "MATCH (h)-[r:NEXT]->(t) WHERE r.relpredKey IS NOT NULL RETURN h.id AS h, t.id AS t, r.relpredAcceptedBy AS by"
    )
    return ask(driver, query)


def waiting(driver: Driver) -> list[str]:
    return [row["tail"] for row in ask(driver, "CALL relpred.review.list() YIELD tail RETURN tail")]


def test_a_predicted_edge_is_accepted_once_and_withdrawn(driver: Driver, desk: RelationPredictor) -> None:
    listed = ask(driver, "CALL relpred.review.list({relation: 'NEXT', threshold: 0.6, topK: 1})")
    assert [(row["headName"], row["tailName"], row["state"], row["run"]) for row in listed] == [
        ("item 1", "item 5", "pending", "r1")
    ]
    accepted = {"head": "1", "relation": "NEXT", "tail": "5", "state": "accepted", "reason": "", "note": "seen it"}
    told = accepted | {"decidedBy": "anna", "probability": 0.8, "model": "default@1"}
    call = f"CALL relpred.review.accept(e, {{by: 'anna', note: 'seen it'}}){DECIDED}"
    columns = DECIDED.replace("YIELD", "RETURN")
    assert ask(driver, ONE + call + columns) == [told]
    assert ask(driver, "CALL relpred.review.accept({head: '1', relation: 'NEXT', tail: '5'}, {by: 'anna'})")
    assert made(driver) == [{"h": 1, "t": 5, "by": "anna"}]
    assert waiting(driver) == ["7", "8"]
    query = "CALL relpred.review.list({decided: true}) YIELD state, decidedAt RETURN state, decidedAt"
    ((state, at),) = ([*row.values()] for row in ask(driver, query))
    assert (state, at.to_native().year >= 2026) == ("accepted", True)
    withdraw = "MATCH ()-[r:NEXT]->() WHERE r.relpredKey IS NOT NULL CALL relpred.review.withdraw(r) YIELD state, head "
    assert ask(driver, withdraw + "RETURN state, head") == [{"state": "withdrawn", "head": "1"}]
    assert made(driver) == []
    assert desk.review.decisions() == []
    all_left = "MATCH ()-[e:PREDICTED_NEXT]->() CALL relpred.review.accept(e, {by: 'anna'}) YIELD tail "
    assert ask(driver, all_left + "RETURN tail ORDER BY tail") == [{"tail": "7"}, {"tail": "8"}]
    assert len(made(driver)) == 2


def test_a_rejected_edge_stays_away(driver: Driver, client: Neo4jClient, desk: RelationPredictor) -> None:
    query = "MATCH (h:Item {id: 2}), (t:Item {id: 7}) CALL relpred.review.reject({head: h, relation: 'NEXT', tail: t}, "
    (row,) = ask(driver, f"{query}{{reason: 'wrong-kind', by: 'ben'}}){DECIDED}RETURN state, reason, decidedBy")
    assert row == {"state": "rejected", "reason": "wrong-kind", "decidedBy": "ben"}
    republish(client, desk.settings, "r2")
    assert waiting(driver) == ["5", "8"]
    assert ask(driver, "CALL relpred.review.withdraw($triple) YIELD state RETURN state", triple=SEVEN) == [
        {"state": "withdrawn"}
    ]
    republish(client, desk.settings, "r3")
    assert waiting(driver) == ["5", "7", "8"]


def test_a_run_is_undone_unless_somebody_publishes(
    driver: Driver, client: Neo4jClient, desk: RelationPredictor
) -> None:
    undo = "CALL relpred.run.undo('r1', $configuration) YIELD run, removed, dryRun RETURN run, removed, dryRun"
    (row,) = ask(driver, undo, configuration={"dryRun": True})
    assert (row["removed"], row["dryRun"]) == (3, True)
    with (
        held(client, PUBLISH, seconds=30, patience=1),
        pytest.raises(ClientError, match=r"is publishing into this database.*Wait for it"),
    ):
        ask(driver, undo, configuration={})
    assert waiting(driver) == ["5", "7", "8"]
    (row,) = ask(driver, undo, configuration={})
    assert (row["removed"], row["dryRun"]) == (3, False)
    assert waiting(driver) == []
    listed = ask(driver, "CALL relpred.run.list() YIELD run, kind, status, removed RETURN run, kind, status, removed")
    assert listed == [
        {"run": row["run"], "kind": "undo", "status": "published", "removed": 3},
        {"run": "r1", "kind": "publish", "status": "published", "removed": 0},
    ]
    with pytest.raises(ClientError, match=r"no run 'r9' on this machine\. Kept runs: "):
        ask(driver, "CALL relpred.run.undo('r9')")


@pytest.mark.usefixtures("desk")
def test_what_cannot_be_decided_says_why(driver: Driver) -> None:
    pair = "{head: '1', relation: 'NEXT', tail: '5'}"
    to_nobody = pair.replace("5", "nobody")
    wrong = {
        f"CALL relpred.review.accept({to_nobody}, {{by: 'a'}})": "missing node.*key property",
        f"CALL relpred.review.withdraw({pair})": "Nobody decided.*review list --decided",
        f"CALL relpred.review.reject({pair}, {{by: 'a', reason: 'x'}})": "reason cannot be used",
        "CALL relpred.review.list({relation: 'NEXTT'})": "Did you mean NEXT",
        ONE + "CALL relpred.review.accept(e) YIELD state RETURN state": "by: 'anna'",
        ONE + "MATCH (h)-[r:NEXT]->() CALL relpred.review.accept(r, {by: 'a'}) YIELD state RETURN state": "has no key",
    }
    for query, message in wrong.items():
        with pytest.raises(ClientError, match=message):
            ask(driver, query)
    ask(driver, "CREATE (:Item {id: '4'})")
    with pytest.raises(ClientError, match=r"Not accepted: ambiguous node"):
        ask(driver, "CALL relpred.review.accept({head: '1', relation: 'NEXT', tail: '4'}, {by: 'a'})")
    ask(driver, "MATCH (t:Item {id: 5}) SET t.id = 55")
    with pytest.raises(ClientError, match=r"had other keys.*Publish again"):
        ask(driver, ONE.replace("5", "55") + "CALL relpred.review.accept(e, {by: 'a'}) YIELD state RETURN state")
    assert made(driver) == []


@pytest.mark.usefixtures("desk")
def test_who_may_only_read_lists_and_does_not_decide(driver: Driver) -> None:
    query = ONE + "CALL relpred.review.accept(e, {by: 'anna'}) YIELD state RETURN state"
    with pytest.raises(ClientError, match=r"(?i)read"):
        driver.execute_query(query, routing_=RoutingControl.READ)
    listed = driver.execute_query("CALL relpred.review.list()", routing_=RoutingControl.READ).records
    assert len(listed) == 3


def test_a_decision_is_not_of_the_transaction_that_calls(driver: Driver, desk: RelationPredictor) -> None:
    accept = "CALL relpred.review.accept({head: $head, relation: 'NEXT', tail: $tail}, $more) YIELD state RETURN state"
    more: dict[str, Any] = {"by": "anna"}
    with driver.session() as session, session.begin_transaction() as transaction:
        answer = transaction.run(accept, head="1", tail="5", more=more).single(strict=True)
        assert answer["state"] == "accepted"
        transaction.rollback()
    assert made(driver) == [{"h": 1, "t": 5, "by": "anna"}]
    with driver.session() as session:
        transaction = session.begin_transaction()
        transaction.run("MATCH (h:Item {id: 2}) SET h.locked = true").consume()
        with pytest.raises(ClientError, match=r"did not answer within 1000 ms.*may still be carried out"):
            transaction.run(accept, head="2", tail="7", more=more | {"timeoutMillis": 1000}).consume()
        transaction.close()
    until(lambda: len(desk.review.decisions()) == 2)  # as the message said, once the lock was gone
    assert {row["t"] for row in made(driver)} == {5, 7}


def test_who_is_logged_in_is_who_decides(guarded: EmbeddedNeo4j, stub_service: Stub) -> None:
    known = {"head": "1", "relation": "NEXT", "tail": "5", "state": "accepted"}
    stub_service.answers["/v1/review/accept"] = lambda body: [known | {"by": body["by"]}]
    accept = (
        "CALL relpred.review.accept({head: '1', relation: 'NEXT', tail: '5'}, $more) YIELD decidedBy AS by RETURN by"
    )
    with GraphDatabase.driver(guarded.bolt_uri, auth=guarded.auth) as driver:
        assert ask(driver, accept, more={}) == [{"by": "neo4j"}]
        assert ask(driver, accept, more={"by": "ben"}) == [{"by": "ben"}]
