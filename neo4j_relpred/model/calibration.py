"""From logits to probabilities: how it is applied. How it is fitted stands in evaluation.calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["NONE_MISSING", "Calibration", "base_rate_shift", "beside_of", "evidence_of"]

FloatArray = npt.NDArray[np.float64]
LEAST = 1e-7
NONE_MISSING = np.array([-40.0, 0.0, 0.0])
DOUBT = 0.1  # of the doubt about a held-out answer, what stays when it may be a missing one


@dataclass(frozen=True)
class Calibration:
    """A logistic model of the evidence, then Platt's two numbers per relation.

    weights (3,): bias, logit, log odds within the query; slope, intercept, missing (relations,). The probabilities
    are those of questions that have a missing answer; `base_rate` of `probabilities` states another share of such
    questions.

    `missing` (3,) corrects for answers that the graph lacked when this was fitted. Say that as many edges were missing
    as were held out, by the same chance. Then a question that is asked because it has a held-out answer has a missing
    one as often as a second one that was held out, which `missing` tells (logistic, of `beside_of`). Held-out answers
    are known by the time that somebody asks, and of a candidate that is none of them the probability of being true is
    p / (1 - beside * p).
    """

    weights: FloatArray
    slope: FloatArray
    intercept: FloatArray
    missing: FloatArray

    @classmethod
    def plain(cls, num_relations: int) -> Calibration:
        """The softmax within the query, for a model that could not be calibrated."""
        return cls(np.array([0.0, 0.0, 1.0]), np.ones(num_relations), np.zeros(num_relations), NONE_MISSING)

    def probabilities(
        self,
        logits: FloatArray,
        real: npt.NDArray[np.bool_],
        relations: npt.NDArray[np.int64],
        known: npt.NDArray[np.integer],
        base_rate: float = 1.0,
    ) -> FloatArray:
        """logits, real, relations: (q, c), the relation of each candidate triple -> (q, c).

        known: (q,) answers of the question that the graph has.
        """
        z = self.log_odds(logits, real, relations)
        beside = _logistic(beside_of(z, real, known) @ self.missing)[:, None]
        p = _logistic(z + base_rate_shift(base_rate))
        p = np.minimum(p / np.maximum(1 - beside * p, DOUBT), 1 - DOUBT * (1 - p))
        return np.where(real, np.clip(p, LEAST, 1 - LEAST), 0.0)

    def log_odds(self, logits: FloatArray, real: npt.NDArray[np.bool_], relations: npt.NDArray[np.int64]) -> FloatArray:
        """What `probabilities` puts through the logistic function, at base rate 1. All (q, c)."""
        return self.slope[relations] * (evidence_of(logits, real) @ self.weights) + self.intercept[relations]


def _logistic(z: FloatArray) -> FloatArray:
    p: FloatArray = 1 / (1 + np.exp(-np.clip(z, -40, 40)))
    return p


def beside_of(z: FloatArray, real: npt.NDArray[np.bool_], known: npt.NDArray[np.integer]) -> FloatArray:
    """Log odds z, real (q, c), known (q,) -> (q, 3): one, the logarithm of known answers, the highest log odds."""
    best = np.where(real, z, -10.0).max(1)
    return np.stack([np.ones(len(z)), np.log1p(known), np.clip(best, -10, 10)], axis=1)


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
