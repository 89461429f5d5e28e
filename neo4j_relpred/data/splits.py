"""Which edges train the members, which fit the reasoner, which are kept for the report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neo4j_relpred.data.knowledge_graph import IntArray

__all__ = ["Split", "split_triples"]


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
    relation's last one stays in train.
    """
    wanted = round(len(triples) * holdout_share), round(len(triples) * test_share)
    of_node = np.bincount(triples[:, [0, 2]].ravel()).tolist()
    of_relation = np.bincount(triples[:, 1]).tolist()
    part = np.zeros(len(triples), np.int8)
    taken = [0, 0]
    for row in rng.permutation(len(triples)).tolist():
        turn = 0 if taken[0] < wanted[0] else 1
        if taken[turn] >= wanted[turn]:
            break
        head, relation, tail = triples[row].tolist()
        used = 2 if head == tail else 1
        if min(of_node[head], of_node[tail]) <= used or of_relation[relation] <= 1:
            continue
        of_node[head] -= 1
        of_node[tail] -= 1
        of_relation[relation] -= 1
        part[row] = turn + 1
        taken[turn] += 1
    return Split(triples[part == 0], triples[part == 1], triples[part == 2])
