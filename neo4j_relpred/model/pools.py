"""Which entities can answer queries by a relation at all: in a large graph most of them are of another kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph

__all__ = ["WHOLE", "Pool", "answer_pool"]

WHOLE = 10_000  # a graph with no more entities than this takes all of them into every pool
LEAST = 1_000  # entities in a pool
USUAL = 0.02  # share of a relation's answers that have an edge of some type, from which on having one speaks for a node


@dataclass(frozen=True)
class Pool:
    """entities: (p,) sorted; place: (entities,) the position of each entity in it, -1 for those outside."""

    entities: IntArray
    place: IntArray

    @classmethod
    def of(cls, entities: IntArray, num_entities: int) -> Pool:
        """entities: sorted, without repetition."""
        place = np.full(num_entities, -1, np.int64)
        place[entities] = np.arange(len(entities))
        return cls(entities, place)

    @property
    def whole(self) -> bool:
        """Whether every entity is in."""
        return len(self.entities) == len(self.place)

    def with_entities(self, more: IntArray) -> Pool:
        """The pool with these entities (n,), too."""
        if (self.place[more] >= 0).all():
            return self
        return Pool.of(np.union1d(self.entities, more), len(self.place))


def answer_pool(graph: KnowledgeGraph, relation: int) -> Pool:
    """The known answers of a relation, what touches edges of a type that they usually touch, and what touches none.

    The relation's own edges say nothing of the others: they are what is asked for. A node that has no other edges is
    in, since nothing speaks against it. Ranks count entities outside as beaten by all that are inside.
    """
    count, back = graph.num_entities, graph.inverse(relation)
    everyone = np.arange(count)
    answering = graph.context[:, back] > 0
    if count <= WHOLE or not answering.any():
        return Pool(everyone, everyone)
    usual = (graph.context[answering] > 0).mean(0) >= USUAL
    usual[back] = False
    fits = graph.context @ usual.astype(np.float32) > 0
    fits |= answering | (graph.degrees == graph.context[:, back])
    missing = LEAST - int(fits.sum())
    if missing > 0:
        others = np.flatnonzero(~fits)
        fits[others[np.argsort(-graph.degrees[others], kind="stable")[:missing]]] = True
    return Pool.of(np.flatnonzero(fits), count)
