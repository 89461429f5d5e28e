"""How one relation of a data folder is asked about, so that every system is judged on the same pairs and queries.

No random generator: draws come from a hash of words, which any language can repeat. Two kinds of figures, always both:
average precision on true pairs beside drawn ones, and filtered ranks of tails among all nodes. The first alone
flatters: a drawn pair is easy to tell from a true one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.folders import DataSet
from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.evaluation.ranking import Ranks, filtered_ranks, summarize

__all__ = ["PairTask", "Scorer", "average_precision", "figures"]

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
SERIES = "relpred-peer-1"  # another word draws other pairs: figures are comparable within a series only
QUERIES = 500
POOLS = ("all", "range")
NEGATIVES = (1, 10)  # for each true pair
TRIES = 100
CHUNK = 50  # queries ranked at a time


class Scorer(Protocol):
    """A system as the protocol sees it: more is likelier, for one relation."""

    def pairs(self, pairs: IntArray) -> FloatArray:
        """(n, 2) head and tail -> (n,)."""

    def tails(self, heads: IntArray) -> FloatArray:
        """(q,) -> (q, entities)."""


@dataclass(frozen=True)
class PairTask:
    """symmetric: a stored (head, tail) also states (tail, head)."""

    data: DataSet
    relation: int
    symmetric: bool = False

    @cached_property
    def train(self) -> IntArray:
        """(n, 2): pairs to learn from, as stored."""
        return self._of(self.data.train)

    @cached_property
    def test(self) -> IntArray:
        """(n, 2): the true pairs that are asked about."""
        return self._of(self.data.test)

    def pool(self, name: str) -> IntArray:
        """Entities that tails are drawn from, by id: 'all', or 'range', those that were a tail in training."""
        chosen: IntArray | range = range(len(self.data.ids))
        if name == "range":
            chosen = np.unique(self.train if self.symmetric else self.train[:, 1])
        return np.array(sorted(chosen, key=lambda entity: self.data.ids[entity]), np.int64)

    def pairs(self, pool: str, negatives: int) -> tuple[IntArray, Mask]:
        """(n, 2) and (n,) whether they are true: the test pairs, then `negatives` for each, its head kept."""
        tails = self.pool(pool)
        drawn = [
            (head, tail)
            for head, true in self.test.tolist()
            for number in range(negatives)
            if (tail := self._false_tail(pool, tails, (head, true), number)) is not None
        ]
        rows = np.concatenate([self.test, np.array(drawn, np.int64).reshape(-1, 2)])
        return rows, np.arange(len(rows)) < len(self.test)

    def queries(self) -> IntArray:
        """(q, 2): head and true tail of the queries that are ranked."""
        order = sorted(range(len(self.test)), key=lambda row: self._draw("query", self.test[row]))
        return self.test[order[:QUERIES]]

    def not_asked(self, heads: IntArray) -> Mask:
        """(q, entities): what is no rival of an answer: other true tails, and the head itself."""
        every = self.data.graph(self.data.train, self.data.valid, self.data.test)
        mask = np.zeros((len(heads), every.num_entities), bool)
        for relation in (self.relation, every.inverse(self.relation))[: 1 + self.symmetric]:
            mask[every.answers(heads, np.full(len(heads), relation))] = True
        mask[np.arange(len(heads)), heads] = True
        return mask

    def _of(self, triples: IntArray) -> IntArray:
        mine = triples[triples[:, 1] == self.relation]
        return np.delete(mine, 1, axis=1)

    @cached_property
    def _true(self) -> frozenset[tuple[int, int]]:
        """All pairs known to hold."""
        stored = [self._of(part) for part in (self.data.train, self.data.valid, self.data.test)]
        pairs = {(head, tail) for part in stored for head, tail in part.tolist()}
        return frozenset(pairs | {(tail, head) for head, tail in pairs} if self.symmetric else pairs)

    def _false_tail(self, pool: str, tails: IntArray, pair: tuple[int, int], number: int) -> int | None:
        """None where hardly any other tail is false."""
        for attempt in range(TRIES):
            tail = int(tails[self._draw(f"negative|{pool}", pair, number, attempt) % len(tails)])
            if tail != pair[0] and (pair[0], tail) not in self._true:
                return tail
        return None

    def _draw(self, purpose: str, pair: tuple[int, int] | IntArray, *numbers: int) -> int:
        head, tail = (self.data.ids[entity] for entity in pair)
        words = (SERIES, purpose, head, self.data.relations[self.relation], tail, *map(str, numbers))
        return int.from_bytes(blake2b("|".join(words).encode(), digest_size=8).digest(), "big")


def figures(task: PairTask, scorer: Scorer) -> dict[str, float]:
    """ap_POOL_NEGATIVES, and of ranked tails mrr and hits_at_10."""
    asked = {f"ap_{pool}_{count}": task.pairs(pool, count) for pool in POOLS for count in NEGATIVES}
    distinct, place = np.unique(np.concatenate([pairs for pairs, _ in asked.values()]), axis=0, return_inverse=True)
    scores = np.split(
        scorer.pairs(distinct)[place.ravel()], np.cumsum([len(pairs) for pairs, _ in asked.values()])[:-1]
    )
    found = {name: average_precision(part, true) for (name, (_, true)), part in zip(asked.items(), scores, strict=True)}
    ranked = summarize(_ranks(task, scorer))
    return {**found, "mrr": ranked.mrr, "hits_at_10": ranked.hits_at(10)}


def _ranks(task: PairTask, scorer: Scorer) -> Ranks:
    parts = []
    queries = task.queries()
    for first in range(0, len(queries), CHUNK):
        heads, tails = queries[first : first + CHUNK].T
        parts.append(filtered_ranks(scorer.tails(heads), tails, task.not_asked(heads)))
    return Ranks.concatenate(parts)


def average_precision(scores: FloatArray, true: Mask) -> float:
    """Mean precision over the true ones (n,), equal scores taken together."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))  # of each run of equals
    hits = np.cumsum(true[order])[last]
    return float((hits / (last + 1) * np.diff(hits, prepend=0)).sum() / hits[-1])
