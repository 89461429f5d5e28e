"""How right the model was in the eyes of people: precision of what was published and then decided about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from neo4j_relpred.triples import Relation

__all__ = ["LivePrecision", "live_precision"]

THRESHOLDS = (0.0, 0.5, 0.7, 0.9, 0.95)
NORMAL = 1.96  # for an interval of 95 %


@dataclass(frozen=True, slots=True)
class LivePrecision:
    """Of the decisions about a type (None: all types) at this probability and above.

    low, high: Wilson's interval of the precision at 95 %.
    """

    relation: Relation | None
    threshold: float
    accepted: int
    decided: int
    precision: float
    low: float
    high: float


def live_precision(decisions: Iterable[tuple[Relation, float, bool]]) -> list[LivePrecision]:
    """Decisions are type, probability and whether it was accepted. All types first; thresholds without any left out."""
    groups: dict[Relation | None, list[tuple[float, bool]]] = defaultdict(list)
    for relation, probability, accepted in decisions:
        groups[None].append((probability, accepted))
        groups[relation].append((probability, accepted))
    found = []
    for group in sorted(groups, key=lambda name: (name is not None, name or "")):
        for threshold in THRESHOLDS:
            right = [accepted for probability, accepted in groups[group] if probability >= threshold]
            if right:
                found.append(_precision(group, threshold, sum(right), len(right)))
    return found


def _precision(relation: Relation | None, threshold: float, accepted: int, decided: int) -> LivePrecision:
    share = accepted / decided
    centre = (share + NORMAL**2 / (2 * decided)) / (1 + NORMAL**2 / decided)
    spread = share * (1 - share) / decided + NORMAL**2 / (4 * decided**2)
    half = NORMAL / (1 + NORMAL**2 / decided) * spread**0.5
    return LivePrecision(
        relation, threshold, accepted, decided, share, max(0.0, centre - half), min(1.0, centre + half)
    )
