"""The routes of the model's versions."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from tests.unit.service.conftest import FakePredictor


def post(client: TestClient, name: str, **body: object) -> Any:
    return client.post(f"/v1/models/{name}", json=body)


def test_versions_are_listed_with_their_figures(client: TestClient) -> None:
    first, second = post(client, "list").json()
    assert first == {
        "model": "main",
        "version": 1,
        "live": True,
        "trained_at": "2026-11-29T12:30:00+00:00",
        "figures": {"entityMrr": 0.5, "entityHitsAt10": 0.75, "relationHitsAt1": 0.875},
        "training": {"minutes": 4.0, "seed": 0},
    }
    assert (second["version"], second["live"]) == (2, False)


def test_a_version_is_promoted_and_taken_back(client: TestClient) -> None:
    (row,) = post(client, "promote", version=2).json()
    assert (row["version"], row["live"]) == (2, True)
    (row,) = post(client, "rollback").json()
    assert (row["version"], row["live"]) == (1, True)


def test_a_dropped_version_is_told_once_more(client: TestClient, predictor: FakePredictor) -> None:
    (row,) = post(client, "drop", version=2).json()
    assert row["version"] == 2
    assert list(predictor.versions) == [1]


def test_an_unknown_version_is_no_service_that_is_not_ready(client: TestClient) -> None:
    answer = post(client, "promote", version=7)
    assert (answer.status_code, answer.json()["code"]) == (404, "version-not-found")
    assert post(client, "promote").status_code == 422
    assert post(client, "list", version=1).status_code == 422
    for route in ("promote", "drop"):
        assert post(client, route, version=10**300).json()["code"] == "invalid-query"  # no folder has such a name
        assert post(client, route, version=7).json()["code"] == "version-not-found"
