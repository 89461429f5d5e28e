"""The pairs of a relation: drawn by a hash, alike for every system, and scored as one knows by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.folders import DataSet
from benchmarks.pair_protocol import PairTask, average_precision, figures
from benchmarks.pairs import ModelScorer, Popularity, ShortPaths
from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.model.trained import TrainedModel
from tests.synthetic import PARENT, World

LIKES, OTHER = range(2)


def data_set(train: object, test: object, count: int = 8) -> DataSet:
    ids = [f"e{number}" for number in reversed(range(count))]  # not in the order of their numbers
    learnt, held, asked = (np.array(part, np.int64).reshape(-1, 3) for part in (train, [], test))
    return DataSet(ids, ids, [""] * count, ("likes", "other"), learnt, held, asked, {})


@pytest.fixture
def data() -> DataSet:
    train = [(0, LIKES, 4), (1, LIKES, 4), (1, LIKES, 5), (2, LIKES, 6), (3, OTHER, 7)]
    return data_set(train, [(0, LIKES, 5), (2, LIKES, 4), (3, OTHER, 1)])


class Oracle:
    """Knows some pairs."""

    def __init__(self, pairs: IntArray, count: int) -> None:
        self._pairs, self._count = {tuple(pair) for pair in pairs.tolist()}, count

    def pairs(self, pairs: IntArray) -> npt.NDArray[np.float64]:
        return np.array([float(tuple(pair) in self._pairs) for pair in pairs.tolist()])

    def tails(self, heads: IntArray) -> npt.NDArray[np.float64]:
        pairs = np.array([(head, tail) for head in heads for tail in range(self._count)])
        return self.pairs(pairs).reshape(len(heads), -1)


def test_drawn_tails_are_false_and_from_the_pool(data: DataSet) -> None:
    task = PairTask(data, LIKES)
    true = {(0, 4), (1, 4), (1, 5), (2, 6), (0, 5), (2, 4)}
    for pool, inside in (("all", set(range(8))), ("range", {4, 5, 6})):
        pairs, truth = task.pairs(pool, 3)
        assert pairs[truth].tolist() == [[0, 5], [2, 4]]
        assert [head for head, _ in pairs[~truth].tolist()] == [0, 0, 0, 2, 2, 2]
        for head, tail in pairs[~truth].tolist():
            assert tail in inside
            assert tail != head
            assert (head, tail) not in true


def test_draws_are_the_same_on_every_machine(data: DataSet) -> None:
    """Published figures hang on them."""
    drawn, truth = PairTask(data, LIKES).pairs("all", 4)
    assert drawn[~truth][:, 1].tolist() == [7, 7, 7, 3, 1, 5, 1, 0]
    assert PairTask(data, LIKES).queries().tolist() == [[2, 4], [0, 5]]


def test_the_order_of_entities_changes_no_draw(data: DataSet) -> None:
    order = np.array([3, 1, 4, 0, 6, 2, 7, 5])  # old number of each new one
    place = np.argsort(order)
    moved = [np.stack([place[p[:, 0]], p[:, 1], place[p[:, 2]]], 1) for p in (data.train, data.valid, data.test)]
    ids = [data.ids[old] for old in order]
    other = replace(data, ids=ids, train=moved[0], valid=moved[1], test=moved[2])
    for pool in ("all", "range"):
        before, after = (task.pairs(pool, 3)[0] for task in (PairTask(data, LIKES), PairTask(other, LIKES)))
        assert [data.ids[tail] for tail in before[:, 1]] == [ids[tail] for tail in after[:, 1]]


def test_a_head_for_which_everything_is_true_gets_no_false_tail() -> None:
    task = PairTask(data_set([(0, LIKES, 2)], [(0, LIKES, 1)], 3), LIKES)
    assert task.pairs("all", 5)[1].tolist() == [True]


def test_a_symmetric_relation_holds_both_ways(data: DataSet) -> None:
    task = PairTask(data, LIKES, symmetric=True)
    assert set(task.pool("range").tolist()) == {0, 1, 2, 4, 5, 6}
    assert np.flatnonzero(task.not_asked(np.array([4]))[0]).tolist() == [0, 1, 2, 4]
    assert np.flatnonzero(PairTask(data, LIKES).not_asked(np.array([4]))[0]).tolist() == [4]


def test_one_who_knows_everything_has_figures_of_one(data: DataSet) -> None:
    task = PairTask(data, LIKES)
    found = figures(task, Oracle(task.test, 8))
    assert found == dict.fromkeys(found, 1.0)
    assert set(found) == {"ap_all_1", "ap_all_10", "ap_range_1", "ap_range_10", "mrr", "hits_at_10"}


def test_one_who_knows_nothing_has_the_share_of_the_true_and_the_middle_rank(data: DataSet) -> None:
    found = figures(PairTask(data, LIKES), Oracle(np.empty((0, 2), np.int64), 8))
    assert found["ap_all_10"] == pytest.approx(1 / 11)
    assert found["mrr"] == pytest.approx(1 / 3.5)  # of six, the head and another true tail left out


def test_average_precision_is_the_mean_of_precisions_at_the_true_ones() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    assert average_precision(scores, np.array([True, False, True, False])) == pytest.approx((1 + 2 / 3) / 2)


def test_average_precision_takes_equals_together() -> None:
    scores = np.array([1.0, 1.0, 0.0, np.inf])
    assert average_precision(scores, np.array([True, False, True, False])) == pytest.approx((1 / 3 + 2 / 4) / 2)


def test_popularity_counts_tails_and_both_ends_where_they_are_alike(data: DataSet) -> None:
    heads = np.array([0, 3])
    assert Popularity(PairTask(data, LIKES)).tails(heads)[1].tolist() == [0, 0, 0, 0, 2, 1, 1, 0]
    assert Popularity(PairTask(data, LIKES, symmetric=True)).tails(heads)[0].tolist() == [1, 2, 1, 0, 2, 1, 1, 0]


def test_short_paths_lead_to_what_those_like_who_like_the_same(data: DataSet) -> None:
    scorer = ShortPaths(PairTask(data, LIKES))
    scores = scorer.tails(np.array([0]))[0]  # 0 likes 4; so do 0 and 1, and 1 likes 4 and 5
    np.testing.assert_allclose(scores, [0, 0, 0, 0, 3 / 4, 1 / 4, 0, 0], atol=1e-8)
    assert scores[6] > scores[7]  # nobody's path, but 6 is liked
    assert scorer.pairs(np.array([[2, 6], [0, 5]])).tolist() == pytest.approx([1, 1 / 4], abs=1e-8)


def test_the_model_ranks_true_tails_first(trained: TrainedModel, world: World) -> None:
    ids = [str(number) for number in range(world.graph.num_entities)]
    names = ("PARENT", "CHILD", "GRANDPARENT", "SIBLING")
    data = DataSet(ids, ids, ids, names, world.split.train, world.split.holdout, world.split.test, {})
    task, seen = PairTask(data, PARENT), trained.over(data.graph(data.train))
    found = figures(task, ModelScorer(seen, PARENT))
    assert found["ap_all_1"] > 0.9
    assert found["mrr"] > figures(task, Popularity(task))["mrr"]
