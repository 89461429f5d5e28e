"""How a calibration is fitted and measured."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.evaluation.calibration import complete, fit_calibration, measure
from neo4j_relpred.model.calibration import Calibration

FloatArray = npt.NDArray[np.float64]
Case = tuple[FloatArray, npt.NDArray[np.bool_], FloatArray, npt.NDArray[np.int64]]


def queries(size: int = 400, candidates: int = 8, sharpness: float = 1.0, answers: int = 1) -> Case:
    """Answers of each query, drawn from the softmax of the logits times `sharpness`; two relations."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(size, candidates)) * 3
    weight = np.exp(sharpness * logits)
    labels = np.zeros(logits.shape)
    for row, share in enumerate(weight / weight.sum(1, keepdims=True)):
        labels[row, rng.choice(candidates, answers, replace=False, p=share)] = 1
    relations = np.repeat(np.arange(size) % 2, candidates).reshape(logits.shape)
    return logits, np.ones(logits.shape, bool), labels, relations


@pytest.mark.parametrize("sharpness", [0.3, 1.0])
def test_fitted_probabilities_are_frequencies(sharpness: float) -> None:
    logits, real, labels, relations = queries(1500, sharpness=sharpness)
    half = slice(0, 750)
    calibration = fit_calibration(logits[half], real[half], labels[half], relations[half], 2)
    others = slice(750, None)
    known = np.zeros(750, np.int64)
    found = calibration.probabilities(logits[others], real[others], relations[others], known)
    report = measure(found.ravel(), labels[others].ravel())
    assert report.ece < 0.03
    plain = Calibration.plain(2).probabilities(logits[others], real[others], relations[others], known)
    assert report.log_loss < measure(plain.ravel(), labels[others].ravel()).log_loss + 0.005


@pytest.mark.parametrize("sharpness", [-1.0, 0.0, 0.3, 1.0, 3.0])
def test_a_fitted_calibration_keeps_the_order_of_the_reasoner(sharpness: float) -> None:
    """Even where the held-out answers say the contrary: ranks and probabilities must tell one story."""
    calibration = fit_calibration(*queries(sharpness=sharpness), 2)
    logits = np.random.default_rng(1).normal(size=(50, 12)) * 8
    known = np.zeros(50, np.int64)
    found = calibration.probabilities(logits, np.ones(logits.shape, bool), np.zeros(logits.shape, np.int64), known)
    ordered = np.take_along_axis(found, np.argsort(logits, axis=1), 1)
    assert (np.diff(ordered, axis=1) >= -1e-12).all()


def test_too_few_answers_give_the_plain_softmax() -> None:
    calibration = fit_calibration(*queries(9), 2)
    assert calibration.weights.tolist() == [0, 0, 1, 0]
    assert calibration.slope.tolist() == [1, 1]


def test_first_answers_are_told_right_where_all_others_follow_another_curve() -> None:
    """One candidate holds with one half; the others hardly ever, whatever their logits say."""
    rng = np.random.default_rng(2)
    logits = np.sort(rng.normal(size=(2_000, 40)), axis=1)
    labels = np.zeros(logits.shape)
    labels[rng.random(len(logits)) < 0.5, -1] = 1
    real, relations = np.ones(logits.shape, bool), np.zeros(logits.shape, np.int64)
    calibration = fit_calibration(logits, real, labels, relations, 1)
    found = calibration.probabilities(logits, real, relations, np.zeros(len(logits), np.int64))
    assert found[:, -1].mean() == pytest.approx(0.5, abs=0.05)
    assert found[:, :-1].max() < 0.1


def test_a_relation_that_was_not_seen_follows_the_global_curve() -> None:
    calibration = fit_calibration(*queries(), 3)
    assert (calibration.slope[2], calibration.intercept[2]) == (1, 0)


def test_answers_that_the_graph_lacks_only_raise_probabilities() -> None:
    logits, real, labels, relations = queries(600, answers=3)
    known = np.random.default_rng(1).integers(0, 5, len(logits))
    calibration = fit_calibration(logits, real, labels, relations, 2)
    raised = complete(calibration, logits, real, labels, relations, known)
    parts = (logits, real, relations, known)
    assert (raised.probabilities(*parts) >= calibration.probabilities(*parts)).all()
    assert (raised.probabilities(*parts) > calibration.probabilities(*parts)).any()


def test_half_of_the_truth_held_out_and_half_missing_gives_the_frequencies_of_the_missing_half() -> None:
    """Fitted where missing answers count as wrong; asked when the held-out ones are known and no candidates."""
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(4_000, 8)) * 2
    truth = rng.random(logits.shape) < 1 / (1 + np.exp(-logits))  # about four answers of a question
    held, missing = (half := rng.random(logits.shape) < 0.5) & truth, ~half & truth
    relations, nobody = np.zeros(logits.shape, np.int64), np.zeros(len(logits), np.int64)
    everything = np.ones(logits.shape, bool)
    asked = held.any(1)
    parts = (logits[asked], everything[asked], held[asked].astype(float), relations[asked])
    plain = fit_calibration(*parts, 1)
    fitted = complete(plain, *parts, nobody[asked])
    later = missing.any(1)
    open_ = ~held[later]
    errors = [
        measure(
            c.probabilities(logits[later], open_, relations[later], nobody[later])[open_],
            missing[later][open_].astype(float),
        ).ece
        for c in (plain, fitted)
    ]
    assert errors[1] < 0.05
    assert errors[1] < errors[0] / 2


def test_questions_with_one_answer_have_none_beside_it() -> None:
    logits, real, labels, relations = queries(600)
    known = np.zeros(len(logits), np.int64)
    calibration = fit_calibration(logits, real, labels, relations, 2)
    parts = (logits, real, relations, known)
    completed = complete(calibration, logits, real, labels, relations, known)
    np.testing.assert_allclose(completed.probabilities(*parts), calibration.probabilities(*parts), atol=0.01)


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 1.0])), min_size=1, max_size=30))
def test_measures_stay_within_their_bounds(pairs: list[tuple[float, float]]) -> None:
    probabilities, labels = (np.array(part) for part in zip(*pairs, strict=True))
    report = measure(probabilities, labels)
    assert 0 <= report.ece <= 1
    off = sum(abs(mean - share) * number for mean, share, number in report.diagram)
    assert report.ece == pytest.approx(off / len(labels), abs=1e-12)
    assert 0 <= report.brier <= 1
    assert report.log_loss >= 0
    assert sum(count for _, _, count in report.diagram) == report.count == len(pairs)


def test_perfect_certainty_has_no_error_and_bad_certainty_has_much() -> None:
    labels = np.array([0.0, 1.0] * 10)
    assert measure(labels, labels).ece == pytest.approx(0)
    assert measure(1 - labels, labels).ece == pytest.approx(1)
    assert measure(1 - labels, labels).brier == pytest.approx(1)


def test_nothing_measured_is_no_number() -> None:
    report = measure(np.empty(0), np.empty(0))
    assert report.count == 0
    assert np.isnan(report.ece)


def test_the_error_of_right_probabilities_is_what_chance_gives() -> None:
    rng = np.random.default_rng(0)
    runs = []
    for _ in range(200):
        probabilities = rng.random(400)
        runs.append(measure(probabilities, (rng.random(400) < probabilities).astype(float)))
    assert np.mean([run.ece for run in runs]) == pytest.approx(np.mean([run.chance for run in runs]), rel=0.05)
    assert measure(np.ones(9), np.ones(9)).chance == 0
