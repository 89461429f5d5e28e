from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import pytest
from starlette.testclient import TestClient

from neo4j_relpred.errors import GraphUnavailable, ModelNotFound, UnknownRelation
from neo4j_relpred.graph.live import LiveNode
from neo4j_relpred.triples import Evidence, Query, ScoredTriple, Triple, edge_key
from tests.unit.service.conftest import Serve

ADA, BOB = {"element_id": "4:x:1"}, {"element_id": "4:x:2"}
TAILS = {"head": ADA, "relation": "KNOWS"}
NDJSON = {"Accept": "application/x-ndjson"}


class Predictor(Protocol):
    answers: list[ScoredTriple]
    asked: list[tuple[Query, int, float]]
    threads: set[str]
    looks: int
    seen: dict[str, object]
    given: list[LiveNode]
    error: Exception | None
    gate: threading.Event
    entered: threading.Event


def answer(tail: str, rank: int = 1) -> ScoredTriple:
    evidence = Evidence("they share a friend", {"rules": 1.0})
    return ScoredTriple(Triple("Person/ada", "KNOWS", tail), 2.5, 0.875, rank, evidence)


class Response(Protocol):
    status_code: int

    def json(self) -> dict[str, str]: ...


def error_of(response: Response) -> tuple[int, str]:
    body = response.json()
    assert set(body) == {"code", "message", "hint"}
    assert body["message"]
    assert body["hint"]
    return response.status_code, body["code"]


def test_a_node_whose_keys_are_told_is_asked_about_by_them(client: TestClient, predictor: Predictor) -> None:
    seen = {"labels": ["Person"], "keys": {"uid": "ada", "code": None}}
    client.post("/v1/tails", json={"heads": [ADA | {"seen": seen}, BOB], "relation": "KNOWS"})
    assert predictor.seen == {ADA["element_id"]: (seen["labels"], seen["keys"])}
    refusals: list[object] = [{"labels": ["Person"]}, {"keys": {}}, seen | {"keys": {"uid": 1.5}}]
    for wrong in refusals:
        refused = client.post("/v1/tails", json={"head": ADA | {"seen": wrong}, "relation": "KNOWS"})
        assert error_of(refused) == (422, "invalid-query")


def test_answers_tell_which_properties_identify_nodes(predictor: Predictor, serve: Serve) -> None:
    answered = serve(keys=["uid", "a,b"]).post("/v1/tails", json=TAILS)
    assert answered.headers["X-Relpred-Keys"] == "uid,a%2Cb"


def test_each_route_asks_for_the_part_that_is_missing(client: TestClient, predictor: Predictor) -> None:
    limits = {"top_k": 3, "min_probability": 0.25}
    assert client.post("/v1/relations", json={"head": ADA, "tail": BOB} | limits).json() == []
    assert client.post("/v1/tails", json=TAILS | limits).json() == []
    assert client.post("/v1/heads", json={"relation": "KNOWS", "tail": BOB}).json() == []
    assert predictor.asked == [
        (Query(head="Person/ada", tail="Person/bob"), 3, 0.25),
        (Query(head="Person/ada", relation="KNOWS"), 3, 0.25),
        (Query(relation="KNOWS", tail="Person/bob"), 10, 0.0),
    ]


def test_several_nodes_are_one_question_each_and_one_look_at_the_graph(
    client: TestClient, predictor: Predictor
) -> None:
    predictor.answers = [answer("Person/bob")]
    pairs = [{"head": ADA, "tail": BOB}, {"head": BOB, "tail": {"id": "Person/cid"}}]
    assert len(client.post("/v1/tails", json={"heads": [ADA, BOB], "relation": "KNOWS"}).json()) == 2
    assert len(client.post("/v1/heads", json={"tails": [BOB], "relation": "KNOWS"}).json()) == 1
    assert len(client.post("/v1/relations", json={"pairs": pairs, "top_k": 3}).json()) == 2
    assert [query for query, *_ in predictor.asked] == [
        Query(head="Person/ada", relation="KNOWS"),
        Query(head="Person/bob", relation="KNOWS"),
        Query(relation="KNOWS", tail="Person/bob"),
        Query(head="Person/ada", tail="Person/bob"),
        Query(head="Person/bob", tail="Person/cid"),
    ]
    assert predictor.looks == 3


