"""The words everything else is written in: entity, relation, triple, query, scored triple, evidence."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

from neo4j_relpred.errors import InvalidQuery

__all__ = ["EntityId", "Evidence", "Part", "Query", "QuestionKind", "Relation", "ScoredTriple", "Triple", "edge_key"]

EntityId = str
Relation = str
Part = Literal["head", "relation", "tail"]
QuestionKind = Literal["tails", "heads", "relations", "score"]  # which part is asked for; "score" judges whole triples


@dataclass(frozen=True, slots=True, order=True)
class Triple:
    """A statement: `head` stands in `relation` to `tail`."""

    head: EntityId
    relation: Relation
    tail: EntityId


@dataclass(frozen=True, slots=True)
class Query:
    """A triple with exactly one part missing: the target."""

    head: EntityId | None = None
    relation: Relation | None = None
    tail: EntityId | None = None

    def __post_init__(self) -> None:
        if [self.head, self.relation, self.tail].count(None) != 1:
            raise InvalidQuery("A query leaves out exactly one part.", hint="Give two of head, relation, tail.")

    @property
    def target(self) -> Part:
        """The part that is asked for."""
        if self.head is None:
            return "head"
        return "relation" if self.relation is None else "tail"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a triple was scored as it was: one line for people, the weight of each kind of evidence for machines."""

    summary: str = ""
    shares: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScoredTriple:
    """An answer. `score` orders the candidates of one query; `probability` compares between queries."""

    triple: Triple
    score: float
    probability: float
    rank: int
    evidence: Evidence = Evidence()


def edge_key(head: EntityId, relation: Relation, tail: EntityId) -> str:
    """The identity of a predicted edge: SHA-256 in hex over the three parts, each with its length before it.

    Neither model nor run is part of it, so a triple has at most one predicted edge.
    """
    digest = hashlib.sha256()
    for part in (head, relation, tail):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()
