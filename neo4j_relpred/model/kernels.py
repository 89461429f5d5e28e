"""Compiled loops over the sorted edges of a graph that mine rules and follow them from node to node.

All kernels take the arrays of KnowledgeGraph: `offsets` (entities + 1,), `relation` and `neighbor` (edges,), sorted
by node, relation, neighbour. They are plain numpy code: each runs uncompiled as `kernel.py_func` with the same result.
Anchors come to all compiled loops in one piece: for a column of a wider array each would be compiled once more.
"""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = [
    "best_path",
    "edges_by",
    "mine_pairs",
    "relation_paths",
    "spread",
]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@njit(cache=True, nogil=True)
def spread(size: int, limit: int) -> tuple[int, int]:
    """How many of `size` items to visit and the stride between them, at most `limit` evenly spread."""
    return (size, 1) if size <= limit else (limit, size // limit)


@njit(cache=True, nogil=True)
def mine_pairs(  # noqa: C901, PLR0913 - a compiled loop takes plain arrays, and a call costs in it
    offsets: IntArray, relation: IntArray, neighbor: IntArray, by_neighbor: IntArray, width: int, fanout: int,
    first: int, stride: int, bodies: IntArray, found: IntArray, mark: IntArray,
) -> tuple[int, int]:  # fmt: skip
    """Counts bodies (r1, r2) of paths x -> u -> z and notes the relations that close them.

    Starts at every `stride`-th node from `first` on; fills `found` with (r1 * width + r2) * width + r for each closing
    relation r and adds to `bodies` (width * width,). `by_neighbor` orders the edges of each node by neighbour; `mark`
    (entities,) is -1. Returns how much of `found` is filled and the node to go on with.
    """
    filled = 0
    node = first
    while node < len(offsets) - 1:
        begin, end = offsets[node], offsets[node + 1]
        need = 0
        count, step = spread(end - begin, fanout)
        if filled + count * fanout * 4 > len(found):
            break
        for position in range(end - 1, begin - 1, -1):
            mark[neighbor[by_neighbor[position]]] = position
        for i in range(count):
            edge = begin + i * step
            middle = neighbor[edge]
            if middle == node:
                continue
            inner, inner_step = spread(offsets[middle + 1] - offsets[middle], fanout)
            shift = (node * 7919 + i) % inner_step
            for j in range(inner):
                second = offsets[middle] + j * inner_step + shift
                last = neighbor[second]
                if last in (node, middle):
                    continue
                body = relation[edge] * width + relation[second]
                bodies[body] += 1
                position = mark[last]
                if position < 0:
                    continue
                need = 0
                while position < end and neighbor[by_neighbor[position]] == last and need < 4:
                    found[filled] = body * width + relation[by_neighbor[position]]
                    filled += 1
                    need += 1
                    position += 1
        for position in range(begin, end):
            mark[neighbor[position]] = -1
        node += stride
    return filled, node


@njit(cache=True, nogil=True)
def edges_by(offsets: IntArray, relation: IntArray, node: int, wanted: int) -> tuple[int, int]:
    """The edges of `node` by relation `wanted`, found by bisection."""
    low, high = offsets[node], offsets[node + 1]
    while low < high:
        middle = (low + high) // 2
        if relation[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    start, high = low, offsets[node + 1]
    while low < high:
        middle = (low + high) // 2
        if relation[middle] <= wanted:
            low = middle + 1
        else:
            high = middle
    return start, low


@njit(cache=True, nogil=True)
def relation_paths(  # noqa: C901, PLR0913 - see mine_pairs
    offsets: IntArray, relation: IntArray, neighbor: IntArray, heads: IntArray, tails: IntArray, hidden: IntArray,
    back: IntArray, rule_offsets: IntArray, rule_head: IntArray, rule_confidence: FloatArray, fanout: int,
    out: FloatArray,
) -> None:  # fmt: skip
    """Noisy-or over all rules whose body leads from head to tail, for every relation at once.

    Rules are grouped by body: bodies 0 to width - 1 are single relations, width + r1 * width + r2 are pairs.
    `hidden` and `back` (pairs,) are relations that are no body of one from head to tail, or -1. out: (pairs, width),
    zero at first.
    """
    width = out.shape[1]
    for row in range(len(heads)):
        head, tail = heads[row], tails[row]
        doubt = np.ones(width, np.float64)
        for edge in range(offsets[head], offsets[head + 1]):
            r1, middle = relation[edge], neighbor[edge]
            if middle == tail:
                if r1 not in (hidden[row], back[row]):
                    for rule in range(rule_offsets[r1], rule_offsets[r1 + 1]):
                        doubt[rule_head[rule]] *= 1.0 - rule_confidence[rule]
                continue
            if middle == head:
                continue
            inner, stride = spread(offsets[middle + 1] - offsets[middle], fanout)
            for j in range(inner):
                second = offsets[middle] + j * stride
                if neighbor[second] == tail:
                    body = width + r1 * width + relation[second]
                    if body + 1 < len(rule_offsets):
                        for rule in range(rule_offsets[body], rule_offsets[body + 1]):
                            doubt[rule_head[rule]] *= 1.0 - rule_confidence[rule]
        for r in range(width):
            out[row, r] = 1.0 - doubt[r]


@njit(cache=True, nogil=True)
def best_path(  # noqa: PLR0913 - see mine_pairs
    offsets: IntArray, relation: IntArray, neighbor: IntArray, heads: IntArray, tails: IntArray, single: FloatArray,
    double: FloatArray, found: IntArray, confidences: FloatArray,
) -> None:  # fmt: skip
    """The most confident rule body that leads from head to tail, for one asked relation.

    found: (pairs, 3) of r1, middle, r2 (-1 where none); confidences: (pairs,).
    """
    for row in range(len(heads)):
        head, tail = heads[row], tails[row]
        for edge in range(offsets[head], offsets[head + 1]):
            r1, middle = relation[edge], neighbor[edge]
            if middle == tail:
                if single[r1] > confidences[row]:
                    confidences[row] = single[r1]
                    found[row, 0], found[row, 1], found[row, 2] = r1, -1, -1
                continue
            if middle == head or r1 >= len(double):
                continue
            for second in range(offsets[middle], offsets[middle + 1]):
                if neighbor[second] == tail and double[r1, relation[second]] > confidences[row]:
                    confidences[row] = double[r1, relation[second]]
                    found[row, 0], found[row, 1], found[row, 2] = r1, middle, relation[second]
