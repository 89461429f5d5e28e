"""The settings of a service, as others may see them."""

from __future__ import annotations

import re

from starlette.testclient import TestClient

from neo4j_relpred.config import Settings
from tests.unit.service.conftest import FakePredictor


def test_the_settings_are_shown_and_no_secret(client: TestClient, predictor: FakePredictor) -> None:
    graph = {"password": "hunter2", "writer_password_file": "/run/secrets/w", "keys": {"Person": "id"}}
    predictor.settings = Settings.model_validate({"graph": graph, "service": {"token_file": "/run/secrets/t"}})
    answer = client.post("/v1/config/show", json={})
    shown = {row["key"]: row["value"] for row in answer.json()}
    secrets = {key: value for key, value in shown.items() if re.search("password|token_file", key)}
    assert secrets == {
        "graph.password": "set",
        "graph.password_file": "unset",
        "graph.writer_password": "unset",
        "graph.writer_password_file": "set",
        "service.token_file": "set",
    }
    assert "hunter2" not in answer.text
    assert "/run" not in answer.text
    assert shown["graph.keys"] == {"Person": "id"}
    assert (shown["model.hidden"], shown["graph.names"], shown["home"]) == (192, ["name", "title"], ".relpred")
    assert client.post("/v1/config/show", json={"key": "home"}).status_code == 422
