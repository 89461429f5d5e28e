"""Held-out pairs that give themselves away by having no other link."""

from __future__ import annotations

import numpy as np

from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.training.holdout import entity_data, links_tell
from tests.synthetic import World, graph_of


def test_pairs_that_are_never_linked_give_themselves_away() -> None:
    rng = np.random.default_rng(0)
    pairs = np.unique(rng.integers(200, size=(2_000, 2)), axis=0)
    both = np.concatenate([np.insert(pairs, 1, relation, axis=1) for relation in (0, 1)])  # each pair linked twice
    graph = graph_of(400, 2, both)
    apart = np.stack([np.arange(200, 300), np.zeros(100, np.int64), np.arange(300, 400)], axis=1)
    assert links_tell(graph, apart)
    alike = np.insert(pairs[:100], 1, 1, axis=1)
    assert not links_tell(graph_of(400, 2, both[: len(pairs)]), alike)


def test_a_split_at_random_tells_nothing(world: World) -> None:
    assert not links_tell(world.train, world.split.holdout)


def test_candidates_that_are_linked_already_can_be_left_out(trained: TrainedModel, world: World) -> None:
    everything = entity_data(trained.members, world.split.holdout)
    apart = entity_data(trained.members, world.split.holdout, linked=False)
    left_out = everything.real & ~apart.real
    assert left_out.any()
    assert not (apart.real & ~everything.real).any()
    assert not (apart.labels & ~apart.real).any()
    np.testing.assert_array_equal(everything.features, apart.features)
