"""What a sweep would cost, before it is begun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neo4j_relpred.triples import Relation

__all__ = ["Estimate", "TypeEstimate"]


@dataclass(frozen=True)
class TypeEstimate:
    """Heads that would be asked for tails of one type, how many of them have one already, and tails that may answer."""

    relation: Relation
    heads: int
    answered: int
    tails: int

    @property
    def triples(self) -> int:
        """How many triples would be told apart."""
        return self.heads * self.tails


@dataclass(frozen=True)
class Estimate:
    """What a sweep would ask, and at which pace.

    every: triples of any two nodes and any of the types; settled: questions left out since they have the one answer
    that such questions have; seconds_each: of a question, measured on some; memory_bytes: of the largest arrays that
    would be there at a time; minutes: what a sweep may take (publishing.minutes).
    """

    types: tuple[TypeEstimate, ...]
    every: int
    settled: int
    seconds_each: float
    memory_bytes: int
    minutes: float

    @property
    def questions(self) -> int:
        """How many would be asked, had they the time."""
        return sum(one.heads for one in self.types)

    @property
    def triples(self) -> int:
        """How many triples would be told apart."""
        return sum(one.triples for one in self.types)

    @property
    def seconds(self) -> float:
        """How long all questions would take."""
        return self.questions * self.seconds_each

    @property
    def share(self) -> float:
        """Share of the questions that the minutes allow, the most promising ones."""
        return min(1.0, 60 * self.minutes / self.seconds) if self.seconds else 1.0

    @classmethod
    def of(
        cls, counts: Sequence[TypeEstimate], every: int, settled: int, pace: float, memory: int, minutes: float
    ) -> Estimate:
        """Types with the most heads first."""
        ordered = sorted(counts, key=lambda one: (-one.heads, one.relation))
        return cls(tuple(ordered), every, settled, pace, memory, minutes)