@pytest.mark.parametrize(
    "body",
    [
        {"relation": "KNOWS"},
        TAILS | {"heads": [ADA]},
        {"heads": [], "relation": "KNOWS"},
        {"heads": [ADA] * 11, "relation": "KNOWS", "top_k": 10_000},
    ],
)
def test_one_node_or_several_and_not_too_many_rows(body: dict[str, object], client: TestClient) -> None:
    assert error_of(client.post("/v1/tails", json=body)) == (422, "invalid-query")


def test_only_the_worker_asks_the_model(client: TestClient, predictor: Predictor) -> None:
    client.post("/v1/tails", json=TAILS)
    client.post("/v1/score", json={"triples": [TAILS | {"tail": BOB}]})
    assert predictor.threads == {"relpred-model"}


def test_a_node_may_be_named_by_its_entity_id(client: TestClient, predictor: Predictor) -> None:
    assert client.post("/v1/tails", json={"head": {"id": "Person/cid"}, "relation": "KNOWS"}).status_code == 200
    assert predictor.asked[0][0] == Query(head="Person/cid", relation="KNOWS")


def test_an_answer_is_a_list_of_rows(client: TestClient, predictor: Predictor) -> None:
    predictor.answers = [answer("Person/bob"), answer("Person/cid", rank=2)]
    response = client.post("/v1/tails", json=TAILS)
    assert response.headers["content-type"] == "application/json"
    assert response.json()[0] == {
        "head": {"element_id": "4:x:1", "id": "Person/ada"},
        "relation": "KNOWS",
        "tail": {"element_id": "4:x:2", "id": "Person/bob"},
        "score": 2.5,
        "probability": 0.875,
        "rank": 1,
        "model": "main/1",
        "run": None,
        "evidence": "they share a friend",
        "key": edge_key("Person/ada", "KNOWS", "Person/bob"),
        "predicted_type": "PREDICTED_KNOWS",
    }
    assert [row["rank"] for row in response.json()] == [1, 2]


def test_the_procedures_get_one_object_per_line(client: TestClient, predictor: Predictor) -> None:
    """The fields and types are those that relpred.client.Rows and Json demand."""
    predictor.answers = [answer("Person/bob", rank=n + 1) for n in range(250)]
    response = client.post("/v1/tails", json=TAILS | {"top_k": 250}, headers=NDJSON)
    assert response.headers["content-type"].startswith("application/x-ndjson")
    assert response.headers["x-relpred-wire"] == "1"
    assert response.content.endswith(b"}\n")
    rows = [json.loads(line) for line in response.content.split(b"\n")[:-1]]
    assert [row["rank"] for row in rows] == list(range(1, 251))
    for row in rows:
        assert "code" not in row
        assert isinstance(row["head"]["element_id"], str)
        assert isinstance(row["tail"]["element_id"], str)
        assert isinstance(row["relation"], str)
        assert isinstance(row["key"], str)
        assert isinstance(row["predicted_type"], str)
        assert isinstance(row["score"], float)
        assert isinstance(row["probability"], float)
        assert type(row["rank"]) is int
        assert isinstance(row["model"], str)
        assert row["run"] is None
        assert isinstance(row["evidence"], str)


def test_no_answer_is_an_empty_body_of_lines(client: TestClient) -> None:
    response = client.post("/v1/tails", json=TAILS, headers=NDJSON)
    assert (response.status_code, response.content) == (200, b"")


def test_an_answer_about_a_deleted_node_is_left_out(client: TestClient, predictor: Predictor) -> None:
    predictor.answers = [answer("Person/gone"), answer("Person/bob", rank=2)]
    assert [row["rank"] for row in client.post("/v1/tails", json=TAILS).json()] == [2]


