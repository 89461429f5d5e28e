"""docs/reference/http.md names every route, code, status and key."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from starlette.testclient import TestClient

from neo4j_relpred import errors, wire
from neo4j_relpred.config import ServiceSettings
from neo4j_relpred.data.daemon_state import DaemonState, write_state
from neo4j_relpred.errors import RelpredError
from neo4j_relpred.service import bodies, decision_bodies, job_bodies, sync_routes
from neo4j_relpred.service.app import DEADLINE_SECONDS, create_app
from neo4j_relpred.service.explain_bodies import ExplainBody
from neo4j_relpred.service.facade import Predictor
from tests.unit.service.conftest import FakePredictor

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "http.md").read_text(encoding="utf-8")


def test_every_code_stands_beside_its_status() -> None:
    told = {code: int(status) for status, code in re.findall(r"^\| (\d{3})[, \d]* \| `([a-z-]+)` ", PAGE, re.MULTILINE)}
    kinds = [
        kind
        for module in (errors, wire)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, RelpredError)
    ]
    assert told == {kind.code: kind.http_status for kind in kinds}


def test_every_route_is_described(predictor: Predictor) -> None:
    paths: dict[str, Any] = create_app(predictor, ServiceSettings()).openapi()["paths"]
    told = re.findall(r"^\| `(GET|POST) (/[a-z0-9/]+)` \|", PAGE, re.MULTILINE)
    assert sorted(told) == sorted((method.upper(), path) for path, methods in paths.items() for method in methods)


@pytest.mark.parametrize(
    "body",
    [
        bodies.RelationsBody,
        bodies.TailsBody,
        bodies.HeadsBody,
        bodies.ScoreBody,
        bodies.EstimateBody,
        ExplainBody,
    ],
)
def test_every_key_of_a_question_is_described(body: type[BaseModel]) -> None:
    route = body.__name__.removesuffix("Body").lower()
    told = {
        key for key, routes in re.findall(r"^\| `([a-z_]+)` \| ([a-z, ]+) \|", PAGE, re.MULTILINE) if route in routes
    }
    assert told == set(body.model_fields)


def test_every_key_of_a_row_is_described() -> None:
    assert keys_between("## Answers", "## Estimating") == set(wire.ScoredTripleBody.model_fields)
    assert keys_between("## Estimating", "## Explaining") == set(wire.EstimateRowBody.model_fields)
    assert keys_between("## Explaining", "## Deciding") == set(wire.EvidenceRowBody.model_fields)


def keys_between(first: str, last: str) -> set[str]:
    """The keys in the first column of the tables there."""
    table = PAGE[PAGE.index(f"\n{first}\n") : PAGE.index(f"\n{last}\n")]
    rows = re.findall(r"^\| (`.+?`) \| [a-z]", table, re.MULTILINE)
    return {key for keys in rows for key in re.findall("`(.+?)`", keys)}


def test_every_key_of_a_decision_and_of_a_run_is_described() -> None:
    asked: dict[str, type[BaseModel]] = {
        "review/list": decision_bodies.ReviewListBody,
        "accept": decision_bodies.AcceptBody,
        "reject": decision_bodies.RejectBody,
        "withdraw": decision_bodies.WithdrawBody,
        "run/list": decision_bodies.RunListBody,
        "undo": decision_bodies.UndoBody,
    }
    table = PAGE[PAGE.index("\n## Deciding\n") : PAGE.index("\n## Jobs\n")]
    found = re.findall(r"^\| `([a-z_]+)` \| ([a-z/, ]+) \| [a-z`]", table, re.MULTILINE)
    for route, body in asked.items():
        assert {key for key, routes in found if route in routes.split(", ")} == set(body.model_fields), route
    assert keys_between("### What is told of a triple", "## Runs") == set(wire.ReviewRowBody.model_fields)
    assert keys_between("### What is told of a run", "## Jobs") == {
        *wire.RunRowBody.model_fields,
        *wire.UndoRowBody.model_fields,
    }


def test_every_key_of_a_job_and_of_a_version_is_described() -> None:
    submitted = (job_bodies.TrainJobBody, job_bodies.PublishJobBody, job_bodies.SyncJobBody, job_bodies.JobListBody)
    assert keys_between("## Jobs", "### What is told of a job") == {
        key for body in submitted for key in body.model_fields
    }
    assert keys_between("### What is told of a job", "### What a job would take") == set(wire.JobRowBody.model_fields)
    assert keys_between("### What a job would take", "## Versions of the model") == {
        *wire.TrainEstimateRowBody.model_fields,
        *wire.PublishEstimateRowBody.model_fields,
    }
    assert keys_between("## Versions of the model", "## The daemon") == set(wire.ModelRowBody.model_fields)


def test_every_key_of_the_daemon_is_described() -> None:
    told = {*sync_routes.PauseBody.model_fields, *sync_routes.FailuresBody.model_fields}
    assert keys_between("## The daemon", "### What is told of the daemon") == told
    assert keys_between("### What is told of the daemon", "### What is told of a failure") == set(
        wire.SyncRowBody.model_fields
    )
    assert keys_between("### What is told of a failure", "## Settings") == set(wire.FailureRowBody.model_fields)


def test_every_metric_is_described(predictor: FakePredictor) -> None:
    now = datetime.now(UTC).isoformat()
    write_state(predictor.settings.home, DaemonState("main", "here", 7, "waiting", now, now, now, current_to=now))
    app = create_app(predictor, ServiceSettings())
    with TestClient(app, base_url="http://127.0.0.1:7475") as client:
        client.get("/healthz")
        text = client.get("/metrics").text
    measured = set(re.findall("^# TYPE (relpred_[a-z_]+)", text, re.MULTILINE))
    told = set(re.findall("^\\| `(relpred_[a-z_]+)` \\|", PAGE, re.MULTILINE))
    assert told == {name for name in measured if not name.endswith("_created")}


def test_the_deadline_and_the_most_rows_are_as_told() -> None:
    assert f"not there within {DEADLINE_SECONDS:g} seconds" in PAGE
    assert f"1 to {wire.MOST_ROWS}" in PAGE
