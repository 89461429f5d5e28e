"""From logits to probabilities: how it is applied. How it is fitted stands in evaluation.calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["LEAST", "NONE_MISSING", "SOFTMAX", "Calibration", "base_rate_shift", "beside_of", "evidence_of", "logistic"]

FloatArray = npt.NDArray[np.float64]
LEAST = 1e-7
SOFTMAX = np.array([0.0, 0.0, 1.0, 0.0])  # the weights that give the share of the softmax
NONE_MISSING = np.array([-40.0, 0.0, 0.0])
LEAST_OTHERS = 1e-3
DOUBT = 0.1  # of the doubt about a held-out answer, what stays when it may be a missing one


@dataclass(frozen=True)
class Calibration:
    """A logistic model of the evidence, then Platt's two numbers per relation.

    weights (4,), of `evidence_of`; slope, intercept (relations,). The probabilities are those of questions that have a
    missing answer; `base_rate` of `probabilities` states another share of such questions.

    `missing` (3,) corrects for answers that the graph lacked when this was fitted. Say that as many edges were missing
    as were held out, by the same chance. Then a question that is asked because it has a held-out answer has a missing
    one as often as a second one that was held out, which `missing` tells of each answer (logistic, of `beside_of`).
    Held-out answers are known by the time that somebody asks, and of a candidate that is none of them the probability
    of being true is p / (1 - beside * p).
    """

    weights: FloatArray
    slope: FloatArray
    intercept: FloatArray
    missing: FloatArray

    @classmethod
    def plain(cls, num_relations: int) -> Calibration:
        """The softmax within the query, for a model that could not be calibrated."""
        return cls(SOFTMAX, np.ones(num_relations), np.zeros(num_relations), NONE_MISSING)

    def probabilities(
        self,
        logits: FloatArray,
        real: npt.NDArray[np.bool_],
        relations: npt.NDArray[np.int64],
        known: npt.NDArray[np.integer],
        base_rate: float | FloatArray = 1.0,
    ) -> FloatArray:
        """logits, real, relations: (q, c), the relation of each candidate triple -> (q, c).

        known: (q,) answers of the question that the graph has. base_rate: of all questions, or (q, 1).
        """
        z = self.log_odds(logits, real, relations)
        beside = logistic(beside_of(z, real, known) @ self.missing)
        p = logistic(z + base_rate_shift(base_rate))
        p = np.minimum(p / np.maximum(1 - beside * p, DOUBT), 1 - DOUBT * (1 - p))
        return np.where(real, np.clip(p, LEAST, 1 - LEAST), 0.0)

    def log_odds(self, logits: FloatArray, real: npt.NDArray[np.bool_], relations: npt.NDArray[np.int64]) -> FloatArray:
        """What `probabilities` puts through the logistic function, at base rate 1. All (q, c)."""
        return self.slope[relations] * (evidence_of(logits, real) @ self.weights) + self.intercept[relations]


def logistic(z: FloatArray) -> FloatArray:
    """Log odds to probabilities, as far as they can be told from 0 and 1."""
    p: FloatArray = 1 / (1 + np.exp(-np.clip(z, -40, 40)))
    return p


def beside_of(z: FloatArray, real: npt.NDArray[np.bool_], known: npt.NDArray[np.integer]) -> FloatArray:
    """Log odds z, real (q, c), known (q,) -> (q, c, 3): what tells whether an answer has others beside it.

    One, the logarithm of the question's known answers, and that of how many of the other candidates are expected to
    hold.
    """
    p = np.where(real, logistic(z), 0.0)
    others = np.log(np.maximum(p.sum(1, keepdims=True) - p, LEAST_OTHERS))
    return np.stack([np.ones_like(z), np.broadcast_to(np.log1p(known)[:, None], z.shape), others], axis=2)


def base_rate_shift(base_rate: float | FloatArray) -> FloatArray:
    """What is added to log odds when only this share of the questions has a missing answer.

    Prior odds of a candidate shrink from 1/c to base_rate/c; the evidence stays (Bayes in log odds).
    """
    return np.log(np.asarray(base_rate, np.float64))


def evidence_of(logits: FloatArray, real: npt.NDArray[np.bool_]) -> FloatArray:
    """(q, c) -> (q, c, 4): one, the logit, its log odds in the softmax over the candidates, whether it is first.

    Few candidates come first and all others are fitted along with them: without the last, what holds of the others
    would bend the probabilities of the first, which are those that people see.
    """
    masked = np.where(real, logits, -1e4)
    top = masked.max(1, keepdims=True)
    weight = np.exp(masked - top)
    share = np.clip(weight / weight.sum(1, keepdims=True), LEAST, 1 - LEAST)
    first = np.where(masked == top, 1.0, 0.0)
    return np.stack([np.ones_like(masked), masked, np.log(share / (1 - share)), first], axis=2)
