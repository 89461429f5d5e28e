"""Why a triple is thought to hold: what each kind of evidence says, and the rules that lead from head to tail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from neo4j_relpred.triples import EntityId, Relation, ScoredTriple

__all__ = ["Clue", "Direction", "Explanation", "FiredRule", "NamedNode", "Step"]

Direction = Literal["out", "in", "either"]


@dataclass(frozen=True, slots=True)
class Step:
    """One edge of a path: along its direction, against it, or of a type whose direction says nothing."""

    relation: Relation
    direction: Direction


@dataclass(frozen=True, slots=True)
class NamedNode:
    """A node, and what people call it."""

    id: EntityId
    name: str


@dataclass(frozen=True, slots=True)
class FiredRule:
    """A rule whose body leads from the head of a triple to its tail, in the graph without the triple.

    bindings: some of the paths that it went, at least one, each of as many nodes as there are steps and one more.
    constant: the place in a path of the node that must be this very one, which is the same in all bindings. text names
    no other node. support: how often the rule was right, of what it was counted over. pattern: Cypher for behind MATCH
    that finds the paths between `h` and `t`; empty where no graph is at hand.
    """

    text: str
    steps: tuple[Step, ...]
    constant: int | None
    bindings: tuple[tuple[NamedNode, ...], ...]
    support: int
    confidence: float
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Clue:
    """A kind of evidence: its share in the score, and what it says of this triple; it names no node."""

    kind: str
    share: float
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a triple was scored as it was, itself taken out of the graph.

    clues: every kind of evidence, the largest share first; shares are at least 0 and sum to 1, or are all 0 where
    nothing speaks for the triple. rules: the most confident first.
    """

    scored: ScoredTriple
    clues: tuple[Clue, ...]
    rules: tuple[FiredRule, ...]
