"""Fits a calibration on held-out answers, and measures how far probabilities are from frequencies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from neo4j_relpred.model.calibration import NONE_MISSING, SOFTMAX, Calibration, beside_of, evidence_of

__all__ = ["CalibrationReport", "calibration_error", "complete", "fit_calibration", "measure"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
SHRINKAGE = 20.0  # how much evidence a relation needs to leave the global curve
RIDGE = np.array([1e-3, 1e-3, 1e-3, SHRINKAGE])  # of the global curve; few answers do not say what being first means
BINS = 10
STEPS = 30
LEAST_ANSWERS = 10


@dataclass(frozen=True)
class CalibrationReport:
    """Expected calibration error of the first answers, Brier score, log loss, and the reliability diagram.

    diagram: (mean probability, share that holds, number) of each bin with anything in it. chance: what the expected
    calibration error would be on average if all probabilities were right, for a bin of few answers never holds exactly
    its share.
    """

    ece: float
    brier: float
    log_loss: float
    count: int
    diagram: tuple[tuple[float, float, int], ...]
    chance: float = 0.0  # reports of older versions have none


def fit_calibration(
    logits: FloatArray, real: Mask, labels: FloatArray, relations: IntArray, num_relations: int
) -> Calibration:
    """All (q, c). Logistic regression over all pairs, then Platt per relation shrunk to it.

    The logits must come from a reasoner that did not see these queries. Fewer than ten answers give the plain softmax.
    """
    if labels[real].sum() < LEAST_ANSWERS:
        return Calibration.plain(num_relations)
    rows = evidence_of(logits, real)[real]
    truth, group = labels[real], relations[real]
    weights = _rising(rows, truth, SOFTMAX, RIDGE)
    z = rows @ weights
    slope, intercept = np.ones(num_relations), np.zeros(num_relations)
    order = np.argsort(group, kind="stable")
    for mine in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):  # the rows of each relation
        relation = group[mine[0]]
        platt = np.stack([z[mine], np.ones(len(mine))], axis=1)
        slope[relation], intercept[relation] = _newton(
            platt, truth[mine], np.array([1.0, 0.0]), np.array([SHRINKAGE, SHRINKAGE])
        )
    return Calibration(weights, np.maximum(slope, 0.05), intercept, NONE_MISSING)


def complete(
    calibration: Calibration, logits: FloatArray, real: Mask, labels: FloatArray, relations: IntArray, known: IntArray
) -> Calibration:
    """Corrects for true answers that the graph lacks and that therefore counted as wrong when this was fitted.

    logits, real, labels, relations: (q, c); known: (q,) answers of the question in the graph. Fits how often held-out
    answers have another one beside them, see Calibration.
    """
    found = labels > 0
    if found.sum() < LEAST_ANSWERS:
        return calibration
    z = calibration.log_odds(logits, real, relations)
    beside = (found.sum(1) > 1)[np.nonzero(found)[0]].astype(np.float64)
    start = np.array([-1.0, 0.0, 0.0])
    rows = beside_of(z, real & ~found, known)[found]  # held-out answers are known by then, and no candidates
    missing = _rising(rows, beside, start, np.full(3, 1e-2))
    return replace(calibration, missing=missing)


def _rising(rows: FloatArray, truth: FloatArray, start: FloatArray, ridge: FloatArray) -> FloatArray:
    """Weights of evidence (n, k), the first of a bias, of which no other falls: probabilities keep the order."""
    kept = np.arange(rows.shape[1])
    while True:
        found = _newton(rows[:, kept], truth, start[kept], ridge[kept])
        if (found[1:] >= 0).all():
            weights = np.zeros(rows.shape[1])
            weights[kept] = found
            return weights
        kept = np.delete(kept, 1 + found[1:].argmin())  # without the worst of them


def calibration_error(probabilities: FloatArray, labels: FloatArray) -> float:
    """ECE of both (n,), over BINS bins of equal number, so that no bin rests on a handful."""
    if not len(probabilities):
        return float("nan")
    gaps = (probabilities - labels)[np.argsort(probabilities, kind="stable")]
    return float(np.abs(np.add.reduceat(gaps, _bins(len(gaps)))).sum() / len(gaps))


def _bins(count: int) -> IntArray:
    """Where the bins of so many begin: at most BINS, and none is empty."""
    bins = np.arange(min(BINS, count))
    return bins * (count // BINS) + np.minimum(bins, count % BINS)


def measure(probabilities: FloatArray, labels: FloatArray) -> CalibrationReport:
    """Both (n,): errors, and the diagram of the bins that `calibration_error` has."""
    if not len(probabilities):
        return CalibrationReport(float("nan"), float("nan"), float("nan"), 0, ())
    parts = np.split(np.argsort(probabilities, kind="stable"), _bins(len(probabilities))[1:])
    diagram = tuple((float(probabilities[p].mean()), float(labels[p].mean()), len(p)) for p in parts)
    safe = np.clip(probabilities, 1e-7, 1 - 1e-7)
    log_loss = -(labels * np.log(safe) + (1 - labels) * np.log(1 - safe)).mean()
    brier = ((probabilities - labels) ** 2).mean()
    spread = [np.sqrt((probabilities[p] * (1 - probabilities[p])).sum()) for p in parts]  # of how many hold in a bin
    chance = np.sqrt(2 / np.pi) * sum(spread) / len(probabilities)  # the mean of |x| of a normal x
    ece = calibration_error(probabilities, labels)
    return CalibrationReport(ece, float(brier), float(log_loss), len(probabilities), diagram, float(chance))


def _newton(
    rows: FloatArray, truth: FloatArray, start: FloatArray, ridge: FloatArray, offset: FloatArray | float = 0.0
) -> FloatArray:
    """Logistic regression with a ridge towards `start` and a fixed offset, by damped Newton steps."""
    weights = start.copy()

    def loss(w: FloatArray) -> float:
        z = rows @ w + offset
        return float((np.logaddexp(0, z) - truth * z).sum() + (ridge * (w - start) ** 2).sum() / 2)

    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(rows @ weights + offset, -40, 40)))
        gradient = rows.T @ (p - truth) + ridge * (weights - start)
        hessian = (rows * (p * (1 - p))[:, None]).T @ rows + np.diag(ridge + 1e-9)
        step = np.linalg.solve(hessian, gradient)
        size, before = 1.0, loss(weights)
        while loss(weights - size * step) > before and size > 1e-4:
            size /= 2
        weights = weights - size * step
        if np.abs(size * step).max() < 1e-7:
            break
    return weights
