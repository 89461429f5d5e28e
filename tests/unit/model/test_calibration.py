"""How logits become probabilities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neo4j_relpred.model.calibration import NONE_MISSING, Calibration, base_rate_shift, evidence_of

FloatArray = npt.NDArray[np.float64]
LOGITS = hnp.arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 6)), elements=st.floats(-30, 30))
WEIGHT = st.floats(0, 3)
MISSING = st.floats(-3, 3)


@st.composite
def calibrations(draw: st.DrawFn, missing: st.SearchStrategy[float] = MISSING) -> Calibration:
    """Any calibration of two relations that trusts the reasoner."""
    weights = np.array([draw(st.floats(-2, 2)), draw(WEIGHT), draw(WEIGHT), draw(WEIGHT)])
    slope, intercept = draw(st.floats(0.05, 3)), draw(st.floats(-2, 2))
    beside = np.array([draw(missing), draw(st.floats(0, 3)), draw(st.floats(0, 3))])
    return Calibration(weights, np.array([slope, 1.0]), np.array([intercept, 0.0]), beside)


def everything(logits: FloatArray) -> npt.NDArray[np.bool_]:
    return np.ones(logits.shape, bool)


def some(logits: FloatArray) -> npt.NDArray[np.int64]:
    """How many answers of each question are known."""
    return np.arange(len(logits))


def of_relation(logits: FloatArray, relation: int = 0) -> npt.NDArray[np.int64]:
    return np.full(logits.shape, relation)


@given(calibrations(), LOGITS)
def test_a_higher_logit_never_gets_a_lower_probability_within_a_query(
    calibration: Calibration, logits: FloatArray
) -> None:
    found = calibration.probabilities(logits, everything(logits), of_relation(logits), some(logits))
    order = np.argsort(logits, axis=1)
    assert (np.diff(np.take_along_axis(found, order, 1), axis=1) >= -1e-12).all()


@given(calibrations(), LOGITS, st.data())
def test_probabilities_lie_between_nought_and_one_and_fillers_get_nought(
    calibration: Calibration, logits: FloatArray, data: st.DataObject
) -> None:
    real = data.draw(hnp.arrays(np.bool_, logits.shape))
    found = calibration.probabilities(logits, real, of_relation(logits), some(logits))
    assert (found[~real] == 0).all()
    assert (found[real] > 0).all()
    assert (found[real] < 1).all()


@given(calibrations(), LOGITS, st.floats(0.01, 0.99))
def test_a_lower_base_rate_lowers_every_probability(calibration: Calibration, logits: FloatArray, rate: float) -> None:
    parts = (logits, everything(logits), of_relation(logits), some(logits))
    full, fewer = calibration.probabilities(*parts), calibration.probabilities(*parts, base_rate=rate)
    assert (fewer <= full).all()
    inner = (full > 2e-7) & (full < 1 - 1e-6)
    assert (fewer < full)[inner].all()


@given(calibrations(missing=st.just(-200.0)), LOGITS, st.floats(0.01, 0.99))
def test_a_base_rate_is_a_shift_of_log_odds(calibration: Calibration, logits: FloatArray, rate: float) -> None:
    parts = (logits, everything(logits), of_relation(logits), some(logits))
    full, fewer = calibration.probabilities(*parts), calibration.probabilities(*parts, base_rate=rate)
    inner = (fewer > 2e-7) & (full < 1 - 2e-7)
    odds = np.log(full / (1 - full)) - np.log(fewer / (1 - fewer))
    np.testing.assert_allclose(odds[inner], -np.log(rate), atol=1e-6)


@given(calibrations(), LOGITS)
def test_answers_that_the_graph_lacked_only_raise_probabilities(calibration: Calibration, logits: FloatArray) -> None:
    parts = (logits, everything(logits), of_relation(logits), some(logits))
    without = replace(calibration, missing=NONE_MISSING)
    assert (calibration.probabilities(*parts) >= without.probabilities(*parts)).all()


def test_the_base_rate_shifts_log_odds() -> None:
    assert base_rate_shift(1.0) == 0
    assert base_rate_shift(0.5) == pytest.approx(-np.log(2))


@given(LOGITS)
def test_the_plain_calibration_is_the_softmax(logits: FloatArray) -> None:
    found = Calibration.plain(2).probabilities(logits, everything(logits), of_relation(logits), some(logits))
    softmax = np.exp(logits - logits.max(1, keepdims=True))
    softmax /= softmax.sum(1, keepdims=True)
    np.testing.assert_allclose(found, np.clip(softmax, 1e-7, 1 - 1e-7), atol=1e-9)


@given(LOGITS, st.floats(-50, 50))
def test_fillers_are_no_evidence_about_the_others(logits: FloatArray, filler: float) -> None:
    wider = np.concatenate([logits, np.full((len(logits), 1), filler)], axis=1)
    real = everything(wider)
    real[:, -1] = False
    np.testing.assert_allclose(evidence_of(wider, real)[:, :-1], evidence_of(logits, everything(logits)), atol=1e-9)


def test_what_comes_first_is_told_apart() -> None:
    logits = np.array([[1.0, 3.0, 3.0, 2.0]])
    real = np.array([[True, True, True, False]])
    assert evidence_of(logits, real)[0, :, 3].tolist() == [0, 1, 1, 0]


def test_each_relation_has_its_own_slope_and_intercept() -> None:
    calibration = Calibration(np.array([0.0, 1.0, 0.0, 0.0]), np.array([1.0, 2.0]), np.array([0.0, 1.0]), NONE_MISSING)
    logits = np.array([[1.0]])
    first, second = (calibration.log_odds(logits, everything(logits), of_relation(logits, r))[0, 0] for r in (0, 1))
    assert (first, second) == (1.0, 3.0)
