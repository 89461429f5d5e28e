"""Another version takes over while callers ask without pause: none of them notices but by its name."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from neo4j_relpred import Client
from neo4j_relpred.demo.server import free_port
from neo4j_relpred.demo.service import served
from tests.integration.graphs import Town
from tests.integration.serving import until

CALLERS, SWAPS = 8, 4


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> int:
    """A port that nobody uses, where the service listens."""
    port = free_port()
    monkeypatch.setenv("RELPRED_SERVICE__PORT", str(port))
    return port


@dataclass
class Callers:
    """They ask by turns for as long as nobody stops them."""

    port: int
    models: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def hear(self, model: str) -> bool:
        """Whether the last answer was of this model."""
        return self.models[-1] == model

    def ask(self, number: int) -> None:
        with Client(f"http://127.0.0.1:{self.port}", patience_seconds=0.0) as client:
            while not self.stop.is_set():
                try:
                    found = client.tails(f"person{number}", "HAS_SKILL", top_k=1)
                    self.models.append(found[0].model)
                except Exception as error:
                    self.errors.append(repr(error))


def second_version(town: Town) -> Path:
    """A copy of the only version, under the next number."""
    models = town.home / "models" / "default"
    copy: Path = shutil.copytree(models / "1", models / "2")
    return copy


def test_no_request_fails_while_versions_take_over(town: Town, free: int) -> None:
    second_version(town)
    with served(town.config, free):
        callers = Callers(free)
        threads = [threading.Thread(target=callers.ask, args=(number,)) for number in range(CALLERS)]
        for thread in threads:
            thread.start()
        try:
            for swap in range(SWAPS):
                words, name = (("rollback",), "default@1") if swap % 2 else (("promote", "2"), "default@2")
                until(lambda: len(callers.models) > 0)
                assert town.cli("model", *words).code == 0
                until(partial(callers.hear, name))
        finally:
            callers.stop.set()
            for thread in threads:
                thread.join()
        with Client(f"http://127.0.0.1:{free}") as client:
            assert client.health().model == "default@1"
            assert client.health().problem is None
    assert callers.errors == []
    assert set(callers.models) == {"default@1", "default@2"}


def test_a_version_that_cannot_be_loaded_is_told_and_the_old_one_answers(town: Town, free: int) -> None:
    weights = next(second_version(town).glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1])
    with served(town.config, free), Client(f"http://127.0.0.1:{free}") as client:
        assert town.cli("model", "promote", "2").code == 0
        until(lambda: client.health().problem)
        problem = client.health().problem
        assert problem is not None
        assert problem.code == "checkpoint-corrupt"
        assert client.tails("person0", "HAS_SKILL", top_k=1)[0].model == "default@1"
        assert town.cli("model", "rollback").code == 0
        until(lambda: client.health().problem is None)
    log = (town.config.parent / "service.log").read_text(encoding="utf-8")
    assert log.count("model not loaded") == 1
