"""The procedure jar in a real server, against a service of a few lines; the same on both lines of Neo4j."""

from __future__ import annotations

import re
import time
from typing import Any, Protocol

import pytest
from neo4j import Driver
from neo4j.exceptions import ClientError

import neo4j_relpred
from neo4j_relpred.demo.server import EmbeddedNeo4j, find_jar

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
        "relpred.health",
        "relpred.predict.heads.stream",
        "relpred.predict.relations.stream",
        "relpred.predict.tails.stream",
    ]
    for one in found:
        assert one["mode"] == "READ"
        assert re.fullmatch(r"[A-Z][^.]+\.", one["description"])
    columns = "head :: NODE, relation :: STRING, tail :: NODE, score :: FLOAT, probability :: FLOAT, rank :: INTEGER"
    assert columns in found[1]["signature"]
    assert "(tail :: NODE, relation :: STRING, configuration = {} :: MAP)" in found[1]["signature"]
    assert "(head :: NODE, tail :: NODE, configuration = {} :: MAP)" in found[2]["signature"]
    assert "(head :: NODE, relation :: STRING, configuration = {} :: MAP)" in found[3]["signature"]


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
    assert stub_service.questions == [("/v1/relations", question)]
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
