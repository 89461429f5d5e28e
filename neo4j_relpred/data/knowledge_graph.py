"""A directed graph of many relation types as sorted arrays, with an inverse for each relation.

Relation r of R has the inverse r + R, so a head query (?, r, t) is the tail query (t, r + R, ?).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

__all__ = ["IntArray", "KnowledgeGraph", "both_directions", "inverse", "ranges"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


def inverse(relation: IntArray, num_relations: int) -> IntArray:
    """The index of the inverse relation, (…) to (…)."""
    return (relation + num_relations) % (2 * num_relations)


def both_directions(triples: IntArray, num_relations: int) -> IntArray:
    """Triples (n, 3) followed by their inverses: (2n, 3)."""
    flipped = np.stack([triples[:, 2], triples[:, 1] + num_relations, triples[:, 0]], axis=1)
    return np.concatenate([triples, flipped])


@dataclass(frozen=True)
class KnowledgeGraph:
    """triples: (n, 3) of head, relation, tail, without repetition."""

    num_entities: int
    num_relations: int
    triples: IntArray

    @cached_property
    def edges(self) -> IntArray:
        """(2n, 3): every triple and its inverse, sorted by head, relation, tail."""
        rows = both_directions(self.triples, self.num_relations)
        return rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]

    @cached_property
    def edge_relations(self) -> IntArray:
        """(2n,): the relations of `edges` as a contiguous column."""
        return np.ascontiguousarray(self.edges[:, 1])

    @cached_property
    def edge_tails(self) -> IntArray:
        """(2n,): the tails of `edges` as a contiguous column."""
        return np.ascontiguousarray(self.edges[:, 2])

    @cached_property
    def offsets(self) -> IntArray:
        """(entities + 1,): edges of node i are rows offsets[i] to offsets[i + 1] of `edges`."""
        return np.searchsorted(self.edges[:, 0], np.arange(self.num_entities + 1)).astype(np.int64)

    @cached_property
    def query_keys(self) -> IntArray:
        """(2n,): head * 2R + relation of each row of `edges`, sorted."""
        return self.edges[:, 0] * (2 * self.num_relations) + self.edges[:, 1]

    @cached_property
    def degrees(self) -> IntArray:
        """(entities,): edges that touch each node, self-loops twice."""
        return np.diff(self.offsets)

    @cached_property
    def context(self) -> FloatArray:
        """(entities, 2R): how many edges of each type and direction touch each node."""
        width = 2 * self.num_relations
        counts = np.bincount(self.query_keys, minlength=self.num_entities * width)
        return counts.reshape(self.num_entities, width).astype(np.float32)

    def answer_ranges(self, anchors: IntArray, relations: IntArray) -> tuple[IntArray, IntArray]:
        """For each query (q,) the rows of `edges` that answer it, as start and end."""
        keys = anchors * (2 * self.num_relations) + relations
        starts = np.searchsorted(self.query_keys, keys, side="left")
        return starts.astype(np.int64), np.searchsorted(self.query_keys, keys, side="right").astype(np.int64)

    def answers(self, anchors: IntArray, relations: IntArray) -> tuple[IntArray, IntArray]:
        """All known answers of queries (q,): row numbers and entities, two arrays of equal length."""
        starts, ends = self.answer_ranges(anchors, relations)
        rows, positions = ranges(starts, ends)
        return rows, self.edges[positions, 2]

    def linking_relations(self, heads: IntArray, tails: IntArray) -> tuple[IntArray, IntArray]:
        """All relations, inverses too, that lead from heads to tails (q,): row numbers and relations."""
        keys, relations = self._pairs
        wanted = heads * self.num_entities + tails
        rows, positions = ranges(np.searchsorted(keys, wanted), np.searchsorted(keys, wanted, side="right"))
        return rows, relations[positions]

    @cached_property
    def _pairs(self) -> tuple[IntArray, IntArray]:
        """(2n,) twice: head * entities + tail of each edge, sorted, and its relation."""
        keys = self.edges[:, 0] * self.num_entities + self.edges[:, 2]
        order = np.argsort(keys, kind="stable")
        return keys[order], self.edges[order, 1]

    def inverse(self, relation: int) -> int:
        """The index of the inverse of one relation."""
        return int(inverse(np.array(relation), self.num_relations))

    def with_triples(self, triples: IntArray, num_entities: int | None = None) -> KnowledgeGraph:
        """This graph and more triples, maybe over more entities."""
        union = np.unique(np.concatenate([self.triples, triples]), axis=0)
        return KnowledgeGraph(num_entities or self.num_entities, self.num_relations, union)


def ranges(starts: IntArray, ends: IntArray) -> tuple[IntArray, IntArray]:
    """The integers of many ranges one after the other, with the number of the range each comes from."""
    counts = ends - starts
    rows = np.repeat(np.arange(len(starts)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, np.repeat(starts, counts) + within
