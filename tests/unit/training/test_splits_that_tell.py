"""Held-out questions: pairs that give themselves away by having no other link, and questions asked as of new nodes."""

from __future__ import annotations

import numpy as np
import pytest

from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.model.features import FEATURE_NAMES, group_columns
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.holdout import HeldOut, entity_data, fit_on_folds, links_tell
from neo4j_relpred.training.reasoner import RankingData
from tests.synthetic import TINY_MODEL, TINY_TRAINING, World, graph_of


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


def test_some_questions_are_asked_as_if_their_nodes_were_new(trained: TrainedModel, world: World) -> None:
    held = entity_data(trained.members, world.split.holdout)
    known = held.features[..., FEATURE_NAMES.index("structure_known")].any(1)
    assert 0 < (~known).sum() < known.sum() / 3
    assert np.isin(held.questions[~known], held.questions[known]).all()
    assert len(np.unique(held.questions[known])) == known.sum()
    structure = held.features[..., group_columns("structure")][~known]
    assert not structure.any()


def test_a_question_and_its_twin_are_never_on_both_sides_of_a_fold(
    trained: TrainedModel, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = entity_data(trained.members, world.split.holdout)
    seen: list[IntArray] = []
    rows_of = HeldOut.data

    def spy(self: HeldOut, rows: IntArray | slice = slice(None)) -> RankingData:
        if not isinstance(rows, slice):
            seen.append(self.questions[rows])
        return rows_of(self, rows)

    monkeypatch.setattr(HeldOut, "data", spy)
    fit_on_folds(held, TINY_MODEL, TINY_TRAINING, Budget.minutes(1), 8)
    fitted, asked = seen[::2], seen[1::2]
    assert len(fitted) == len(asked) > 1
    for known, unseen in zip(fitted, asked, strict=True):
        assert not np.isin(unseen, known).any()
