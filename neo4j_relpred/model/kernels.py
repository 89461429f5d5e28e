"""Compiled loops over the sorted edges of a graph that mine and apply rules.

All kernels take the arrays of KnowledgeGraph: `offsets` (entities + 1,), `relation` and `neighbor` (edges,), sorted
by node, relation, neighbour. They are plain numpy code: each runs uncompiled as `kernel.py_func` with the same result.
"""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = [
    "apply_backward",
    "apply_cyclic",
    "apply_forward",
    "best_path",
    "edges_by",
    "mine_pairs",
    "relation_paths",
    "spread",
]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
BEST = 5  # a noisy-or runs over so many confidences
KEPT = 4_000_000  # numbers of lists that are kept from anchor to anchor
MOST = 100_000  # candidates of all facts together that are gone through for an anchor: fewer facts where they are more
PRIME = 2**42 - 11  # the products of a hash stay below 2**63
FACTS = 500  # of an anchor that are looked at for rules with a constant: a hub has thousands, and they say the same


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
def _offer(
    best: FloatArray, count: IntArray, touched: IntArray, size: int, node: int, confidence: float, times: int
) -> int:
    """Keeps a node's BEST largest confidences, this one so many `times`; returns the number of touched nodes."""
    if count[node] == 0:
        touched[size] = node
        size += 1
    count[node] += times
    for _ in range(min(times, BEST)):
        slot = BEST - 1
        if confidence <= best[node, slot]:
            break
        while slot > 0 and best[node, slot - 1] < confidence:
            best[node, slot] = best[node, slot - 1]
            slot -= 1
        best[node, slot] = confidence
    return size


@njit(cache=True, nogil=True)
def _collect(best: FloatArray, count: IntArray, touched: IntArray, size: int, place: IntArray, out: FloatArray) -> None:
    """Writes noisy-or, maximum and log count of each touched node to its place in out (p, 3) and clears the rest."""
    for i in range(size):
        node = touched[i]
        line = place[node]
        doubt = 1.0
        for slot in range(BEST):
            doubt *= 1.0 - best[node, slot]
            if slot > 0:
                best[node, slot] = 0.0
        out[line, 0] = 1.0 - doubt
        out[line, 1] = best[node, 0]
        out[line, 2] = np.log1p(count[node])
        best[node, 0] = 0.0
        count[node] = 0


@njit(cache=True, nogil=True)
def apply_cyclic(  # noqa: PLR0913 - see mine_pairs
    offsets: IntArray, relation: IntArray, neighbor: IntArray, anchors: IntArray, single: FloatArray,
    double: FloatArray, fanout: int, place: IntArray, out: FloatArray,
) -> None:  # fmt: skip
    """Rules r1 => r (single: (width,)) and r1, r2 => r (double: (width, width), or (0, 0) for none) from each anchor.

    place: (entities,) the line of each candidate, -1 for no candidate. out: (anchors, candidates, 3), zero at the
    start; see `_collect`.
    """
    entities = len(offsets) - 1
    best = np.zeros((entities, BEST), np.float32)
    count = np.zeros(entities, np.int64)
    touched = np.empty(entities, np.int64)
    useful = np.zeros(len(single), np.bool_)
    for r in range(len(double)):
        useful[r] = double[r].max() > 0
    for row in range(len(anchors)):
        anchor = anchors[row]
        size = 0
        for edge in range(offsets[anchor], offsets[anchor + 1]):
            r1, middle = relation[edge], neighbor[edge]
            if single[r1] > 0 and place[middle] >= 0:
                size = _offer(best, count, touched, size, middle, single[r1], 1)
            if not useful[r1] or middle == anchor:
                continue
            inner, stride = spread(offsets[middle + 1] - offsets[middle], fanout)
            for j in range(inner):
                second = offsets[middle] + j * stride
                last, confidence = neighbor[second], double[r1, relation[second]]
                if confidence > 0 and place[last] >= 0 and last != anchor and last != middle:
                    size = _offer(best, count, touched, size, last, confidence, 1)
        _collect(best, count, touched, size, place, out[row])


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
def _list_answers(  # noqa: PLR0913 - see mine_pairs
    offsets: IntArray, relation: IntArray, neighbor: IntArray, start: int, looked: int, stride: int, wanted: int,
    place: IntArray, hits: IntArray, local: IntArray,
) -> int:  # fmt: skip
    """What the nodes at `looked` edges from `start` on answer to `wanted`; returns how many candidates that are.

    Writes the candidates to `local` and adds to `hits` (entities,) how many of the nodes have each as an answer.
    """
    size = 0
    for i in range(looked):
        first, last = edges_by(offsets, relation, neighbor[start + i * stride], wanted)
        for position in range(first, last):
            tail = neighbor[position]
            if place[tail] < 0:
                continue
            if hits[tail] == 0:
                local[size] = tail
                size += 1
            hits[tail] += 1
    return size


@njit(cache=True, nogil=True)
def _write(kept: IntArray, start: int, looked: int, answers: int, hits: IntArray, local: IntArray) -> int:
    """Writes what `_list_answers` found behind `start` and clears `hits`; returns a hash of it."""
    kept[start], kept[start + 1], content = looked, answers, looked
    for i in range(answers):
        tail, place = local[i], start + 2 + 2 * i
        kept[place], kept[place + 1] = tail, hits[tail]
        content = (content * 1_000_003 + tail * 1_009 + hits[tail]) % PRIME
        hits[tail] = 0
    return content


