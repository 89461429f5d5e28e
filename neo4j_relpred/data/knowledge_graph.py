"""A directed graph of many relation types as sorted arrays, with an inverse for each relation.

Relation r of R has the inverse r + R, so a head query (?, r, t) is the tail query (t, r + R, ?).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

__all__ = ["IntArray", "KnowledgeGraph", "both_directions", "closed", "inverse", "ranges"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


def inverse(relation: IntArray, num_relations: int) -> IntArray:
    """The index of the inverse relation, (…) to (…)."""
    return (relation + num_relations) % (2 * num_relations)


def both_directions(triples: IntArray, num_relations: int) -> IntArray:
    """Triples (n, 3) followed by their inverses: (2n, 3)."""
    flipped = np.stack([triples[:, 2], triples[:, 1] + num_relations, triples[:, 0]], axis=1)
    return np.concatenate([triples, flipped])


def closed(triples: IntArray, symmetric: Collection[int]) -> IntArray:
    """Triples (n, 3), and behind them the other way round those of symmetric relations where that is not there."""
    twins = triples[np.isin(triples[:, 1], list(symmetric))][:, ::-1] if symmetric else triples[:0]
    if not len(twins):
        return triples
    shape = tuple(int(most) + 1 for most in triples.max(0))
    size = max(shape[0], shape[2])
    new = np.setdiff1d(_packed(twins, (size, shape[1], size)), _packed(triples, (size, shape[1], size)))
    return np.concatenate([triples, _unpacked(new, (size, shape[1], size))])


@dataclass(frozen=True)
class KnowledgeGraph:
    """triples: (n, 3) of head, relation, tail, without repetition.

    symmetric: relations whose triples hold the other way round, too; `of` and `with_triples` see to it that those are
    there. Such a twin states the same, so it is hidden wherever its triple is.
    """

    num_entities: int
    num_relations: int
    triples: IntArray
    symmetric: frozenset[int] = frozenset()

    @classmethod
    def of(
        cls, num_entities: int, num_relations: int, triples: IntArray, symmetric: Collection[int] = ()
    ) -> KnowledgeGraph:
        """A graph of triples (n, 3) without repetition, twins of symmetric relations added."""
        if not symmetric:
            return cls(num_entities, num_relations, triples)
        return cls(num_entities, num_relations, triples[:0], frozenset(symmetric)).with_triples(triples)

    def has_twin(self, relations: IntArray) -> npt.NDArray[np.bool_]:
        """(…) relations, inverses too -> (…): whether they are symmetric."""
        return np.isin(relations % self.num_relations, list(self.symmetric))

    @cached_property
    def edges(self) -> IntArray:
        """(2n, 3): every triple and its inverse, sorted by head, relation, tail; column after column in memory."""
        shape = self.num_entities, 2 * self.num_relations, self.num_entities
        return _unpacked(np.sort(_packed(both_directions(self.triples, self.num_relations), shape)), shape)

    @cached_property
    def edge_relations(self) -> IntArray:
        """(2n,): the relations of `edges` as a contiguous column."""
        return self.edges[:, 1]

    @cached_property
    def edge_tails(self) -> IntArray:
        """(2n,): the tails of `edges` as a contiguous column."""
        return self.edges[:, 2]

    @cached_property
    def offsets(self) -> IntArray:
        """(entities + 1,): edges of node i are rows offsets[i] to offsets[i + 1] of `edges`."""
        return np.searchsorted(self.edges[:, 0], np.arange(self.num_entities + 1)).astype(np.int64, copy=False)

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
        shape = self.num_entities, self.num_entities, 2 * self.num_relations
        pairs = np.sort(_packed(self.edges[:, [0, 2, 1]], shape))
        return pairs // shape[2], pairs % shape[2]

    def inverse(self, relation: int) -> int:
        """The index of the inverse of one relation."""
        return int(inverse(np.array(relation), self.num_relations))

    def with_triples(self, triples: IntArray, num_entities: int | None = None) -> KnowledgeGraph:
        """This graph and more triples, maybe over more entities."""
        count = num_entities or self.num_entities
        shape = count, self.num_relations, count
        union = np.sort(_packed(np.concatenate([self.triples, closed(triples, self.symmetric)]), shape))
        union = union[np.diff(union, prepend=-1) > 0]  # np.unique hashes, which takes many times as long
        rows = np.ascontiguousarray(_unpacked(union, shape))
        return KnowledgeGraph(count, self.num_relations, rows, self.symmetric)

    def holds(self, triples: IntArray) -> npt.NDArray[np.bool_]:
        """(n, 3) -> (n,): which triples are edges of this graph."""
        return np.isin(self.keys(triples), self.keys(self.triples))

    def keys(self, triples: IntArray) -> IntArray:
        """Triples (n, 3) of these entities and relations as one number each, (n,): the same triple, the same number."""
        return _packed(triples, (self.num_entities, self.num_relations, self.num_entities))


def _packed(rows: IntArray, shape: tuple[int, int, int]) -> IntArray:
    """(n, 3) of numbers below `shape` as one number each, in the same order: (n,). Numbers sort far faster than rows.

    They hold: a million entities may have millions of relations, a hundred million some hundreds.
    """
    return (rows[:, 0] * shape[1] + rows[:, 1]) * shape[2] + rows[:, 2]


def _unpacked(keys: IntArray, shape: tuple[int, int, int]) -> IntArray:
    """(n,) from `_packed` -> (n, 3), column after column in memory."""
    rows = np.empty((3, len(keys)), np.int64).T
    rest, rows[:, 2] = np.divmod(keys, shape[2])
    rows[:, 0], rows[:, 1] = np.divmod(rest, shape[1])
    return rows


def ranges(starts: IntArray, ends: IntArray) -> tuple[IntArray, IntArray]:
    """The integers of many ranges one after the other, with the number of the range each comes from."""
    counts = ends - starts
    rows = np.repeat(np.arange(len(starts)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, np.repeat(starts, counts) + within
