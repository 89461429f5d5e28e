"""The one definition of rank."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neo4j_relpred.evaluation.ranking import Ranks, filtered_ranks, summarize

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 8))
FEW_SCORES = st.sampled_from([-1.0, 0.0, 0.5, 2.0])  # few values, so that ties are common


@st.composite
def rankings(
    draw: st.DrawFn, elements: st.SearchStrategy[float] = FEW_SCORES
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    shape = draw(SHAPES)
    scores = draw(hnp.arrays(np.float64, shape, elements=elements))
    known = draw(hnp.arrays(np.bool_, shape))
    target = draw(hnp.arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)))
    return scores, target, known


Ranking = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]


@given(rankings(st.sampled_from([0.0, 1.0, float("nan"), float("inf")])))
def test_the_realistic_rank_lies_between_optimistic_and_pessimistic(case: Ranking) -> None:
    ranks = filtered_ranks(*case)
    assert (ranks.optimistic >= 1).all()
    assert (ranks.optimistic <= ranks.realistic).all()
    assert (ranks.realistic <= ranks.pessimistic).all()
    assert (ranks.pessimistic <= ranks.candidates).all()
    np.testing.assert_array_equal(ranks.realistic, (ranks.optimistic + ranks.pessimistic) / 2)


@given(rankings())
def test_ranks_agree_with_counting_by_hand(case: Ranking) -> None:
    scores, target, known = case
    ranks = filtered_ranks(*case)
    for row, truth in enumerate(target):
        rivals = [s for c, s in enumerate(scores[row]) if c != truth and not known[row, c]]
        assert ranks.optimistic[row] == 1 + sum(s > scores[row, truth] for s in rivals)
        assert ranks.pessimistic[row] == 1 + sum(s >= scores[row, truth] for s in rivals)
        assert ranks.candidates[row] == 1 + len(rivals)


@given(rankings())
def test_known_answers_are_no_rivals_and_the_callers_mask_stays(case: Ranking) -> None:
    scores, target, known = case
    before = known.copy()
    raised = np.where(known, 1e6, scores)
    rows = np.arange(len(target))
    raised[rows, target] = scores[rows, target]
    np.testing.assert_array_equal(filtered_ranks(raised, target, known).realistic, filtered_ranks(*case).realistic)
    np.testing.assert_array_equal(known, before)


@given(st.integers(1, 30), st.floats(allow_nan=True, allow_infinity=True))
def test_constant_scores_give_the_middle_rank(candidates: int, score: float) -> None:
    scores = np.full((1, candidates), score)
    ranks = filtered_ranks(scores, np.array([candidates // 2]), np.zeros((1, candidates), bool))
    assert ranks.realistic[0] == (candidates + 1) / 2


@given(rankings())
def test_a_truth_scored_nan_ranks_in_the_middle_at_best(case: Ranking) -> None:
    scores, target, known = case
    scores[np.arange(len(target)), target] = np.nan
    ranks = filtered_ranks(scores, target, known)
    assert (ranks.realistic >= (ranks.candidates + 1) / 2).all()


@given(rankings(), st.integers(0, 7))
def test_a_rival_scored_nan_does_not_better_the_truth(case: Ranking, rival: int) -> None:
    scores, target, known = case
    beaten = scores.copy()
    beaten[:, rival % scores.shape[1]] = -1e9
    broken = scores.copy()
    broken[:, rival % scores.shape[1]] = np.nan
    open_rows = target != rival % scores.shape[1]
    worst = filtered_ranks(beaten, target, known).realistic[open_rows]
    assert (filtered_ranks(broken, target, known).realistic[open_rows] >= worst).all()


@given(rankings())
def test_ranks_in_batches_are_ranks_in_one(case: Ranking) -> None:
    scores, target, known = case
    parts = [filtered_ranks(scores[i : i + 1], target[i : i + 1], known[i : i + 1]) for i in range(len(target))]
    joined, whole = Ranks.concatenate(parts), filtered_ranks(*case)
    for name in ("realistic", "optimistic", "pessimistic", "candidates"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))


@given(rankings())
def test_figures_stay_within_their_bounds(case: Ranking) -> None:
    summary = summarize(filtered_ranks(*case))
    assert 0 < summary.mrr <= 1
    assert 0 <= summary.hits_at(1) <= summary.hits_at(3) <= summary.hits_at(10) <= 1
    assert summary.interval[0] <= summary.mrr + 1e-12
    assert summary.interval[1] >= summary.interval[0]


def test_adjusted_mean_rank_is_one_for_chance_and_nought_for_perfection() -> None:
    known = np.zeros((4, 5), bool)
    target = np.arange(4)
    assert summarize(filtered_ranks(np.zeros((4, 5)), target, known)).adjusted_mean_rank == pytest.approx(1)
    perfect = summarize(filtered_ranks(np.eye(4, 5), target, known))
    assert perfect.adjusted_mean_rank == pytest.approx(0)
    assert (perfect.mrr, perfect.hits_at(1)) == (1, 1)


def test_no_queries_give_no_figures_and_no_error() -> None:
    summary = summarize(filtered_ranks(np.zeros((0, 3)), np.empty(0, np.int64), np.zeros((0, 3), bool)))
    assert summary.queries == 0
    assert np.isnan(summary.mrr)
