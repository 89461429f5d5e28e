"""Probabilities of edges that nobody asked for, put right by what a trial of the training showed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neo4j_relpred.model.calibration import LEAST, logistic

__all__ = ["Unasked", "log_odds"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Unasked:
    """slope (2,), offset (R, 2) of log odds, by type; of questions without and with an answer in the graph.

    A base rate says how many questions of a kind have a missing answer; the evidence that one answer is better than the
    others then counts as evidence that there is one. That holds of a derived form of a word. It does not of languages:
    if it is stated at all what a person of England speaks, it is English, but mostly it is not stated.
    """

    slope: FloatArray
    offset: FloatArray

    @classmethod
    def plain(cls, num_relations: int) -> Unasked:
        """Leaves probabilities as they are."""
        return cls(np.ones(2), np.zeros((num_relations, 2)))

    def corrected(self, probabilities: FloatArray, relation: int, answered: npt.NDArray[np.bool_]) -> FloatArray:
        """probabilities (q, c) at base rates, of one type; answered (q,): whether the graph has an answer already.

        What is 0, since it is no candidate, stays 0.
        """
        kind = answered.astype(np.int64)
        z = self.slope[kind][:, None] * log_odds(probabilities) + self.offset[relation, kind][:, None]
        return np.where(probabilities > 0, np.clip(logistic(z), LEAST, 1 - LEAST), 0.0)


def log_odds(probabilities: FloatArray) -> FloatArray:
    """Of probabilities, kept from infinity."""
    p = np.clip(probabilities, LEAST, 1 - LEAST)
    return np.log(p / (1 - p))
