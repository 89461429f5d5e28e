"""Encoding all nodes: what is shared is worked out once, and a large graph is read thinner."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from neo4j_relpred.config import ModelSettings
from neo4j_relpred.model import encoding, neighborhood
from neo4j_relpred.model.encoding import encode_all, fuse_all
from neo4j_relpred.model.tower import Tower
from tests.synthetic import TEXT_WIDTH, graph_of, text_for

RING = graph_of(30, 2, [(i, i % 2, (i + step) % 30) for i in range(30) for step in (1, 2, 5)])
MODEL = ModelSettings(hidden=16, entity_width=4, neighbors=3)


@pytest.fixture
def fanouts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many neighbours were asked for."""
    found: list[int] = []

    def recorded(*arguments: Any, **named: Any) -> Any:
        found.append(arguments[3])
        return neighborhood.gather(*arguments, **named)

    monkeypatch.setattr(encoding, "gather", recorded)
    return found


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_fused_once_or_for_each_neighbour_is_the_same(layers: int) -> None:
    model = MODEL.model_copy(update={"gnn_layers": layers})
    torch.manual_seed(0)
    tower, text = Tower(30, 4, TEXT_WIDTH, model).train(mode=False), text_for(RING)
    every = np.arange(30)  # named, they are encoded one neighbourhood after the other
    torch.testing.assert_close(encode_all(tower, RING, text, model), encode_all(tower, RING, text, model, every))
    some = np.array([7, 2])
    torch.testing.assert_close(fuse_all(tower, RING, text, some), fuse_all(tower, RING, text)[some])


@pytest.mark.parametrize(("edges", "read"), [(10_000, 12), (30 * 5, 5), (30, 3)])
def test_the_more_nodes_the_fewer_neighbours_of_each_down_to_those_of_training(
    edges: int, read: int, fanouts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "READ_EDGES", edges)
    tower = Tower(30, 4, TEXT_WIDTH, MODEL).train(mode=False)
    encode_all(tower, RING, text_for(RING), MODEL)
    assert fanouts == [read]
