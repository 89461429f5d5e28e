"""Which fact of a node speaks most for an answer: a compiled loop over the sorted edges of a graph."""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
from numba import njit

from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.model.kernels import edges_by
from neo4j_relpred.model.rules import SMOOTHING

__all__ = ["best_fact"]

PENALTY = float(SMOOTHING)


@njit(cache=True, nogil=True)
def best_fact(
    offsets: IntArray, relation: IntArray, neighbor: IntArray, num_relations: int, asked: IntArray, most: int
) -> tuple[int, int, int]:
    """The fact of the head whose other bearers have the tail most often: its edge, how many have it, of how many.

    asked: head, relation, tail. About `most` facts are looked at, evenly spread. The edge that is asked about is none.
    No other bearers: 0 of 0.
    """
    head, wanted, tail = asked
    begin, end = edges_by(offsets, relation, tail, (wanted + num_relations) % (2 * num_relations))
    answers = neighbor[begin:end]  # who has this tail, sorted
    best, place, support, looked = 0.0, -1, 0, 0
    first, last = offsets[head], offsets[head + 1]
    for position in range(first, last, max(1, (last - first) // most)):
        step, constant = relation[position], neighbor[position]
        if constant == tail and step == wanted:
            continue
        begin, end = edges_by(offsets, relation, constant, (step + num_relations) % (2 * num_relations))
        bearers = neighbor[begin:end]
        others = len(bearers) - 1  # the head is one of them
        both = _shared(bearers, answers) - _shared(asked[:1], answers)
        if both / (others + PENALTY) > best:
            best, place, support, looked = both / (others + PENALTY), position, both, others
    return place, support, looked


@njit(cache=True, nogil=True)
def _shared(some: IntArray, others: IntArray) -> int:
    """How many numbers two sorted lists share: each of the shorter is looked up in the rest of the longer."""
    if len(some) > len(others):
        some, others = others, some
    count, low = 0, 0
    for number in some:
        low += np.searchsorted(others[low:], number)
        if low == len(others):
            break
        count += others[low] == number
    return count
