"""The one definition of rank, and the figures made of ranks."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

__all__ = ["RankSummary", "Ranks", "filtered_ranks", "summarize"]

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Ranks:
    """Ranks of each query's truth, all (queries,), from 1. Realistic is the mean of the other two."""

    realistic: FloatArray
    optimistic: FloatArray
    pessimistic: FloatArray
    candidates: IntArray

    @classmethod
    def concatenate(cls, parts: list[Ranks]) -> Ranks:
        """The ranks of several batches as one."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def where(self, chosen: Mask) -> Ranks:
        """Those of the chosen (queries,)."""
        return Ranks(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True)
class RankSummary:
    """Figures over realistic ranks, with a 95 % bootstrap interval of the MRR."""

    queries: int
    mrr: float
    hits: dict[int, float]
    adjusted_mean_rank: float
    interval: tuple[float, float]

    def hits_at(self, k: int) -> float:
        """Share of queries whose truth ranks k or better; k is 1, 3 or 10."""
        return self.hits[k]


def filtered_ranks(scores: FloatArray, target: IntArray, known: Mask) -> Ranks:
    """Ranks the target among the candidates that are not known to be true.

    scores, known: (queries, candidates); target: (queries,). A NaN score counts as a tie with everything, so a
    broken model cannot rank well.
    """
    rows = np.arange(len(target))
    rival = ~known  # a copy: the caller's mask stays
    rival[rows, target] = False
    truth = scores[rows, target][:, None]  # (queries, 1)
    better = (rival & (scores > truth)).sum(axis=1)
    equal = (rival & ~(scores > truth) & ~(scores < truth)).sum(axis=1)
    return Ranks(better + 1 + equal / 2, better + 1.0, better + equal + 1.0, rival.sum(axis=1) + 1)


def summarize(ranks: Ranks, seed: int = 0) -> RankSummary:
    """MRR, Hits@1/3/10, adjusted mean rank (1 is chance, 0 is perfect) and the interval of the MRR."""
    realistic = ranks.realistic
    if not len(realistic):
        return RankSummary(0, float("nan"), dict.fromkeys((1, 3, 10), float("nan")), float("nan"), (float("nan"),) * 2)
    expected = ((ranks.candidates + 1) / 2).mean()
    adjusted = (realistic.mean() - 1) / max(expected - 1, 1e-12)
    draws = np.random.default_rng(seed).integers(len(realistic), size=(200, len(realistic)))
    low, high = np.quantile((1 / realistic)[draws].mean(axis=1), (0.025, 0.975))
    hits = {k: float((realistic <= k).mean()) for k in (1, 3, 10)}
    return RankSummary(len(realistic), float((1 / realistic).mean()), hits, float(adjusted), (float(low), float(high)))
