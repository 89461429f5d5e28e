"""Triple classification: true or false, by a threshold per relation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Scored", "best_threshold", "classification_accuracy"]

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Scored = tuple[IntArray, FloatArray, Mask]  # relations, scores and truth, each (n,)
LEAST = 10  # triples of a relation that are enough for a threshold of its own


def best_threshold(scores: FloatArray, truth: Mask) -> float:
    """The threshold with the best accuracy, in the middle between two scores; all (n,), n > 0."""
    order = np.argsort(scores, kind="stable")
    values, right = scores[order], truth[order]
    # cut before position i: the i lower ones are taken for false
    correct = np.concatenate([[0], np.cumsum(~right)]) + right.sum() - np.concatenate([[0], np.cumsum(right)])
    bounds = np.concatenate([[values[0] - 1], values, [values[-1] + 1]]).astype(np.float64)
    cuts = (bounds[:-1] + bounds[1:]) / 2
    tied = np.concatenate([[False], values[1:] == values[:-1], [False]])
    return float(cuts[np.where(tied, -1, correct).argmax()])


def classification_accuracy(known: Scored, asked: Scored) -> float:
    """Share of `asked` on the right side of thresholds that were chosen on `known`."""
    relations, scores, truth = known
    overall = best_threshold(scores, truth)
    thresholds = {
        int(relation): best_threshold(scores[mine], truth[mine])
        for relation in np.unique(relations)
        if (mine := relations == relation).sum() >= LEAST
    }
    limits = np.array([thresholds.get(int(relation), overall) for relation in asked[0]])
    return float(((asked[1] > limits) == asked[2]).mean())
