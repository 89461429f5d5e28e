"""Which of the candidates that a sweep found are published: by stated precision, and by how many each may have."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from neo4j_relpred.config import PublishingSettings
from neo4j_relpred.triples import Relation, ScoredTriple, Triple

__all__ = ["Limited", "least_probability", "limit"]

PRECISION_FLOOR = 0.05  # less probable candidates are not looked at when a precision decides


def least_probability(settings: PublishingSettings) -> float:
    """Below which a candidate is not looked at."""
    return settings.min_probability if settings.precision is None else PRECISION_FLOOR


@dataclass(frozen=True)
class Limited:
    """The candidates that are left, most probable first; thresholds of the types that a precision decided about."""

    triples: list[ScoredTriple]
    thresholds: dict[Relation, float]


def limit(found: Iterable[ScoredTriple], settings: PublishingSettings, symmetric: Collection[Relation] = ()) -> Limited:
    """Goes through candidates from the most probable one down, and keeps what the settings leave room for.

    With `precision`, a type keeps the largest number of its most probable candidates whose mean probability is not
    below it: if probabilities are right, that is the share of them that holds. Of twins of a symmetric type the more
    probable one stays.
    """
    ordered = _distinct(sorted(found, key=lambda scored: (-scored.probability, scored.triple)), symmetric)
    thresholds: dict[Relation, float] = {}
    if settings.precision is not None:
        thresholds = _thresholds(ordered, settings.precision)
        ordered = [one for one in ordered if one.probability >= thresholds.get(one.triple.relation, 2.0)]
    kept: list[ScoredTriple] = []
    of_type, at_tail, at_node = Counter[str](), Counter[tuple[str, str]](), Counter[str]()
    for one in ordered:
        head, relation, tail = one.triple.head, one.triple.relation, one.triple.tail
        full = (
            _full(of_type[relation], settings.per_type)
            or _full(at_tail[relation, tail], settings.per_tail)
            or _full(max(at_node[head], at_node[tail]), settings.per_node)
        )
        if full:
            continue
        kept.append(one)
        of_type[relation] += 1
        at_tail[relation, tail] += 1
        at_node.update({head, tail})
        if len(kept) == settings.max_edges:
            break
    return Limited(kept, thresholds)


def _distinct(ordered: Iterable[ScoredTriple], symmetric: Collection[Relation]) -> list[ScoredTriple]:
    met, kept = set[Triple](), list[ScoredTriple]()
    for one in ordered:
        head, relation, tail = one.triple.head, one.triple.relation, one.triple.tail
        if relation not in symmetric or Triple(tail, relation, head) not in met:
            met.add(one.triple)
            kept.append(one)
    return kept


def _full(count: int, most: int | None) -> bool:
    return most is not None and count >= most


def _thresholds(ordered: Iterable[ScoredTriple], precision: float) -> dict[Relation, float]:
    """The least probability that a type may keep; types that keep nothing are left out. ordered: falling."""
    sums, counts, thresholds = defaultdict[Relation, float](float), Counter[Relation](), dict[Relation, float]()
    for one in ordered:
        relation = one.triple.relation
        sums[relation] += one.probability
        counts[relation] += 1
        if sums[relation] >= precision * counts[relation]:
            thresholds[relation] = one.probability
    return thresholds
