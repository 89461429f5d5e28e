"""One connection, however many threads ask for it first."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from neo4j_relpred.api import RelationPredictor
from neo4j_relpred.config import GraphSettings, Settings
from neo4j_relpred.graph.client import Neo4jClient


class Connection:
    """Stands in for a client; counts how many there are."""

    opened = 0
    closed = 0

    @classmethod
    def open(cls, settings: GraphSettings) -> Connection:
        cls.opened += 1
        time.sleep(0.05)
        return cls()

    def close(self) -> None:
        type(self).closed += 1


def test_threads_share_one_connection_that_is_closed_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Neo4jClient, "open", Connection.open)
    together = threading.Barrier(4)

    def connect() -> object:
        together.wait(10)
        return predictor.client

    with RelationPredictor.open(Settings(home=tmp_path)) as predictor, ThreadPoolExecutor(4) as threads:
        found = {id(one.result()) for one in [threads.submit(connect) for _ in range(4)]}
    assert len(found) == 1
    assert (Connection.opened, Connection.closed) == (1, 1)
