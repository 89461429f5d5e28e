"""What a graph, and what was published of it, looks like in a few counts, and how far apart two such looks are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from neo4j_relpred.data.snapshot import Snapshot

__all__ = ["Counts", "Shift", "probabilities_of", "profile_of", "shift_of"]

Counts = Mapping[str, int]
Verdict = Literal["steady", "moved", "moved much"]
# The usual reading of a population stability index (Siddiqi, Credit Risk Scorecards, 2006).
MOVED, MUCH = 0.1, 0.25
SMALLEST_TEXT = 8  # characters; texts shorter than twice that are one bin
MOST_NAMED = 3


@dataclass(frozen=True)
class Shift:
    """How far a distribution moved. index: population stability index; chance: what it is on average by chance alone.

    most: the bins that account for most of it, with their shares before and after.
    """

    name: str
    before: int
    after: int
    index: float
    chance: float
    verdict: Verdict
    most: tuple[tuple[str, float, float], ...]

    @property
    def sentence(self) -> str:
        """What moved most, where anything did."""
        moved = () if self.verdict == "steady" else self.most
        return "; ".join(f"{name}: {before:.1%} to {after:.1%}" for name, before, after in moved)


def profile_of(data: Snapshot, texts: Sequence[str]) -> dict[str, dict[str, int]]:
    """Counts of nodes by the length of their text (in characters) and by degree, of edges by type, of labels."""
    degrees = np.bincount(data.triples[:, [0, 2]].ravel(), minlength=len(data.ids))
    return {
        "text length": _doubling((len(text) for text in texts), SMALLEST_TEXT),
        "degree": _doubling(degrees.tolist(), 1),
        "relationship type": data.relation_counts(),
        "label": data.label_counts(),
    }


def probabilities_of(probabilities: Iterable[float]) -> dict[str, int]:
    """Counts by tenths."""
    tenths = Counter(min(9, int(10 * probability)) for probability in probabilities)
    return {f".{tenth}": tenths[tenth] for tenth in range(10)}


def shift_of(name: str, before: Counts, after: Counts) -> Shift:
    """The population stability index: the sum of (q - p) ln(q / p), Jeffreys' divergence of the shares p and q.

    Half a case in each bin keeps an empty one from counting without end. Two samples of n and m from one distribution
    over k bins have an index of (k - 1) (1/n + 1/m) on average (Yurdakul 2018); what is above it tells of a shift.
    """
    bins = [one for one in dict.fromkeys((*before, *after)) if before.get(one, 0) or after.get(one, 0)]
    n, m = (sum(counts.values()) for counts in (before, after))
    if not n or not m:
        raise ValueError("a distribution without cases has not moved anywhere")
    parts = []
    for one in bins:
        p, q = ((counts.get(one, 0) + 0.5) / (total + 0.5 * len(bins)) for counts, total in ((before, n), (after, m)))
        parts.append(((q - p) * math.log(q / p), one))
    index, chance = sum(part for part, _ in parts), (len(bins) - 1) * (1 / n + 1 / m)
    above = index - chance
    verdict: Verdict = "moved much" if above > MUCH else "moved" if above > MOVED else "steady"
    most = tuple(
        (one, before.get(one, 0) / n, after.get(one, 0) / m) for part, one in sorted(parts, reverse=True) if part > 0
    )
    return Shift(name, n, m, index, chance, verdict, most[:MOST_NAMED])


def _doubling(values: Iterable[int], first: int) -> dict[str, int]:
    """Counts by ranges, each twice as wide as the one before: 0, then below 2 `first`, and so on."""
    found = Counter(0 if value == 0 else max(1, (value // first).bit_length()) for value in values)
    return {_range(number, first): found[number] for number in range(max(found, default=0) + 1)}


def _range(number: int, first: int) -> str:
    if number == 0:
        return "0"
    low, high = (1 if number == 1 else first << (number - 1)), (first << number) - 1
    return str(low) if low == high else f"{low}-{high}"
