"""Which edges train the members, which fit the reasoner, which are kept for the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neo4j_relpred.data.knowledge_graph import IntArray

__all__ = ["Split", "split_by_time", "split_triples"]


@dataclass(frozen=True)
class Split:
    """Three disjoint sets of triples, each (n, 3)."""

    train: IntArray
    holdout: IntArray
    test: IntArray


def split_triples(triples: IntArray, holdout_share: float, test_share: float, rng: np.random.Generator) -> Split:
    """Draws held-out and test triples at random, each triple by itself: missing edges are taken to be like that.

    A triple whose reverse stands in the graph may be drawn without it. Held-out answers that were easier or harder
    than those that are really missing would teach the reasoner the wrong weights. An edge that is an entity's or a
    relation's last one stays in train, unless nearly all edges are like that (a tree).
    """
    wanted = round(len(triples) * holdout_share), round(len(triples) * test_share)
    part = np.zeros(len(triples), np.int8)
    for keep_last in (True, False):
        _draw(triples, part, wanted, rng, keep_last=keep_last)
    return Split(triples[part == 0], triples[part == 1], triples[part == 2])


def split_by_time(
    triples: IntArray, times: npt.NDArray[Any], holdout_share: float, test_share: float, rng: np.random.Generator
) -> Split:
    """The newest triples are the test, those before them are held out; triples without a time train the members.

    times: (n,), numbers (NaN for none) or texts that sort ('' for none). Lots decide between equal times.
    """
    lots = rng.permutation(len(triples))
    dated = lots[times[lots] != ""] if times.dtype == object else lots[~np.isnan(times[lots])]
    newest_first = dated[np.argsort(times[dated], kind="stable")][::-1]
    test, holdout = round(len(triples) * test_share), round(len(triples) * holdout_share)
    part = np.zeros(len(triples), np.int8)
    part[newest_first[:test]] = 2
    part[newest_first[test : test + holdout]] = 1
    return Split(triples[part == 0], triples[part == 1], triples[part == 2])


def _draw(
    triples: IntArray, part: npt.NDArray[np.int8], wanted: tuple[int, int], rng: np.random.Generator, *, keep_last: bool
) -> None:
    """Marks rows of `part` (n,) as 1 (held out) and 2 (test) until there are as many as wanted, where it can."""
    left = triples[part == 0]
    of_node = np.bincount(left[:, [0, 2]].ravel(), minlength=int(triples.max(initial=0)) + 1).tolist()
    of_relation = np.bincount(left[:, 1], minlength=int(triples[:, 1].max(initial=0)) + 1).tolist()
    taken = [int((part == 1).sum()), int((part == 2).sum())]
    for row in rng.permutation(len(triples)).tolist():
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
