"""True or false, by a threshold per relation."""

from __future__ import annotations

import numpy as np

from neo4j_relpred.evaluation.classification import best_threshold, classification_accuracy


def test_the_best_threshold_parts_true_from_false() -> None:
    assert best_threshold(np.array([3.0, 1.0, 4.0, 0.0]), np.array([True, False, True, False])) == 2.0


def test_ties_are_never_parted() -> None:
    """Of three equal scores two hold: all are taken for true, and none can be told from the others."""
    limit = best_threshold(np.array([1.0, 1.0, 1.0]), np.array([False, True, True]))
    assert limit < 1.0


def test_thresholds_belong_to_relations_and_rare_ones_share_one() -> None:
    relations = np.repeat([0, 1, 2], [20, 20, 2])
    truth = np.tile([True, False], 21)
    scores = np.where(truth, 1.0, 0.0) + 10.0 * (relations == 1)
    known = relations, scores, truth
    frequent = relations < 2
    asked = relations[frequent], scores[frequent], truth[frequent]
    assert classification_accuracy(known, asked) == 1
