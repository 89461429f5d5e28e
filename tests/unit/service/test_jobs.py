"""The routes of jobs: what is submitted, and what is told."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.unit.service.conftest import FakePredictor


def post(client: TestClient, name: str, **body: object) -> Any:
    answer = client.post(f"/v1/jobs/{name}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_training_is_submitted_with_what_was_said_and_nothing_else(
    client: TestClient, predictor: FakePredictor
) -> None:
    (row,) = post(client, "train", minutes=2, fresh=True, job_id="nightly", model_name="main")
    assert predictor.jobs.submitted == [
        ("train", {"fresh": True, "go_on": False, "gate": False}, {"training": {"minutes": 2}})
    ]
    assert row == {
        "job_id": "nightly",
        "kind": "train",
        "state": "running",
        "stage": "fit",
        "progress": 0.25,
        "submitted_at": "2026-11-29T12:30:00+00:00",
        "started_at": "2026-11-29T12:30:00+00:00",
        "ended_at": None,
        "seconds": row["seconds"],
        "options": {"fresh": True, "go_on": False, "gate": False},
        "result": {},
        "error": None,
        "notes": ["odd"],
    }
    assert row["seconds"] > 0


def test_settings_of_a_publication_and_its_options_go_their_ways(client: TestClient, predictor: FakePredictor) -> None:
    post(client, "publish", precision=0.9, top_k=5, dry_run=True)
    options = {"precision": 0.9, "dry_run": True, "confirm_shrink": False, "take_over": False}
    assert predictor.jobs.submitted == [("publish", options, {"publishing": {"top_k": 5}})]


def test_a_sync_is_submitted_and_nothing_but_what_it_knows(client: TestClient, predictor: FakePredictor) -> None:
    post(client, "sync", publish=False)
    assert predictor.jobs.submitted == [("sync", {"publish": False}, {})]
    answer = client.post("/v1/jobs/sync", json={"minutes": 3})
    assert answer.status_code == 422
    assert "unknown key minutes" in answer.json()["message"]


def test_jobs_are_listed_shown_and_cancelled(client: TestClient) -> None:
    post(client, "train")
    assert [row["job_id"] for row in post(client, "list")] == ["train-1"]
    assert post(client, "show", job_id="train-1")[0]["state"] == "running"
    (row,) = post(client, "cancel", job_id="train-1")
    assert (row["state"], row["seconds"]) == ("cancelled", 0.0)


def test_a_submission_is_taken_back(client: TestClient) -> None:
    post(client, "train")
    (row,) = post(client, "withdraw", job_id="train-1")
    assert row["state"] == "cancelled"


def test_an_unknown_job_and_another_model_are_refused(client: TestClient) -> None:
    answer = client.post("/v1/jobs/cancel", json={"job_id": "no"})
    assert (answer.status_code, answer.json()["code"]) == (404, "job-not-found")
    answer = client.post("/v1/jobs/train", json={"model_name": "other"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-query")
    assert "'main'" in answer.json()["message"]


@pytest.mark.parametrize(
    "body", [{"minutes": 0}, {"minutes": "2"}, {"seed": -1}, {"device": "tpu"}, {"job_id": "a b"}, {"job_id": ""}]
)
def test_what_cannot_be_is_refused_before_it_is_submitted(
    client: TestClient, predictor: FakePredictor, body: dict[str, object]
) -> None:
    assert client.post("/v1/jobs/train", json=body).status_code == 422
    assert predictor.jobs.submitted == []


def test_what_a_training_would_take_is_told_and_nothing_submitted(client: TestClient, predictor: FakePredictor) -> None:
    (row,) = post(client, "train/estimate", minutes=2, seed=7, job_id="nightly", model_name="main")
    assert row == {
        "nodes": 3,
        "relationships": 4,
        "bytes_min": 1_000,
        "bytes_max": 5_002_000,
        "memory": "[1000 Bytes ... 4 MiB]",
        "parts": {"graph": 2_000, "tower": 5_000_000},
        "free": None,
        "seconds": 120,
    }
    assert predictor.jobs.submitted == []
    assert predictor.threads == {"relpred-desk"}  # it waits for no question
    assert client.post("/v1/jobs/train/estimate", json={"model_name": "other"}).status_code == 422


def test_what_a_publication_would_ask_is_told_and_nothing_submitted(
    client: TestClient, predictor: FakePredictor
) -> None:
    (row,) = post(client, "publish/estimate", precision=0.9)
    assert row == {
        "questions": 120,
        "candidates": 3_200,
        "settled": 7,
        "bytes_min": 3_000_000,
        "bytes_max": 3_000_000,
        "memory": "2 MiB",
        "seconds": 60.0,
        "share": 0.5,
    }
    assert post(client, "publish/estimate", minutes=1)[0]["share"] == 1.0
    assert predictor.jobs.submitted == []
    assert predictor.threads == {"relpred-model"}  # it asks the model to see how long that takes
    assert client.post("/v1/jobs/publish/estimate", json={"model_name": "other"}).status_code == 422
