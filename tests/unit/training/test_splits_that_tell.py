"""Held-out questions: pairs that give themselves away by having no other link, and questions asked as of new nodes."""

from __future__ import annotations

import numpy as np
import pytest

from neo4j_relpred.data.knowledge_graph import IntArray, both_directions
from neo4j_relpred.model.features import FEATURE_NAMES, group_columns
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.holdout import HeldOut, Questions, entity_data, fit_on_folds, links_tell
from neo4j_relpred.training.reasoner import RankingData
from tests.synthetic import TINY_MODEL, TINY_TRAINING, World, graph_of


def asked_of(world: World) -> Questions:
    return Questions.of_entities(world.split.holdout, world.train.num_relations, np.random.default_rng(0))


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
    everything = entity_data(trained.members, asked_of(world))
    apart = entity_data(trained.members, asked_of(world), linked=False)
    left_out = everything.real & ~apart.real
    assert left_out.any()
    assert not (apart.real & ~everything.real).any()
    assert not (apart.labels & ~apart.real).any()
    np.testing.assert_array_equal(everything.features, apart.features)


def test_a_part_of_the_questions_has_all_of_their_answers(world: World) -> None:
    """Fewer answers than were held out would teach that answers are rarer than they are."""
    everything = asked_of(world)
    some = everything.first(20)
    assert len(some) == 20
    np.testing.assert_array_equal(some.asked, everything.asked[:20])
    assert {(int(row), int(answer)) for row, answer in zip(some.rows, some.answers, strict=True)} == {
        (int(row), int(answer)) for row, answer in zip(everything.rows, everything.answers, strict=True) if row < 20
    }
    triples = {tuple(row) for row in both_directions(world.split.holdout, world.train.num_relations)}
    assert {(*everything.asked[r], a) for r, a in zip(everything.rows, everything.answers, strict=True)} == triples


def test_some_questions_are_asked_as_if_their_nodes_were_new(trained: TrainedModel, world: World) -> None:
    held = entity_data(trained.members, asked_of(world))
    known = held.features[..., FEATURE_NAMES.index("structure_known")].any(1)
    assert 0 < (~known).sum() < known.sum() / 3
    assert len(np.unique(held.questions[known])) == known.sum()
    assert np.isin(held.questions[~known], held.questions[known]).all()
    structure = held.features[..., group_columns("structure")][~known]
    assert not structure.any()


def test_a_question_and_its_twin_are_never_on_both_sides_of_a_fold(
    trained: TrainedModel, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = entity_data(trained.members, asked_of(world))
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
