"""Which nodes stand for a label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neo4j_relpred.graph.client import Row
from neo4j_relpred.graph.sampling import node_ids


class Store:
    """Answers what `node_ids` asks, for nodes with these ids."""

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = sorted(ids)
        self.scans = 0

    def read(self, query: str, /, **parameters: Any) -> Sequence[Row]:
        if "ORDER BY n DESC" in query:
            return [{"id": self.ids[-1]}]
        if "ORDER BY n" in query:
            return [{"id": self.ids[0]}]
        self.scans += 1
        if "$taken" not in query:
            return [{"ids": self.ids}]
        spread, slots, taken = parameters["spread"], parameters["slots"], parameters["taken"]
        return [{"ids": [i for i in self.ids if (i % slots * spread) % slots < taken]}]


def drawn(store: Store, wanted: int) -> Sequence[int]:
    client: Any = store  # only reads
    return node_ids(client, "L", len(store.ids), wanted)


def test_few_nodes_are_taken_all() -> None:
    assert drawn(Store([3, 900, 7]), 10) == [3, 7, 900]


def test_many_nodes_are_drawn_without_a_scan_from_everywhere_and_the_same_again() -> None:
    store = Store(range(5_000, 105_000))
    found = drawn(store, 1_000)
    assert store.scans == 0
    assert 1_000 <= len(found) <= 1_400
    assert found == drawn(store, 1_000)
    quarters = [sum(5_000 + 25_000 * n <= i < 30_000 + 25_000 * n for i in found) for n in range(4)]
    assert min(quarters) > 250


def test_nodes_far_between_are_scanned_and_taken_from_everywhere() -> None:
    store = Store(range(0, 60_000_000, 1_000))
    found = drawn(store, 500)
    assert store.scans == 1
    assert 400 <= len(found) <= 500
    assert set(found) <= set(store.ids)
    assert min(sum(20_000_000 * n <= i < 20_000_000 * (n + 1) for i in found) for n in range(3)) > 80
