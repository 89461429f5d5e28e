"""What a trial of publishing teaches, on trials of which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from neo4j_relpred.evaluation.unasked import LEAST_RIGHT, Found, fit_unasked
from neo4j_relpred.model.unasked import Unasked

STATED, SELDOM = 0, 1  # two types; what is found of the second one is mostly not so


def trial(size: int, offset: float) -> Found:
    """Half of what is true was held out, and the other half is missing, too."""
    rng = np.random.default_rng(0)
    relations, answered = rng.integers(2, size=size), rng.random(size) < 0.5
    claimed = rng.uniform(0.02, 0.98, size)
    odds = claimed / (1 - claimed) * np.where(relations == SELDOM, np.exp(offset), 1.0)
    share = odds / (1 + odds)  # of what is found when the held-out edges are known
    return Found(relations, answered, claimed, rng.random(size) < share / (1 + share))


def test_a_type_that_is_claimed_too_often_is_put_right_and_the_other_left() -> None:
    unasked = fit_unasked(trial(20_000, -3.0), 2)
    asked = np.array([[0.3, 0.8]])
    for answered in (np.array([False]), np.array([True])):
        assert unasked.corrected(asked, STATED, answered) == pytest.approx(asked, abs=0.05)
        assert unasked.corrected(asked, SELDOM, answered) == pytest.approx(np.array([[0.021, 0.166]]), abs=0.04)


def test_a_type_that_was_not_seen_is_like_all_types() -> None:
    found = trial(20_000, -3.0)
    only = found.relations == SELDOM
    seen = Found(*(getattr(found, name)[only] for name in ("relations", "answered", "probabilities", "right")))
    unasked = fit_unasked(seen, 3)
    assert unasked.offset[STATED] == pytest.approx(unasked.offset[2])
    assert (unasked.offset[STATED] < -1).all()


def test_a_few_lines_of_a_type_move_it_little() -> None:
    found = trial(4_000, 0.0)
    odd = np.arange(len(found.right)) < 5
    few = Found(np.where(odd, 2, found.relations), found.answered, found.probabilities, found.right & ~odd)
    assert np.abs(fit_unasked(few, 3).offset).max() < 1


def test_fewer_than_ten_right_ones_teach_nothing() -> None:
    found = trial(1_000, 0.0)
    few = np.cumsum(found.right) < LEAST_RIGHT
    unasked = fit_unasked(Found(found.relations, found.answered, found.probabilities, found.right & few), 2)
    plain = Unasked.plain(2)
    np.testing.assert_array_equal(unasked.offset, plain.offset)
    np.testing.assert_array_equal(unasked.slope, plain.slope)