def test_given_triples_keep_their_order_and_none_is_left_out(client: TestClient) -> None:
    triples = [TAILS | {"tail": {"id": "Person/cid"}}, TAILS | {"tail": BOB}]
    rows = client.post("/v1/score", json={"triples": triples}).json()
    assert [row["tail"]["id"] for row in rows] == ["Person/cid", "Person/bob"]
    gone = client.post("/v1/score", json={"triples": [*triples, TAILS | {"tail": {"id": "Person/gone"}}]})
    assert error_of(gone) == (404, "unknown-entity")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UnknownRelation("No such type.", hint="Did you mean KNOWS?"), (404, "unknown-relation")),
        (GraphUnavailable("Neo4j is away.", hint="Start it."), (503, "graph-unavailable")),
        (ModelNotFound("There is no model.", hint="Train one."), (503, "model-not-found")),
    ],
)
def test_an_error_keeps_its_status_code_and_hint(
    client: TestClient, predictor: Predictor, error: Exception, expected: tuple[int, str]
) -> None:
    predictor.error = error
    response = client.post("/v1/tails", json=TAILS, headers=NDJSON)
    assert error_of(response) == expected
    assert response.headers["x-relpred-wire"] == "1"


def test_a_node_that_is_not_there_is_an_error(client: TestClient) -> None:
    response = client.post("/v1/tails", json={"head": {"element_id": "4:x:9"}, "relation": "KNOWS"})
    assert error_of(response) == (404, "unknown-entity")