@njit(cache=True, nogil=True)
def _alike(kept: IntArray, one: int, other: int, length: int) -> bool:
    for i in range(length):
        if kept[one + i] != kept[other + i]:
            return False
    return True


@njit(cache=True, nogil=True)
def apply_forward(  # noqa: C901, PLR0913 - see mine_pairs
    offsets: IntArray, relation: IntArray, neighbor: IntArray, anchors: IntArray, wanted: int, half: int,
    fanout: int, place: IntArray, out: FloatArray,
) -> None:  # fmt: skip
    """Rules with a constant, fact (b, d) of the anchor => (wanted, z).

    Confidence: of the other nodes that share the fact (at most `fanout` looked at), the share that has z, with 5 added
    below. `half` is the number of relations without inverses. place, out: as in `apply_cyclic`. What those who share a
    fact answer is listed once, in `kept`; facts with the same list, of which a hub has hundreds, are taken together.
    """
    entities = len(offsets) - 1
    best = np.zeros((entities, BEST), np.float32)
    count, hits = np.zeros(entities, np.int64), np.zeros(entities, np.int64)
    touched, local, own = np.empty(entities, np.int64), np.empty(entities, np.int64), np.full(entities, -1)
    kept, filled, lists = np.empty(KEPT, np.int64), 0, np.empty(FACTS, np.int64)
    found, same = {-1: -1}, {-1: -1}  # where the list of a fact begins, by the first edge of it, and by its content
    for row in range(len(anchors)):
        anchor, size = anchors[row], 0
        if filled > KEPT:
            found.clear()
            same.clear()
            filled = 0
        first, last = edges_by(offsets, relation, anchor, wanted)
        for position in range(first, last):
            own[neighbor[position]] = row
        facts, fact_stride = spread(offsets[anchor + 1] - offsets[anchor], FACTS)
        for fact in range(facts):
            edge = offsets[anchor] + fact * fact_stride
            start, end = edges_by(offsets, relation, neighbor[edge], (relation[edge] + half) % (2 * half))
            looked, stride = spread(end - start, fanout)
            if start not in found:
                answers = _list_answers(offsets, relation, neighbor, start, looked, stride, wanted, place, hits, local)
                if filled + 2 + 2 * answers > len(kept):
                    kept = np.concatenate((kept, np.empty(len(kept) + 2 * entities, np.int64)))
                content = _write(kept, filled, looked, answers, hits, local)
                length = 2 + 2 * answers
                if content not in same or not _alike(kept, same[content], filled, length):
                    same[content] = filled
                    filled += length
                found[start] = same[content]
            its = np.searchsorted(neighbor[start:end], anchor)  # what the anchor answers itself counts for nothing
            lists[fact] = 2 * found[start] + (its % stride == 0 and its // stride < looked)
        lists[:facts].sort()
        total = 0
        for fact in range(facts):
            total += kept[lists[fact] // 2 + 1] * (fact == 0 or lists[fact] != lists[fact - 1])
        every, number, fact = 1 + total // MOST, 0, 0
        while fact < facts:
            times, at, itself = 1, lists[fact] // 2, lists[fact] % 2 == 1
            while fact + times < facts and lists[fact + times] == lists[fact]:
                times += 1
            fact += times
            number += 1
            if number % every:
                continue
            for i in range(at + 2, at + 2 + 2 * kept[at + 1], 2):
                hit = kept[i + 1] - (itself and own[kept[i]] == row)
                if hit > 0:
                    size = _offer(best, count, touched, size, kept[i], hit / (kept[at] + 5.0), times)
        _collect(best, count, touched, size, place, out[row])


@njit(cache=True, nogil=True)
def apply_backward(  # noqa: C901, PLR0913 - see mine_pairs
    offsets: IntArray, relation: IntArray, neighbor: IntArray, anchors: IntArray, wanted: int, half: int,
    fanout: int, place: IntArray, out: FloatArray,
) -> None:  # fmt: skip
    """Candidates that share a fact (b, d) with known answers of the anchor.

    Confidence: of the nodes that have the fact, the share that already answers, with 5 added below.
    place, out: as in `apply_cyclic`.
    """
    entities = len(offsets) - 1
    best = np.zeros((entities, BEST), np.float32)
    count = np.zeros(entities, np.int64)
    touched = np.empty(entities, np.int64)
    answer = np.full(entities, -1, np.int64)
    for row in range(len(anchors)):
        anchor = anchors[row]
        first, last = edges_by(offsets, relation, anchor, wanted)
        for position in range(first, last):
            answer[neighbor[position]] = row
        size = 0
        known, known_stride = spread(last - first, fanout)
        for k in range(known):
            tail = neighbor[first + k * known_stride]
            facts, fact_stride = spread(offsets[tail + 1] - offsets[tail], fanout)
            for f in range(facts):
                edge = offsets[tail] + f * fact_stride
                constant, back = neighbor[edge], (relation[edge] + half) % (2 * half)
                if constant == anchor and back == wanted:
                    continue
                start, end = edges_by(offsets, relation, constant, back)
                looked, stride = spread(end - start, fanout)
                shared = 0
                for i in range(looked):
                    if answer[neighbor[start + i * stride]] == row:
                        shared += 1
                if shared == 0:
                    continue
                confidence = shared / (looked + 5.0)
                for i in range(looked):
                    bearer = neighbor[start + i * stride]
                    if place[bearer] >= 0:
                        size = _offer(best, count, touched, size, bearer, confidence, 1)
        _collect(best, count, touched, size, place, out[row])


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
