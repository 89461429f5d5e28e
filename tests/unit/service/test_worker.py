from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from neo4j_relpred.config import ServiceSettings
from neo4j_relpred.errors import CheckpointCorrupt, ModelNotFound, Overloaded, UnknownEntity
from neo4j_relpred.service import hands as hands_module
from neo4j_relpred.service.app import create_app
from neo4j_relpred.service.facade import Predictor
from neo4j_relpred.service.hands import Alike, Here, ModelHere
from neo4j_relpred.service.worker import ModelWorker, Worker
from neo4j_relpred.triples import Query
from neo4j_relpred.wire import NotReady

Serve = Callable[..., TestClient]
QUESTION = {"head": {"element_id": "4:x:1"}, "relation": "KNOWS"}


class Fake(Predictor, Protocol):
    gate: threading.Event
    entered: threading.Event
    asked: list[tuple[Query, int, float]]
    not_ready: Exception | None
    version: int


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands_module, "LOOK_SECONDS", 0.01)


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def asking(client: TestClient) -> Callable[[], Any]:
    return lambda: client.post("/v1/tails", json=QUESTION)


def test_a_full_queue_is_told_at_once(serve: Serve, predictor: Fake) -> None:
    client = serve(queue_size=1)
    predictor.gate.clear()
    with ThreadPoolExecutor(2) as others:
        running = others.submit(asking(client))
        assert predictor.entered.wait(5)
        waiting = others.submit(asking(client))
        refused: list[Any] = []

        def full() -> bool:
            refused.append(client.post("/v1/tails", json=QUESTION) if waiting.running() else None)
            return refused[-1] is not None and refused[-1].status_code == 429

        time.sleep(0.2)
        eventually(full)
        predictor.gate.set()
        assert running.result().status_code == 200
        assert waiting.result().status_code == 200
    assert refused[-1].headers["retry-after"] == "1"
    assert refused[-1].json()["code"] == "overloaded"
    assert "service.queue_size" in refused[-1].json()["hint"]


def test_a_question_past_its_deadline_is_answered_and_gives_its_place_free(serve: Serve, predictor: Fake) -> None:
    client = serve(deadline_seconds=0.2, queue_size=1)
    predictor.gate.clear()
    first = asking(client)()
    assert first.status_code == 504
    assert first.json()["code"] == "deadline-passed"
    assert "0.2 seconds" in first.json()["message"]
    assert asking(client)().status_code == 504  # it waited in the queue
    assert asking(client)().status_code == 504  # and not 429: its place was free again
    predictor.gate.set()
    eventually(lambda: asking(client)().status_code == 200)
    assert len(predictor.asked) == 2  # the first, and the last: those given up while waiting were not asked


