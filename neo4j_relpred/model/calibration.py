"""From logits to probabilities: how it is applied. How it is fitted stands in evaluation.calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Calibration", "base_rate_shift", "evidence_of"]

FloatArray = npt.NDArray[np.float64]
LEAST = 1e-7


@dataclass(frozen=True)
class Calibration:
    """A logistic model of the evidence, then Platt's two numbers per relation.

    weights (3,): bias, logit, log odds within the query; slope, intercept, missing (relations,). The probabilities
    are those of questions that have a missing answer; `base_rate` of `probabilities` states another share of such
    questions. `missing` corrects for answers that the graph lacked when this was fitted: a candidate with probability
    p of being a held-out answer was a missing one, and true as well, with probability missing * p (1 - p).
    """

    weights: FloatArray
    slope: FloatArray
    intercept: FloatArray
    missing: FloatArray

    @classmethod
    def plain(cls, num_relations: int) -> Calibration:
        """The softmax within the query, for a model that could not be calibrated."""
        return cls(np.array([0.0, 0.0, 1.0]), np.ones(num_relations), np.zeros(num_relations), np.zeros(num_relations))

    def probabilities(
        self, logits: FloatArray, real: npt.NDArray[np.bool_], relations: npt.NDArray[np.int64], base_rate: float = 1.0
    ) -> FloatArray:
        """logits, real, relations: (q, c), the relation of each candidate triple -> (q, c)."""
        z = self.log_odds(logits, real, relations) + base_rate_shift(base_rate)
        p = 1 / (1 + np.exp(-np.clip(z, -40, 40)))
        p = p + self.missing[relations] * p * (1 - p)  # a held-out answer, or one that the graph lacked
        return np.where(real, np.clip(p, LEAST, 1 - LEAST), 0.0)

    def log_odds(self, logits: FloatArray, real: npt.NDArray[np.bool_], relations: npt.NDArray[np.int64]) -> FloatArray:
        """What `probabilities` puts through the logistic function, at base rate 1. All (q, c)."""
        return self.slope[relations] * (evidence_of(logits, real) @ self.weights) + self.intercept[relations]


def base_rate_shift(base_rate: float) -> float:
    """What is added to log odds when only this share of the questions has a missing answer.

    Prior odds of a candidate shrink from 1/c to base_rate/c; the evidence stays (Bayes in log odds).
    """
    return float(np.log(base_rate))


def evidence_of(logits: FloatArray, real: npt.NDArray[np.bool_]) -> FloatArray:
    """(q, c) -> (q, c, 3): one, the logit, and its log odds in the softmax over the query's candidates."""
    masked = np.where(real, logits, -1e4)
    top = masked.max(1, keepdims=True)
    weight = np.exp(masked - top)
    share = np.clip(weight / weight.sum(1, keepdims=True), LEAST, 1 - LEAST)
    return np.stack([np.ones_like(masked), masked, np.log(share / (1 - share))], axis=2)
