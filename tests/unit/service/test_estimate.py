"""What a question would cost, over HTTP: from what was measured where there is something, else a rough figure."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from neo4j_relpred.errors import UnknownRelation
from neo4j_relpred.service.pace import Pace
from tests.unit.service.conftest import FakePredictor

TAILS = {"question": "tails", "relation": "KNOWS"}


def estimate(client: TestClient, **body: object) -> dict[str, Any]:
    (row,) = client.post("/v1/estimate", json=body).json()
    assert isinstance(row, dict)
    return row


def test_an_estimate_asks_nothing_and_says_that_it_is_rough(client: TestClient, predictor: FakePredictor) -> None:
    row = estimate(client, **TAILS, number=20)
    seconds = row.pop("seconds")
    assert row == {
        "nodes": 3,
        "relationships": 4,
        "candidates": 100,
        "bytes_min": 1_000,
        "bytes_max": 3_000_000,
        "memory": "[1000 Bytes ... 2 MiB]",
        "basis": "rough",
    }
    assert seconds > 0
    assert predictor.asked == []


def test_an_estimate_is_measured_once_something_of_its_kind_was_asked(client: TestClient) -> None:
    assert client.post("/v1/tails", json={"head": {"id": "Person/ada"}, "relation": "KNOWS"}).status_code == 200
    assert estimate(client, **TAILS)["basis"] == "measured"
    assert estimate(client, question="heads", relation="KNOWS")["basis"] == "rough"
    assert estimate(client, question="score", number=0)["seconds"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"question": "tails"},
        {"question": "relations", "relation": "KNOWS"},
        {"question": "nothing"},
        {**TAILS, "number": -1},
        {**TAILS, "nodes": 1},
    ],
)
def test_what_cannot_be_estimated_is_refused(client: TestClient, wrong: dict[str, object]) -> None:
    assert client.post("/v1/estimate", json=wrong).status_code == 422


def test_a_question_for_another_model_is_refused(client: TestClient) -> None:
    for model, status in (("main", 200), ("main/1", 200), ("main/2", 422), ("other", 422)):
        question = {"head": {"id": "Person/ada"}, "relation": "KNOWS", "model": model}
        assert client.post("/v1/tails", json=question).status_code == status
        assert client.post("/v1/estimate", json={**TAILS, "model": model}).status_code == status
    refused = client.post("/v1/score", json={"triples": [], "model": "other"} | {"triples": [TRIPLE]}).json()
    assert "'main/1', not with 'other'" in refused["message"]


TRIPLE = {"head": {"id": "Person/ada"}, "relation": "KNOWS", "tail": {"id": "Person/bob"}}


def test_the_pace_is_that_of_the_requests_most_like_it_in_number() -> None:
    pace = Pace()
    for number, seconds in ((1, 0.5), (1, 0.1), (1, 0.2), (1_000, 1.0)):
        pace.note("tails", number, seconds)
    assert pace.seconds("tails", 1, 0) == (0.2, True)
    assert pace.seconds("tails", 10, 0) == (2.0, True)
    assert pace.seconds("tails", 500, 0) == (0.5, True)
    assert pace.seconds("tails", 0, 0) == (0.0, True)
    few, many = pace.seconds("heads", 1, 100), pace.seconds("heads", 1, 10**9)
    assert not few[1]
    assert few[0] < many[0]


def test_the_pace_of_what_failed_is_not_kept(client: TestClient, predictor: FakePredictor) -> None:
    predictor.error = UnknownRelation("There is no such type.", hint="Ask for another.")
    assert client.post("/v1/tails", json={"head": {"id": "Person/ada"}, "relation": "KNOWS"}).status_code == 404
    predictor.error = None
    assert estimate(client, **TAILS)["basis"] == "rough"