def test_nobody_computes_for_a_caller_who_hung_up(predictor: Fake) -> None:
    app = create_app(predictor, ServiceSettings(queue_size=1))
    body = json.dumps(QUESTION).encode()
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/tails", "query_string": b"", "headers": headers}
    question: Message = {"type": "http.request", "body": body, "more_body": False}
    arriving: list[Message] = []

    async def receive() -> Message:
        return arriving.pop() if arriving else {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        """Nobody is there."""

    async def hang_up() -> None:
        async with app.router.lifespan_context(app):
            predictor.gate.clear()
            arriving.append(question)
            await app(dict(scope), receive, send)  # the model's thread is held by this one
            arriving.append(question)
            await app(dict(scope), receive, send)  # this one waits in the queue, and leaves it
            predictor.gate.set()

    asyncio.run(asyncio.wait_for(hang_up(), 5))
    assert len(predictor.asked) == 1


def test_the_service_is_alive_before_it_is_ready(serve: Serve, predictor: Fake) -> None:
    predictor.not_ready = ModelNotFound("There is no model.", hint="Run `relpred train`.")
    client = serve()
    health = client.get("/healthz")
    assert (health.status_code, health.json()["status"], health.json()["model"]) == (200, "ok", None)
    eventually(lambda: client.get("/readyz").json()["code"] == "model-not-found")
    refused = client.get("/readyz")
    assert refused.status_code == 503
    assert refused.json()["hint"] == "Run `relpred train`."
    assert asking(client)().status_code == 503
    predictor.not_ready = None
    eventually(lambda: client.get("/readyz").status_code == 200)
    assert client.get("/readyz").json() == {"status": "ready", "model": "main/1", "workers": 1}
    assert set(client.get("/healthz").json()) == {"status", "version", "wire", "model", "problem"}


def test_a_new_live_version_is_noticed_without_a_question(client: TestClient, predictor: Fake) -> None:
    eventually(lambda: client.get("/readyz").status_code == 200)
    predictor.version = 2
    eventually(lambda: bool(client.get("/healthz").json()["model"] == "main/2"))
    assert client.get("/readyz").json() == {"status": "ready", "model": "main/2", "workers": 1}


def test_the_old_model_goes_on_when_the_new_one_cannot_be_loaded(client: TestClient, predictor: Fake) -> None:
    eventually(lambda: client.get("/readyz").status_code == 200)
    predictor.not_ready = CheckpointCorrupt("The checkpoint is damaged.", hint="Roll back.")
    eventually(lambda: bool(client.get("/healthz").json()["problem"]))
    assert client.get("/healthz").json()["problem"]["code"] == "checkpoint-corrupt"
    assert client.get("/readyz").status_code == 200
    assert asking(client)().status_code == 200
    predictor.not_ready = None
    eventually(lambda: client.get("/healthz").json()["problem"] is None)


def test_idle_time_is_used_to_the_end_and_a_failure_there_spoils_nothing(
    predictor: Fake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    left = [5]

    def look_ahead() -> bool:
        left[0] -= 1
        if predictor.version == 2:
            raise ValueError
        return left[0] > 0

    monkeypatch.setattr(predictor, "look_ahead", look_ahead)
    worker = ModelWorker([ModelHere(predictor)], 2)
    worker.start()
    eventually(lambda: left[0] <= 0)
    predictor.version = 2
    eventually(lambda: worker.model == "main/2" and "looking ahead" in caplog.text)
    assert worker.submit(lambda _: "answered").result(5) == "answered"
    worker.close()
    assert caplog.text.count("looking ahead") == 1


def test_a_damaged_model_is_not_read_again_and_again(predictor: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[float] = []

    def ready() -> str:
        tries.append(time.monotonic())
        raise CheckpointCorrupt("The checkpoint is damaged.", hint="Roll back.")

    monkeypatch.setattr(predictor, "ready", ready)
    worker = ModelWorker([ModelHere(predictor)], 1)
    worker.start()
    time.sleep(0.3)
    worker.close()
    assert 2 <= len(tries) <= 7  # after 10, 20, 40, ... milliseconds and not every 10


def test_a_faulty_load_is_told_and_not_swallowed(
    serve: Serve, predictor: Fake, caplog: pytest.LogCaptureFixture
) -> None:
    predictor.not_ready = RuntimeError("Ada's secret")
    client = serve()
    eventually(lambda: client.get("/readyz").json()["code"] == "internal")
    assert client.get("/readyz").status_code == 503
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


def test_closing_lets_the_running_call_end_and_refuses_the_waiting_ones(predictor: Fake) -> None:
    worker = ModelWorker([ModelHere(predictor)], 1)
    worker.start()
    predictor.gate.clear()
    query = Query(head="a", relation="r")
    running = worker.submit(lambda model: model.predict_each([query]))
    assert predictor.entered.wait(5)
    waiting = worker.submit(lambda model: model.predict_each([query]))
    with pytest.raises(Overloaded):
        worker.submit(lambda model: model.predict_each([query]))
    closing = threading.Thread(target=worker.close)
    closing.start()
    assert isinstance(waiting.exception(5), NotReady)
    predictor.gate.set()
    closing.join()
    assert running.result(5) == [[]]
    with pytest.raises(NotReady):
        worker.submit(lambda model: model.predict_each([query]))


def test_a_call_that_was_given_up_is_not_made(predictor: Fake) -> None:
    worker = ModelWorker([ModelHere(predictor)], 2)
    predictor.gate.clear()
    query = Query(head="a", relation="r")
    worker.start()
    worker.submit(lambda model: model.predict_each([query]))
    assert predictor.entered.wait(5)
    unwanted: Future[Any] = worker.submit(lambda model: model.predict_each([query]))
    worker.give_up(unwanted)
    predictor.gate.set()
    last = worker.submit(lambda model: len(predictor.asked))
    assert last.result(5) == 1
    worker.close()


class Together:
    """Remembers which questions came at once; a question of "bad" fails, with all that came along."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, _: object, questions: Sequence[str]) -> list[str]:
        self.asked.append(list(questions))
        if "bad" in questions:
            raise UnknownEntity("There is no such node.", hint="Was it deleted?")
        return [question.upper() for question in questions]


@pytest.fixture
def held(predictor: Fake) -> Iterator[Worker]:
    """A worker whose thread waits until the gate is opened."""
    worker = Worker([Here(predictor)], 32, "held")
    worker.start()
    predictor.gate.clear()
    worker.submit(lambda one: one.predict_each([]))
    assert predictor.entered.wait(10)
    yield worker
    predictor.gate.set()
    worker.close()


def test_calls_that_wait_and_are_alike_are_answered_at_once_and_each_gets_its_own(
    predictor: Fake, held: Worker
) -> None:
    together = Together()
    calls = [
        Alike("a", together, "tails"),
        Alike("b", together, "heads"),
        Alike("c", together, "tails"),
        Alike("d", together, "tails", alone=True),
    ]
    answers = [held.submit(call) for call in calls]
    plain = held.submit(lambda _: "plain")
    predictor.gate.set()
    assert [answer.result(10) for answer in answers] == ["A", "B", "C", "D"]
    assert plain.result(10) == "plain"
    assert together.asked == [["a", "c"], ["b"], ["d"]]


def test_one_that_spoils_it_for_the_others_fails_alone(predictor: Fake, held: Worker) -> None:
    together = Together()
    good, bad, other = (held.submit(Alike(name, together, "tails")) for name in ("good", "bad", "other"))
    predictor.gate.set()
    assert (good.result(10), other.result(10)) == ("GOOD", "OTHER")
    with pytest.raises(UnknownEntity):
        bad.result(10)
    assert together.asked == [["good", "bad", "other"], ["good"], ["bad"], ["other"]]


def test_who_has_hung_up_is_not_asked_about(predictor: Fake, held: Worker) -> None:
    together = Together()
    gone, there = (held.submit(Alike(name, together, "tails")) for name in ("gone", "there"))
    held.give_up(gone)
    predictor.gate.set()
    assert there.result(10) == "THERE"
    assert together.asked == [["there"]]
