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
    """Draws held-out and test triples at random.

    Triples between the same two nodes by the same relation, in either direction, stay together: the one would
    tell the other. An edge that is an entity's or a relation's last one stays in train.
    """
    wanted = round(len(triples) * holdout_share), round(len(triples) * test_share)
    low, high = np.minimum(triples[:, 0], triples[:, 2]), np.maximum(triples[:, 0], triples[:, 2])
    _, group = np.unique(np.stack([low, triples[:, 1], high], axis=1), axis=0, return_inverse=True)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    left_of_node = np.bincount(triples[:, [0, 2]].ravel())
    left_of_relation = np.bincount(triples[:, 1])
    part = np.zeros(len(triples), np.int8)
    taken = [0, 0]
    for number in rng.permutation(len(members)):
        turn = 0 if taken[0] < wanted[0] else 1
        if taken[turn] >= wanted[turn]:
            break
        rows = members[number]
        ends, relation = triples[rows][:, [0, 2]].ravel(), triples[rows[0], 1]
        use = np.unique(ends, return_counts=True)
        if (left_of_node[use[0]] <= use[1]).any() or left_of_relation[relation] <= len(rows):
            continue
        left_of_node[use[0]] -= use[1]
        left_of_relation[relation] -= len(rows)
        part[rows] = turn + 1
        taken[turn] += len(rows)
    return Split(triples[part == 0], triples[part == 1], triples[part == 2])
