"""Which edges train the members, which fit the reasoner, which are kept for the report."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neo4j_relpred.data.knowledge_graph import IntArray

__all__ = ["Split", "draw_lots", "split_by_time", "split_triples"]

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Split:
    """Three disjoint sets of triples, each (n, 3)."""

    train: IntArray
    holdout: IntArray
    test: IntArray


def draw_lots(
    triples: IntArray, ids: Sequence[str], relations: Sequence[str], salt: str, symmetric: Collection[int] = ()
) -> IntArray:
    """(n,): the triples (n, 3) in an order by lot, in which the lot of each depends on it and the salt alone.

    In a graph that grew, the same edges are drawn as before. What was learnt from the earlier graph, weights that a
    refresh starts from or a text encoder tuned to it, has then seen next to nothing of what is held out of this one.
    Twins of symmetric relations draw the same lot.
    """
    nodes, types = (_hashed(names, salt) for names in (ids, relations))
    heads, kinds, tails = nodes[triples[:, 0]], types[triples[:, 1]], nodes[triples[:, 2]]
    turned = np.isin(triples[:, 1], list(symmetric)) & (heads > tails)
    heads, tails = np.where(turned, tails, heads), np.where(turned, heads, tails)
    return np.argsort(_mixed(_mixed(_mixed(heads) + kinds) + tails), kind="stable")


def split_triples(triples: IntArray, holdout_share: float, test_share: float, lots: IntArray) -> Split:
    """Held-out and test triples in the order of the lots (n,), each by itself: missing edges are taken to be like that.

    A triple whose reverse stands in the graph may be drawn without it. Held-out answers that were easier or harder
    than those that are really missing would teach the reasoner the wrong weights. An edge that is an entity's or a
    relation's last one stays in train, unless nearly all edges are like that (a tree).
    """
    wanted = round(len(triples) * holdout_share), round(len(triples) * test_share)
    part = np.zeros(len(triples), np.int8)
    for keep_last in (True, False):
        _draw(triples, part, wanted, lots, keep_last=keep_last)
    return Split(triples[part == 0], triples[part == 1], triples[part == 2])


def split_by_time(
    triples: IntArray, times: npt.NDArray[Any], holdout_share: float, test_share: float, lots: IntArray
) -> Split:
    """The newest triples are the test, those before them are held out; triples without a time train the members.

    times: (n,), numbers (NaN for none) or texts that sort ('' for none). The order of the lots (n,) decides between
    equal times.
    """
    dated = lots[times[lots] != ""] if times.dtype == object else lots[~np.isnan(times[lots])]
    newest_first = dated[np.argsort(times[dated], kind="stable")][::-1]
    test, holdout = round(len(triples) * test_share), round(len(triples) * holdout_share)
    part = np.zeros(len(triples), np.int8)
    part[newest_first[:test]] = 2
    part[newest_first[test : test + holdout]] = 1
    return Split(triples[part == 0], triples[part == 1], triples[part == 2])


def _draw(
    triples: IntArray, part: npt.NDArray[np.int8], wanted: tuple[int, int], lots: IntArray, *, keep_last: bool
) -> None:
    """Marks rows of `part` (n,) as 1 (held out) and 2 (test) until there are as many as wanted, where it can."""
    left = triples[part == 0]
    of_node = np.bincount(left[:, [0, 2]].ravel(), minlength=int(triples.max(initial=0)) + 1).tolist()
    of_relation = np.bincount(left[:, 1], minlength=int(triples[:, 1].max(initial=0)) + 1).tolist()
    taken = [int((part == 1).sum()), int((part == 2).sum())]
    for row in lots.tolist():
        turn = 0 if taken[0] < wanted[0] else 1
        if taken[turn] >= wanted[turn]:
            return
        head, relation, tail = triples[row].tolist()
        last = min(of_node[head], of_node[tail]) <= (2 if head == tail else 1)
        if part[row] or of_relation[relation] <= 1 or (keep_last and last):
            continue
        of_node[head] -= 1
        of_node[tail] -= 1
        of_relation[relation] -= 1
        part[row] = turn + 1
        taken[turn] += 1


def _hashed(names: Sequence[str], salt: str) -> Hashes:
    """(names,): a number for each."""
    digests = (hashlib.blake2b(f"{salt}\0{name}".encode("utf-8", "surrogatepass"), digest_size=8) for name in names)
    return np.frombuffer(b"".join(digest.digest() for digest in digests), np.uint64)


def _mixed(numbers: Hashes) -> Hashes:
    """Bits of a number spread over all of another one, after SplitMix64 (Steele et al. 2014)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
