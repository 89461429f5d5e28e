"""The server of the integration tests, and how long the tests here are: a tenth, or in full by RELPRED_TEST_FULL=1."""

from __future__ import annotations

import pytest

from tests.integration.conftest import (
    FULL,
    clean_graph,
    client,
    driver,
    graph_uri,
    neo4j_line,
    on_line_5,
    on_line_2026,
    server,
    service_port,
)

__all__ = [
    "FULL",
    "clean_graph",
    "client",
    "driver",
    "graph_uri",
    "neo4j_line",
    "on_line_5",
    "on_line_2026",
    "server",
    "service_port",
]


@pytest.fixture(scope="session")
def faults() -> int:
    """How often something breaks."""
    return 50 if FULL else 5


@pytest.fixture(scope="session")
def edges() -> int:
    """How many edges a publication has."""
    return 20_000 if FULL else 2_000
