"""The server of the integration tests, and how long the tests here are: a tenth, or in full by RELPRED_TEST_FULL=1."""

from __future__ import annotations

import os

import pytest

from neo4j_relpred.demo.server import Line
from tests.integration.conftest import clean_graph, client, driver, graph_uri, neo4j_line, server, service_port

__all__ = ["clean_graph", "client", "driver", "graph_uri", "neo4j_line", "server", "service_port"]

FULL = os.environ.get("RELPRED_TEST_FULL") == "1"


@pytest.fixture
def on_line_5(neo4j_line: Line) -> None:
    """For tests of minutes that are about the daemon rather than the server: short runs share them among the lines."""
    _only("5", neo4j_line)


@pytest.fixture
def on_line_2026(neo4j_line: Line) -> None:
    """The same for the other line."""
    _only("2026", neo4j_line)


def _only(line: str, present: Line) -> None:
    if present.name != line and not FULL:
        pytest.skip(f"in a short run this is done on Neo4j {line} only")


@pytest.fixture(scope="session")
def faults() -> int:
    """How often something breaks."""
    return 50 if FULL else 5


@pytest.fixture(scope="session")
def edges() -> int:
    """How many edges a publication has."""
    return 20_000 if FULL else 2_000
