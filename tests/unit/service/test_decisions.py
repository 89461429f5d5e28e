"""Decisions and the ledger over HTTP: the same shape, limits and errors as questions, but threads of their own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from starlette.testclient import TestClient

from neo4j_relpred.errors import Busy, GraphTooNew, PublicationStopped, UnknownEntity, UnknownRelation
from neo4j_relpred.graph.decisions import Wish
from neo4j_relpred.service.decision_bodies import LEASE_PATIENCE_SECONDS
from neo4j_relpred.triples import Triple, edge_key

Serve = Callable[..., TestClient]
NDJSON = {"Accept": "application/x-ndjson"}
PAIR = Triple("Person/ada", "KNOWS", "Person/bob")
ABOUT: dict[str, Any] = {"head": {"element_id": "4:x:1"}, "relation": "KNOWS", "tail": {"id": "Person/bob"}}
NOTHING = {"evidence": None, "run": None, "head_name": None, "tail_name": None}


class Reviews(Protocol):
    asked: list[tuple[object, ...]]
    threads: set[str]
    error: Exception | None
    gate: threading.Event


class Fake(Protocol):
    review: Reviews
    undone: list[tuple[str, bool, float | None, str]]
    undo_error: Exception | None
    gate: threading.Event
    not_ready: Exception | None


def rows(client: TestClient, route: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    response = client.post(f"/v1/{route}", json=body)
    assert response.status_code == 200, response.text
    assert response.headers["x-relpred-wire"] == "1"
    found: list[dict[str, Any]] = response.json()
    return found


def refused(client: TestClient, route: str, body: dict[str, Any]) -> tuple[int, str]:
    response = client.post(f"/v1/{route}", json=body)
    told = response.json()
    assert set(told) == {"code", "message", "hint"}
    assert told["message"]
    assert told["hint"]
    return response.status_code, told["code"]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_waits_is_listed_with_its_limits(client: TestClient, predictor: Fake) -> None:
    (row,) = rows(client, "review/list", {})
    assert row == {
        "head": "Person/ada",
        "relation": "KNOWS",
        "tail": "Person/bob",
        "head_name": "Ada",
        "tail_name": "Bob",
        "state": "pending",
        "probability": 0.75,
        "evidence": "a friend of both",
        "model": "main/1",
        "run": "r1",
        "reason": None,
        "note": None,
        "by": None,
        "at": None,
    }
    asked = {"relation": "PREDICTED_KNOWS", "min_probability": 0.5, "order": "uncertain", "top_k": 3}
    rows(client, "review/list", asked)
    rows(client, "review/list", {"decided": True, "relation": "KNOWS", "top_k": 2})
    assert predictor.review.asked == [(None, 0.0, "probable", 10), ("KNOWS", 0.5, "uncertain", 3), ("KNOWS", 2)]


def test_a_decision_is_made_listed_and_taken_back(client: TestClient, predictor: Fake) -> None:
    told = {"by": "anna", "note": "seen it"}
    (accepted,) = rows(client, "review/accept", ABOUT | told)
    at = {"head": "Person/ada", "relation": "KNOWS", "tail": "Person/bob", "at": "2026-11-29T12:30:00+00:00"}
    known = NOTHING | at | {"probability": 0.75, "model": "main/1"}
    assert accepted == known | told | {"state": "accepted", "reason": ""}
    (rejected,) = rows(client, "review/reject", ABOUT | {"by": "ben", "reason": "wrong-kind"})
    assert rejected == known | {"state": "rejected", "by": "ben", "note": "", "reason": "wrong-kind"}
    assert rows(client, "review/list", {"decided": True}) == [rejected]
    assert rows(client, "review/withdraw", ABOUT) == [rejected | {"state": "withdrawn"}]
    assert rows(client, "review/list", {"decided": True}) == []
    assert refused(client, "review/withdraw", ABOUT) == (422, "invalid-query")
    assert predictor.review.asked[0] == (Wish(PAIR, "accepted", "", "seen it"), "anna")
    assert predictor.review.threads == {"relpred-desk"}


def test_the_procedures_get_one_object_per_line(client: TestClient) -> None:
    response = client.post("/v1/review/list", json={}, headers=NDJSON)
    assert response.headers["content-type"].startswith("application/x-ndjson")
    assert json.loads(response.content)["state"] == "pending"


def test_an_edge_is_named_by_its_own_type_and_its_key_is_looked_at(client: TestClient) -> None:
    edge = {"relation": "PREDICTED_KNOWS", "by": "anna", "key": edge_key("Person/ada", "KNOWS", "Person/bob")}
    assert rows(client, "review/accept", ABOUT | edge)[0]["relation"] == "KNOWS"
    wrong = edge | {"key": edge_key("Person/ada", "KNOWS", "Person/cid")}
    assert refused(client, "review/accept", ABOUT | wrong) == (422, "invalid-query")
    assert refused(client, "review/withdraw", ABOUT | {"key": "0"}) == (422, "invalid-query")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UnknownEntity("Not accepted: missing node.", hint="See the list."), (404, "unknown-entity")),
        (UnknownRelation("No such type.", hint="Did you mean KNOWS?"), (404, "unknown-relation")),
        (GraphTooNew("A newer version wrote here.", hint="Upgrade."), (409, "graph-too-new")),
    ],
)
def test_an_error_of_the_desk_keeps_its_status_code_and_hint(
    client: TestClient, predictor: Fake, error: Exception, expected: tuple[int, str]
) -> None:
    predictor.review.error = error
    assert refused(client, "review/accept", ABOUT | {"by": "anna"}) == expected
    assert refused(client, "review/list", {}) == expected


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("review/accept", ABOUT),
        ("review/accept", ABOUT | {"by": ""}),
        ("review/accept", ABOUT | {"by": "anna", "reason": "other"}),
        ("review/reject", ABOUT | {"by": "anna", "reason": "because"}),
        ("review/reject", ABOUT | {"by": "anna", "note": "n" * 5_000}),
        ("review/withdraw", ABOUT | {"by": "anna"}),
        ("review/withdraw", {"relation": "KNOWS"}),
        ("review/list", {"top_k": 10_001}),
        ("review/list", {"order": "random"}),
        ("review/list", {"decided": "yes"}),
        ("run/list", {"top_k": 0}),
        ("run/undo", {}),
        ("run/undo", {"run": "r1", "dryrun": True}),
    ],
)
def test_a_body_that_is_not_as_documented_is_refused(
    client: TestClient, predictor: Fake, route: str, body: dict[str, Any]
) -> None:
    assert refused(client, route, body) == (422, "invalid-query")
    assert predictor.review.asked == []
    assert predictor.undone == []


def test_a_form_decides_nothing(client: TestClient, predictor: Fake) -> None:
    """What a web page may send without asking first."""
    content = json.dumps(ABOUT | {"by": "anna"})
    response = client.post("/v1/review/accept", content=content, headers={"Content-Type": "text/plain"})
    assert response.status_code == 422
    assert predictor.review.asked == []


def test_deciding_needs_the_token(serve: Serve, predictor: Fake, token_file: Path) -> None:
    client = serve(token_file=token_file)
    for route in ("review/list", "review/accept", "review/reject", "review/withdraw", "run/list", "run/undo"):
        assert client.post(f"/v1/{route}", json={}).status_code == 401
    told = {"Authorization": "Bearer first-token"}
    assert client.post("/v1/review/accept", json=ABOUT | {"by": "anna"}, headers=told).status_code == 200


def test_people_decide_while_the_model_is_busy_or_there_is_none(serve: Serve, predictor: Fake) -> None:
    predictor.gate.clear()
    client = serve()
    asking = threading.Thread(target=client.post, args=("/v1/tails",), kwargs={"json": {**ABOUT} | {"top_k": 1}})
    asking.start()
    assert rows(client, "review/accept", ABOUT | {"by": "anna"})[0]["state"] == "accepted"
    predictor.gate.set()
    asking.join()
    predictor.not_ready = UnknownEntity("No model.", hint="Train.")
    assert rows(serve(), "review/list", {})[0]["state"] == "pending"


def test_a_decision_that_takes_too_long_says_that_it_may_go_on(serve: Serve, predictor: Fake) -> None:
    client = serve(deadline_seconds=0.2)
    predictor.review.gate.clear()
    response = client.post("/v1/review/accept", json=ABOUT | {"by": "anna"})
    assert (response.status_code, response.json()["code"]) == (504, "deadline-passed")
    assert "/v1/review/list" in response.json()["hint"]
    predictor.review.gate.set()


def test_the_queue_of_the_desk_is_bounded(serve: Serve, predictor: Fake) -> None:
    client = serve(queue_size=1)
    predictor.review.gate.clear()
    answers: list[int] = []
    body = ABOUT | {"by": "anna"}
    callers = [
        threading.Thread(target=lambda: answers.append(client.post("/v1/review/accept", json=body).status_code))
        for _ in range(3)
    ]
    callers[0].start()
    until(lambda: len(predictor.review.asked) == 1)
    for caller in callers[1:]:
        caller.start()
    until(lambda: answers == [429])
    predictor.review.gate.set()
    for caller in callers:
        caller.join()
    assert answers == [429, 200, 200]


def test_the_ledger_is_listed(client: TestClient) -> None:
    running, done = rows(client, "run/list", {})
    assert done == {
        "run": "r1",
        "kind": "publish",
        "model": "main",
        "status": "published",
        "started_at": "2026-11-29T12:30:00+00:00",
        "finished_at": "2026-11-29T12:30:00+00:00",
        "created": 3,
        "updated": 2,
        "removed": 1,
        "unchanged": 9,
        "reason": "",
    }
    assert (running["run"], running["status"], running["finished_at"]) == ("r2", "publishing", None)
    assert [row["run"] for row in rows(client, "run/list", {"top_k": 1})] == ["r2"]


def test_a_run_is_undone_in_a_thread_of_its_own(client: TestClient, predictor: Fake) -> None:
    done = {"run": "r3", "created": 1, "updated": 2, "removed": 3, "unchanged": 4, "seconds": 0.5}
    skipped = {"skipped": {"decided by a person": 1}}
    assert rows(client, "run/undo", {"run": "r1"}) == [done | skipped | {"dry_run": False}]
    assert rows(client, "run/undo", {"run": "r1", "dry_run": True}) == [done | skipped | {"dry_run": True}]
    assert predictor.undone == [
        ("r1", False, LEASE_PATIENCE_SECONDS, "relpred-undo"),
        ("r1", True, LEASE_PATIENCE_SECONDS, "relpred-undo"),
    ]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Busy("host:17 is publishing into this database.", hint="Wait for it."), (409, "busy")),
        (PublicationStopped("KNOWS belongs to another model.", hint="Take it over."), (409, "publication-stopped")),
        (None, (404, "run-not-found")),
    ],
)
def test_an_undo_that_cannot_be_says_why(
    client: TestClient, predictor: Fake, error: Exception | None, expected: tuple[int, str]
) -> None:
    predictor.undo_error = error
    assert refused(client, "run/undo", {"run": "r9"}) == expected
