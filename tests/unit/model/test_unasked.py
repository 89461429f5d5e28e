"""The correction of probabilities that nobody asked for."""

from __future__ import annotations

import numpy as np
import pytest

from neo4j_relpred.model.unasked import Unasked, log_odds

P = np.array([[0.9, 0.5, 0.0], [0.9, 0.5, 0.01]])
ANSWERED = np.array([False, True])


def test_a_plain_one_changes_nothing() -> None:
    assert Unasked.plain(3).corrected(P, 2, ANSWERED) == pytest.approx(P)


def test_each_type_and_kind_of_question_has_its_own_and_the_order_stays() -> None:
    offset = np.array([[0.0, 0.0], [-3.0, 1.0]])
    corrected = Unasked(np.array([1.0, 2.0]), offset).corrected(P, 1, ANSWERED)
    assert log_odds(corrected[0, :2]) == pytest.approx(log_odds(P[0, :2]) - 3)
    assert log_odds(corrected[1]) == pytest.approx(2 * log_odds(P[1]) + 1)
    np.testing.assert_array_equal(np.argsort(corrected, axis=1), np.argsort(P, axis=1))


def test_what_is_no_candidate_stays_so_and_nothing_is_certain() -> None:
    sure = Unasked(np.ones(2), np.full((1, 2), 100.0)).corrected(P, 0, ANSWERED)
    assert sure[0, 2] == 0
    assert (sure[P > 0] < 1).all()