def test_a_fault_tells_nothing_of_the_graph(
    client: TestClient, predictor: Predictor, caplog: pytest.LogCaptureFixture
) -> None:
    predictor.error = ValueError("Ada's secret")
    response = client.post("/v1/tails", json=TAILS)
    assert error_of(response) == (500, "internal")
    assert "secret" not in response.text
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ('{"head": {"element_id": "4:x:1"}, "relation": "R", "min_probability": NaN}', "docs/reference/http.md"),
        ('{"head": {"element_id": "4:x:1"}, "relation": "R", "top_k": "5"}', "docs/reference/http.md"),
        ('{"head": {"element_id": "4:x:1"}, "relation": "R", "top_k": 0}', "docs/reference/http.md"),
        ('{"head": {"element_id": "4:x:1"}, "relation": "R", "topk": 5}', "top_k"),
        ('{"head": {"element_id": "4:x:1"}, "relation": 5}', "docs/reference/http.md"),
        ('{"head": {"element_id": "4:x:1"}, "relation": ""}', "docs/reference/http.md"),
        ('{"head": {"element_id": "4:x:1"}}', "docs/reference/http.md"),
        ('{"head": {"element_id": "4:x:1", "id": "x"}, "relation": "R"}', "docs/reference/http.md"),
        ('{"head": {}, "relation": "R"}', "docs/reference/http.md"),
        ('{"head": "4:x:1", "relation": "R"}', "docs/reference/http.md"),
        ('{"head": {"element_id": "\\ud800"}, "relation": "R"}', "docs/reference/http.md"),
        ('{"head": {"element_id": "4:x:1"}, "relation": "R", "\\ud800": 1}', "docs/reference/http.md"),
        ('{"head": {"element_id": "4:x:1"}, "relation": "R", "min_probability": Infinity}', "docs/reference/http.md"),
        ('{"head": {"element_id": "4:x:1"}, "relation": "R", "min_probability": -Infinity}', "docs/reference/http.md"),
        ('{"head": {"element_id": "4:x:1"}, "relation": "R", "min_probability": 1e999}', "docs/reference/http.md"),
        ('{"head": {"element_id": "4:x:1"}, "relation": "R", "top_k": 1e999}', "docs/reference/http.md"),
        ('{"head": {"element_id": "4:x:1"}, "relation": "R", "top_k": true}', "docs/reference/http.md"),
        ('{"head": {"element_id": "4:x:1"}, "relation": "R", "top_k": %s}' % ("9" * 4_000), "docs/reference/http.md"),
        ('{"head": {"element_id": "4:x:1"}, "relation": "%s"}' % ("R" * 4_097), "docs/reference/http.md"),
        ('{"head": {"element_id": "4:x:1"}, "relation": "R", "%s": 1}' % ("top_k" * 100_000), "Known are"),
        ('{"heads": [' + "{}," * 10_000 + '{}], "relation": "R", "top_k": 1}', "docs/reference/http.md"),
        ('{"head": ' + '{"id": ' * 500 + "1" + "}" * 500 + ', "relation": "R"}', "docs/reference/http.md"),
        ("[" * 100_000, "docs/reference/http.md"),
        ('{"head": ' + '{"id": ' * 90_000 + "1" + "}" * 90_000 + ', "relation": "R"}', "docs/reference/http.md"),
        ("9" * 10_000, "docs/reference/http.md"),
        (b'{"head": {"element_id": "\xff"}, "relation": "R"}', "docs/reference/http.md"),
        ("{", "character"),
        ("[]", "application/json"),
        ("", "docs/reference/http.md"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_question_that_is_not_as_documented_is_refused(client: TestClient, body: str | bytes, hint: str) -> None:
    response = client.post("/v1/tails", content=body, headers={"Content-Type": "application/json"})
    assert error_of(response) == (422, "invalid-query")
    assert hint in response.json()["hint"]
    assert len(response.content) < 1_000


def test_a_form_is_not_a_question(client: TestClient) -> None:
    """What a web page may send without asking first."""
    response = client.post("/v1/tails", content=json.dumps(TAILS), headers={"Content-Type": "text/plain"})
    assert error_of(response) == (422, "invalid-query")
    assert "application/json" in response.json()["hint"]


def test_what_is_not_there_is_told_in_the_same_shape(client: TestClient) -> None:
    assert error_of(client.get("/v2/tails")) == (404, "no-such-route")
    refused = client.get("/v1/tails")
    assert error_of(refused) == (405, "no-such-route")
    assert refused.headers["allow"] == "POST"


def test_questions_that_wait_together_get_what_each_asked_for(client: TestClient, predictor: Predictor) -> None:
    """Each with its own number of answers and its own least probability, though the model is asked once."""
    predictor.answers = [answer(f"Person/{name}", rank) for rank, name in enumerate(("bob", "cid"), start=1)]
    predictor.gate.clear()
    with ThreadPoolExecutor(4) as callers:

        def ask(more: dict[str, object]) -> int:
            return len(client.post("/v1/tails", json=TAILS | more).json())

        first = callers.submit(ask, {})
        assert predictor.entered.wait(10)
        limits: list[dict[str, object]] = [{"top_k": 1}, {"min_probability": 0.9}, {}]
        others = [callers.submit(ask, more) for more in limits]
        until = time.monotonic() + 10
        while 'relpred_queue_waiting{queue="model"} 3.0' not in client.get("/metrics").text:
            assert time.monotonic() < until
        predictor.gate.set()
        assert [rows.result(10) for rows in (first, *others)] == [2, 1, 0, 2]
    assert [top_k for _, top_k, _ in predictor.asked] == [10, 10, 10, 10]


EVE = {
    "element_id": "4:x:9",
    "labels": ["Person"],
    "properties": {"name": "eve", "age": 7},
    "edges": [{"relation": "KNOWS", "other": "4:x:2", "outgoing": False}],
}


def test_a_node_that_is_not_committed_is_asked_about_as_it_is_described(
    client: TestClient, predictor: Predictor
) -> None:
    predictor.answers = [ScoredTriple(Triple("Person/eve", "KNOWS", "Person/bob"), 1.5, 0.75, 1, Evidence("", {}))]
    body = {"head": {"element_id": "4:x:9"}, "relation": "KNOWS", "described": [EVE]}
    (row,) = client.post("/v1/tails", json=body).json()
    assert row["head"] == {"element_id": "4:x:9", "id": "Person/eve"}
    assert predictor.looks == 0  # nobody could have looked it up
    assert predictor.asked == [(Query(head="Person/eve", relation="KNOWS"), 10, 0.0)]
    (given,) = predictor.given
    assert [(edge.direction, edge.relation, edge.other) for edge in given.edges] == [("in", "KNOWS", "Person/bob")]


def test_what_is_described_for_one_question_is_nothing_to_the_next(client: TestClient) -> None:
    body = {"head": {"element_id": "4:x:9"}, "relation": "KNOWS"}
    assert client.post("/v1/tails", json=body | {"described": [EVE]}).status_code == 200
    assert error_of(client.post("/v1/tails", json=body)) == (404, "unknown-entity")


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": []},
        {"labels": "Person"},
        {"properties": {"name": {"first": "eve"}}},
        {"edges": [{"relation": "KNOWS", "other": "4:x:2"}]},
        {"colour": "red"},
    ],
)
def test_a_description_that_cannot_be_used_is_refused(client: TestClient, wrong: dict[str, object]) -> None:
    body = {"head": {"element_id": "4:x:9"}, "relation": "KNOWS", "described": [EVE | wrong]}
    assert error_of(client.post("/v1/tails", json=body))[0] in (404, 422)
