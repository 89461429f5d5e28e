from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from neo4j_relpred.config import ServiceSettings
from neo4j_relpred.data.daemon_state import DaemonState, write_state
from neo4j_relpred.errors import CheckpointCorrupt, ModelNotFound
from neo4j_relpred.service import hands as hands_module
from neo4j_relpred.service.app import create_app
from tests.unit.service.conftest import FakePredictor, Serve

QUESTION = {"head": {"element_id": "4:x:1"}, "relation": "KNOWS"}


class Read(dict[tuple[str, frozenset[tuple[str, str]]], float]):
    """What /metrics says now, by name and labels."""

    def __init__(self, client: TestClient, **headers: str) -> None:
        answer = client.get("/metrics", headers=headers)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        families = list(text_string_to_metric_families(answer.text))
        super().__init__(
            {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}
        )

    def of(self, name: str, **labels: str) -> float | None:
        return self.get((name, frozenset(labels.items())))


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands_module, "LOOK_SECONDS", 0.01)


def test_requests_are_counted_by_route_and_status(client: TestClient) -> None:
    for _ in range(2):
        assert client.post("/v1/tails", json=QUESTION).status_code == 200
    assert client.post("/v1/tails", json={}).status_code == 422
    assert client.get("/v1/tails/Ada").status_code == 404
    assert client.get("/healthz", headers={"Host": "evil.example"}).status_code == 421
    read = Read(client)
    assert read.of("relpred_requests_total", route="/v1/tails", status="200") == 2
    assert read.of("relpred_requests_total", route="/v1/tails", status="422") == 1
    assert read.of("relpred_requests_total", route="other", status="404") == 1
    assert read.of("relpred_requests_total", route="/healthz", status="421") == 1
    assert read.of("relpred_request_duration_seconds_count", route="/v1/tails") == 3
    assert read.of("relpred_request_duration_seconds_bucket", route="/v1/tails", le="30.0") == 3
    assert Read(client).of("relpred_requests_total", route="/metrics", status="200") == 1


def test_what_waits_what_runs_and_what_was_refused_is_seen(serve: Serve, predictor: FakePredictor) -> None:
    client = serve(queue_size=1)
    predictor.gate.clear()
    with ThreadPoolExecutor(2) as callers:
        running = callers.submit(client.post, "/v1/tails", json=QUESTION)
        assert predictor.entered.wait(5)
        waiting = callers.submit(client.post, "/v1/tails", json=QUESTION)
        eventually(lambda: Read(client).of("relpred_queue_waiting", queue="model") == 1)
        assert client.post("/v1/tails", json=QUESTION).status_code == 429
        read = Read(client)
        assert read.of("relpred_queue_running", queue="model") == 1
        assert read.of("relpred_queue_running", queue="desk") == 0
        assert read.of("relpred_requests_total", route="/v1/tails", status="429") == 1
        predictor.gate.set()
        assert (running.result().status_code, waiting.result().status_code) == (200, 200)
    eventually(lambda: Read(client).of("relpred_queue_running", queue="model") == 0)
    assert Read(client).of("relpred_queue_waiting", queue="model") == 0


def test_a_question_that_was_given_up_waits_no_longer(serve: Serve, predictor: FakePredictor) -> None:
    client = serve(deadline_seconds=0.1)
    predictor.gate.clear()
    for _ in range(2):
        assert client.post("/v1/tails", json=QUESTION).status_code == 504
    read = Read(client)
    assert read.of("relpred_queue_waiting", queue="model") == 0
    assert read.of("relpred_queue_running", queue="model") == 1  # nobody waits for it, but it has the model


def test_models_that_are_loaded_and_those_that_are_not(serve: Serve, predictor: FakePredictor) -> None:
    predictor.not_ready = ModelNotFound("There is no model.", hint="Train one.")
    client = serve()
    eventually(lambda: (Read(client).of("relpred_model_load_failures_total") or 0) > 0)
    assert Read(client).of("relpred_model_loaded") == 0
    assert Read(client).of("relpred_model_loads_total") == 0
    predictor.not_ready = None
    eventually(lambda: Read(client).of("relpred_model_loaded") == 1)
    assert Read(client).of("relpred_model_loads_total") == 1
    predictor.version = 2
    eventually(lambda: Read(client).of("relpred_model_loads_total") == 2)
    failed = Read(client).of("relpred_model_load_failures_total") or 0
    predictor.not_ready = CheckpointCorrupt("The checkpoint is damaged.", hint="Roll back.")
    eventually(lambda: (Read(client).of("relpred_model_load_failures_total") or 0) > failed)
    assert Read(client).of("relpred_model_loaded") == 1  # the old one goes on answering


def test_the_process_is_measured(client: TestClient) -> None:
    read = Read(client)
    assert (read.of("process_resident_memory_bytes") or 0) > 1_000_000
    assert (read.of("process_open_fds") or 0) > 1


def test_services_in_one_process_count_for_themselves(serve: Serve) -> None:
    first, second = serve(), serve()
    first.get("/healthz")
    assert Read(first).of("relpred_requests_total", route="/healthz", status="200") == 1
    assert Read(second).of("relpred_requests_total", route="/healthz", status="200") is None


def test_metrics_are_behind_the_token(serve: Serve, token_file: Path) -> None:
    client = serve(token_file=token_file)
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer another-token"}).status_code == 401
    read = Read(client, authorization="Bearer first-token", host="relpred.example:7475")
    assert read.of("relpred_requests_total", route="/metrics", status="401") == 2


def test_no_label_is_a_word_of_a_question_a_run_or_a_token(
    serve: Serve, predictor: FakePredictor, token_file: Path
) -> None:
    client = serve(token_file=token_file)
    bearer = {"Authorization": "Bearer first-token"}
    predictor.error = ValueError("Ada's secret")
    client.post("/v1/tails", json=QUESTION, headers=bearer)
    client.post("/v1/run/undo", json={"run": "r1"}, headers=bearer)
    client.get("/v1/tails/Ada?q=Ada", headers=bearer)
    client.request("ADA", "/healthz")
    read = Read(client, **bearer)
    routes = {*create_app(predictor, ServiceSettings()).openapi()["paths"], "other"}
    allowed = {
        "route": routes,
        "status": {"200", "404", "405", "500"},
        "queue": {"model", "desk", "undo"},
    }
    labels = {label for _, labels in read for label in labels if label[0] != "le"}
    assert {name for name, _ in labels} == set(allowed)
    assert [(name, value) for name, value in labels if value not in allowed[name]] == []


SYNC = ("up", "lag_seconds", "pending", "failing", "failures_in_a_row")


def test_a_daemon_is_measured_by_its_file_where_there_is_one(client: TestClient, predictor: FakePredictor) -> None:
    assert [name for name, _ in Read(client) if name.startswith("relpred_sync_")] == []
    now = datetime.now(UTC).isoformat()
    state = DaemonState("main", "here", 7, "syncing", now, now, now, pending=3, failing=2, failures_in_a_row=1)
    write_state(predictor.settings.home, state)
    read = Read(client)
    assert [read.of(f"relpred_sync_{name}") for name in SYNC] == [1, None, 3, 2, 1]  # no lag before the first sync
    stuck = replace(state, current_to=now, moved_at="2026-01-01T00:00:00+00:00")
    write_state(predictor.settings.home, stuck)
    read = Read(client)
    assert read.of("relpred_sync_up") == 0
    assert 0 <= (read.of("relpred_sync_lag_seconds") or -1) < 60
