"""Whether a key is unique: asked of the server, believed of the sample where that is too much for it."""

from __future__ import annotations

from typing import Any

import pytest

from neo4j_relpred.errors import GraphQueryFailed, GraphUnavailable
from neo4j_relpred.graph.proposed_keys import KeyFacts, SampleProbe, StoreProbe
from tests.unit.graph.schemas import prop, schema


class Server:
    """Answers with one row, or fails."""

    def __init__(self, answer: dict[str, int] | Exception) -> None:
        self.answer = answer

    def read(self, query: str, /, **parameters: Any) -> list[dict[str, int]]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return [self.answer]


def facts(answer: dict[str, int] | Exception) -> KeyFacts:
    client: Any = Server(answer)
    return StoreProbe(client, SampleProbe(schema(prop("id", fill=0.5)))).facts("Film", "id")


def test_the_server_counts_all_nodes() -> None:
    found = facts({"nodes": 7, "filled": 7, "different": 7})
    assert (found.identifies, found.exact) == (True, True)
    assert not facts({"nodes": 7, "filled": 7, "different": 6}).identifies
    assert not facts({"nodes": 7, "filled": 6, "different": 6}).identifies


@pytest.mark.parametrize("failure", [GraphQueryFailed("too long"), GraphUnavailable("no memory")])
def test_a_label_too_large_to_count_is_judged_by_its_sample(failure: Exception) -> None:
    assert facts(failure) == KeyFacts(nodes=100, filled=50, different=50, exact=False)
