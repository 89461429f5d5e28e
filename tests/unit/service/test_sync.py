"""The routes of the daemon: how it is, by whatever it wrote last, and what it is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from neo4j_relpred.data.daemon_state import STANDING_BY, DaemonState, write_state
from neo4j_relpred.graph.daemons import Failure
from tests.unit.service.conftest import FakePredictor


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


@pytest.fixture
def state() -> DaemonState:
    return DaemonState(
        model="main",
        host="one",
        pid=7,
        state="waiting",
        started_at=ago(600),
        beat_at=ago(1),
        moved_at=ago(1),
        live="main@2",
        current_to=ago(90),
        pending=3,
        failing=2,
        synced_at=ago(80),
        sync_seconds=1.5,
        changed_nodes=4,
        created=5,
        next_sync=ago(-60),
    )


def asked(client: TestClient, name: str, **body: object) -> Any:
    answer = client.post(f"/v1/sync/{name}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_daemon_that_never_ran_is_told_of_as_such(client: TestClient) -> None:
    (row,) = asked(client, "status")
    assert (row["state"], row["lag_seconds"], row["last_sync"], row["host"]) == ("absent", None, {}, None)
    assert "relpred daemon" in row["problem"]
    assert asked(client, "failures") == []


def test_the_status_is_what_the_node_says(client: TestClient, predictor: FakePredictor, state: DaemonState) -> None:
    predictor.daemons.state = state
    (row,) = asked(client, "status")
    assert 90 <= row.pop("lag_seconds") < 120
    figures = {"changed_nodes": 4, "changed_edges": 0, "encoded_texts": 0, "created": 5, "updated": 0, "removed": 0}
    assert row == {
        "state": "waiting",
        "problem": None,
        "pending": 3,
        "failing": 2,
        "model": "main@2",
        "paused_by": None,
        "training": None,
        "training_share": 0.0,
        "training_result": None,
        "synced_at": state.synced_at,
        "last_sync": {**figures, "sync_seconds": 1.5},
        "next_sync": state.next_sync,
        "next_refresh": None,
        "next_retrain": None,
        "error_code": None,
        "error_hint": None,
        "failures_in_a_row": 0,
        "host": "one",
        "beat_at": state.beat_at,
    }


def test_the_fresher_of_file_and_node_counts_and_whoever_leads_before_one_that_stands_by(
    client: TestClient, predictor: FakePredictor, state: DaemonState
) -> None:
    predictor.daemons.state = state
    here = replace(state, host="here", state="syncing", beat_at=ago(0))
    write_state(predictor.settings.home, here)
    assert [row["host"] for row in asked(client, "status")] == ["here"]
    write_state(predictor.settings.home, replace(here, beat_at=ago(500)))
    assert [row["host"] for row in asked(client, "status")] == ["one"]
    write_state(predictor.settings.home, replace(here, state=STANDING_BY))
    assert [row["host"] for row in asked(client, "status")] == ["one"]
    write_state(predictor.settings.home, replace(here, model="another"))
    assert [row["host"] for row in asked(client, "status")] == ["one"]


def test_what_is_wrong_is_said(client: TestClient, predictor: FakePredictor, state: DaemonState) -> None:
    wrong = {"error_code": "graph-unavailable", "error_hint": "Start it.", "failures_in_a_row": 3}
    predictor.daemons.state = replace(state, **wrong)  # type: ignore[arg-type]  # values of several kinds
    (row,) = asked(client, "status")
    assert {name: row[name] for name in wrong} == wrong
    assert row["problem"] == "The last 3 tries failed. graph-unavailable: Start it."


def test_a_pause_names_who_paused_until_it_is_taken_back(
    client: TestClient, predictor: FakePredictor, state: DaemonState
) -> None:
    assert asked(client, "pause", by="anna")[0]["paused_by"] == "anna"  # though no daemon ran yet
    predictor.daemons.state = state
    assert asked(client, "pause", by="ben")[0]["paused_by"] == "anna"
    assert asked(client, "resume")[0]["paused_by"] is None
    assert client.post("/v1/sync/pause", json={}).status_code == 422
    assert client.post("/v1/sync/resume", json={"by": "anna"}).status_code == 422


def test_nodes_that_were_left_out_are_listed(client: TestClient, predictor: FakePredictor) -> None:
    predictor.daemons.left_out = [
        Failure("Person/ada", "encode", "NotFinite", 3, "2026-11-29T12:30:00+00:00"),
        Failure("Person/bob", "encode", "NotFinite", 7, None),
    ]
    rows = asked(client, "failures")
    assert rows[0] == {
        "item": "Person/ada",
        "step": "encode",
        "error": "NotFinite",
        "tries": 3,
        "again_at": "2026-11-29T12:30:00+00:00",
    }
    assert rows[1]["again_at"] is None
    assert len(asked(client, "failures", top_k=1)) == 1
