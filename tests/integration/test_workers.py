"""The real service with two processes that answer: as one would, whatever happens to them."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from filelock import FileLock

from neo4j_relpred import Client
from neo4j_relpred.api import sharing
from neo4j_relpred.demo.server import free_port
from neo4j_relpred.triples import Query
from tests.integration.graphs import Town, child
from tests.integration.serving import until
from tests.integration.test_hand_over import Callers, second_version

pytestmark = pytest.mark.usefixtures("on_line_5")
PEOPLE = 8
START_SECONDS = 120  # as much as for a service alone


@contextmanager
def working(town: Town, port: int) -> Iterator[subprocess.Popen[str]]:
    """The service, once both processes have the model."""
    ours = {"RELPRED_SERVICE__WORKERS": "2", "RELPRED_SERVICE__PORT": str(port)}
    with child(["--config", str(town.config), "serve"], **ours) as service:
        until(lambda: up(port) == 2, START_SECONDS)
        yield service


def up(port: int) -> int:
    """How many workers can be asked."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return int(float(answer.read().decode().split("\nrelpred_workers_up ")[1].split()[0]))
    except OSError:
        return 0


def children(service: subprocess.Popen[str]) -> list[int]:
    tasks = Path(f"/proc/{service.pid}/task").glob("*/children")
    return sorted(int(pid) for task in tasks for pid in task.read_text().split())


def there(pids: Sequence[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.fixture
def port() -> int:
    return free_port()


def test_what_is_shared_is_written_once_and_anew_where_it_is_damaged_or_old(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    query = Query(head="person0", relation="HAS_SKILL")

    def folders_after_answering() -> list[Path]:
        with town.predictor() as predictor:
            predictor.keep_answering()
            assert predictor.ready() == predictor.model
            assert [one.triple for one in predictor.predict(query)] == [one.triple for one in expected]
        return [path for path in (town.home / "served").iterdir() if path.is_dir()]

    with town.predictor() as predictor:
        expected = predictor.predict(query)
    (first,) = folders_after_answering()
    written = (first / "manifest.json").stat().st_mtime_ns
    assert folders_after_answering() == [first]
    assert (first / "manifest.json").stat().st_mtime_ns == written
    weights = first / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert folders_after_answering() == [first]
    assert "cannot be used" in caplog.text
    with town.predictor() as predictor:
        assert [one.triple for one in predictor.predict(query)] == [one.triple for one in expected]
        assert "encoder" not in vars(predictor._workspace)  # nothing was encoded, nothing worked out
    second_version(town)
    assert town.cli("model", "promote", "2").code == 0
    (second,) = folders_after_answering()
    assert second.name.startswith("2-")


def test_who_waits_too_long_for_the_folder_works_the_model_out_alone(
    town: Town, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "PATIENCE_SECONDS", 0.1)
    served = town.home / "served"
    served.mkdir(exist_ok=True)
    with FileLock(served / "lock"), town.predictor() as predictor:
        predictor.keep_answering()
        assert predictor.ready() == predictor.model
    assert "a copy of the model for itself" in caplog.text


def test_two_processes_answer_as_one_does_and_end_with_a_service_that_is_killed(town: Town, port: int) -> None:
    queries = [Query(head=f"person{number}", relation="HAS_SKILL") for number in range(PEOPLE)]
    with town.predictor() as predictor:
        expected = predictor.predict_each(queries, top_k=5)
    with working(town, port) as service, Client(f"http://127.0.0.1:{port}") as client:
        for number, wanted in enumerate(expected):
            found = client.tails(f"person{number}", "HAS_SKILL", top_k=5)
            assert [row.triple for row in found] == [answer.triple for answer in wanted]
            probable = [answer.probability for answer in wanted]
            assert [row.probability for row in found] == pytest.approx(probable, abs=1e-5)
        (folder,) = (path for path in (town.home / "served").iterdir() if path.is_dir())
        workers = children(service)
        assert len(workers) == 2
        for pid in workers:
            assert str(folder / "weights.safetensors") in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
        service.kill()
        until(lambda: there(workers) == [])


def test_no_request_fails_while_versions_take_over_and_a_process_is_killed(town: Town, port: int) -> None:
    second_version(town)
    with working(town, port) as service:
        callers = Callers(port)
        threads = [threading.Thread(target=callers.ask, args=(number,)) for number in range(PEOPLE)]
        for thread in threads:
            thread.start()
        try:
            until(lambda: len(callers.models) > PEOPLE)
            for words, name in ((("promote", "2"), "default@2"), (("rollback",), "default@1")):
                assert town.cli("model", *words).code == 0
                until(partial(callers.hear, name))
            killed = children(service)[0]
            os.kill(killed, signal.SIGKILL)
            until(lambda: up(port) == 1)
            until(lambda: up(port) == 2, START_SECONDS)
            assert killed not in children(service)
        finally:
            callers.stop.set()
            for thread in threads:
                thread.join()
        assert callers.errors == []
        assert set(callers.models) == {"default@1", "default@2"}
        left = children(service)
        service.terminate()
        assert service.wait(timeout=20) == 0
        assert there(left) == []
