"""Workers in processes of their own, which answer by a facade of a few lines."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.testclient import TestClient

from neo4j_relpred.config import ServiceSettings
from neo4j_relpred.errors import UnknownEntity
from neo4j_relpred.service.app import create_app
from neo4j_relpred.service.facade import Predictor
from neo4j_relpred.service.hands import Call
from neo4j_relpred.service.pool import Elsewhere
from neo4j_relpred.service.worker import ModelWorker
from neo4j_relpred.triples import Query
from neo4j_relpred.wire import NotReady, ServiceFailed
from tests.unit.service.conftest import FakePredictor
from tests.unit.service.far import FarPredictor, predicted

pytestmark = pytest.mark.slow  # processes are started


def opened(live: Path) -> Callable[[], Predictor]:
    return cast("Callable[[], Predictor]", partial(FarPredictor, live))


def eventually(holds: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def runs(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def asked(worker: ModelWorker, relation: str) -> Future[int]:
    """Which process answers."""
    return worker.submit(cast("Call[int]", partial(predicted, Query(head="ada", relation=relation))))


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """The file that names the live version."""
    file = tmp_path / "live"
    file.write_text("main@1", encoding="utf-8")
    return file


@pytest.fixture
def worker(live: Path) -> Iterator[ModelWorker]:
    worker = ModelWorker([Elsewhere(opened(live)) for _ in range(2)], 32)
    worker.start()
    eventually(lambda: worker.up == 2)
    yield worker
    there = processes(worker)
    worker.close()
    assert [pid for pid in there if runs(pid)] == []


def processes(worker: ModelWorker) -> list[int]:
    return [hand.pid for hand in worker.hands if isinstance(hand, Elsewhere) and hand.pid is not None]


def test_each_process_answers_and_errors_come_as_they_were_raised(worker: ModelWorker, live: Path) -> None:
    together = [asked(worker, "SLEEP") for _ in range(2)]
    eventually(lambda: worker.free == 0)
    assert worker.load() == (0, 2)
    assert {answer.result(20) for answer in together} == set(processes(worker))
    error = asked(worker, "FAIL").exception(20)
    assert isinstance(error, UnknownEntity)
    assert (error.message, error.hint) == ("There is no such node.", "Was it deleted?")
    assert isinstance(asked(worker, "BREAK").exception(20), ServiceFailed)
    live.write_text("main@2", encoding="utf-8")
    eventually(lambda: worker.model == "main@2")
    live.unlink()
    eventually(lambda: worker.problem is not None and worker.problem.code == "model-not-found")
    assert worker.up == 2  # the old one answers
    worker.close()
    assert len(list(live.parent.glob("closed-*"))) == 2  # what they opened


def test_what_a_killed_process_was_asked_is_asked_of_another(
    worker: ModelWorker, caplog: pytest.LogCaptureFixture
) -> None:
    together = [asked(worker, "SLEEP") for _ in range(2)]
    eventually(lambda: worker.free == 0)
    killed, other = processes(worker)
    os.kill(killed, signal.SIGKILL)
    assert [answer.result(20) for answer in together] == [other, other]
    assert "worker ended" in caplog.text
    eventually(lambda: worker.up == 2)
    assert sum(hand.restarts for hand in worker.hands) == 1
    assert killed not in processes(worker)


def test_what_ends_two_processes_is_refused_and_so_is_all_else_until_one_is_back(worker: ModelWorker) -> None:
    error = asked(worker, "DIE").exception(20)
    assert isinstance(error, NotReady)
    assert error.hint
    with pytest.raises(NotReady):
        asked(worker, "KNOWS")
    assert worker.model is None
    eventually(lambda: worker.up == 2)
    assert asked(worker, "KNOWS").result(20) in processes(worker)


def test_closing_lets_the_running_call_end_and_waits_for_no_other(worker: ModelWorker) -> None:
    running = asked(worker, "SLEEP")
    eventually(lambda: worker.free == 1)
    worker.close()
    assert running.result(20)
    assert worker.load() == (0, 0)


def test_a_service_cuts_a_long_list_for_those_that_are_free(predictor: FakePredictor, live: Path) -> None:
    app = create_app(cast(Predictor, predictor), ServiceSettings(workers=2), opened=opened(live))
    names = [f"person{number}" for number in range(250)]
    question = {"heads": [{"element_id": name} for name in names], "relation": "SLEEP"}
    with TestClient(app, base_url="http://127.0.0.1:7475") as client, ThreadPoolExecutor(1) as callers:

        def ready() -> bool:
            answer = client.get("/readyz").json()
            return bool(answer == {"status": "ready", "model": "main@1", "workers": 2})

        eventually(ready)
        rows: list[dict[str, Any]] = client.post("/v1/tails", json=question).json()
        assert [row["head"]["id"] for row in rows] == names
        assert len({row["tail"]["id"] for row in rows[:125]}) == len({row["tail"]["id"] for row in rows[125:]}) == 1
        assert len({row["tail"]["id"] for row in rows}) == 2
        assert {row["model"] for row in rows} == {"main@1"}
        running = callers.submit(client.post, "/v1/tails", json={**question, "heads": question["heads"][:1]})
        time.sleep(0.1)
        one_free: list[dict[str, Any]] = client.post("/v1/tails", json=question).json()
        assert running.result().status_code == 200
        assert len({row["tail"]["id"] for row in one_free}) == 1
        failed = client.post("/v1/tails", json={**question, "relation": "FAIL"})
        assert (failed.status_code, failed.json()["code"]) == (404, "unknown-entity")
        assert "relpred_workers_up 2.0" in client.get("/metrics").text
