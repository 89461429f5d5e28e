"""Compiled loops that apply rules from anchors: which candidates they lead to, and how confidently.

They take the arrays of KnowledgeGraph as those of `kernels` do, and `place` (entities,): the line of each candidate, -1
for no candidate. What they tell is sparse, since of all candidates rules lead to few: from `ends[row]` to
`ends[row + 1]` the `lines` that an anchor reaches, and noisy-or, maximum and log count of the confidences of each.
"""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from neo4j_relpred.model.kernels import edges_by, spread

__all__ = ["BEST", "FACTS", "apply_backward", "apply_cyclic", "apply_forward"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
Told = tuple[IntArray, IntArray, FloatArray]
ROOM = 4_096  # candidates that are made room for at first
BEST = 5  # a noisy-or runs over so many confidences
KEPT = 4_000_000  # numbers of lists that are kept from anchor to anchor
MOST = 100_000  # candidates of all facts together that are gone through for an anchor: fewer facts where they are more
PRIME = 2**42 - 11  # the products of a hash stay below 2**63
FACTS = 500  # of an anchor that are looked at for rules with a constant: a hub has thousands, and they say the same


@njit(cache=True, nogil=True)
def _nothing(anchors: int) -> Told:
    """Ends, lines and values to begin with."""
    return np.zeros(anchors + 1, np.int64), np.empty(ROOM, np.int64), np.empty((ROOM, 3), np.float32)


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
def _collect(  # noqa: PLR0913 - a compiled loop takes plain arrays
    best: FloatArray, count: IntArray, touched: IntArray, size: int, place: IntArray, row: int, ends: IntArray,
    lines: IntArray, values: FloatArray,
) -> tuple[IntArray, FloatArray]:  # fmt: skip
    """Writes line, noisy-or, maximum and log count of each touched node behind the rows before, and clears the rest.

    Returns lines and values, which are longer ones where those given are full.
    """
    filled = ends[row]
    ends[row + 1] = filled + size
    if filled + size > len(lines):
        more = max(len(lines), size)
        lines = np.concatenate((lines, np.empty(more, np.int64)))
        values = np.concatenate((values, np.empty((more, 3), np.float32)))
    for i in range(size):
        node, entry = touched[i], filled + i
        lines[entry] = place[node]
        doubt = 1.0
        for slot in range(BEST):
            doubt *= 1.0 - best[node, slot]
            if slot > 0:
                best[node, slot] = 0.0
        values[entry, 0] = 1.0 - doubt
        values[entry, 1] = best[node, 0]
        values[entry, 2] = np.log1p(count[node])
        best[node, 0] = 0.0
        count[node] = 0
    return lines, values


@njit(cache=True, nogil=True)
def apply_cyclic(
    offsets: IntArray, relation: IntArray, neighbor: IntArray, anchors: IntArray, single: FloatArray,
    double: FloatArray, fanout: int, place: IntArray,
) -> Told:  # fmt: skip
    """Rules r1 => r (single: (width,)) and r1, r2 => r (double: (width, width), or (0, 0) for none) of each anchor."""
    entities = len(offsets) - 1
    ends, lines, values = _nothing(len(anchors))
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
        lines, values = _collect(best, count, touched, size, place, row, ends, lines, values)
    return ends, lines[: ends[-1]], values[: ends[-1]]


@njit(cache=True, nogil=True)
def _list_answers(  # noqa: PLR0913 - see kernels.mine_pairs
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
def _size(kept: IntArray, lists: IntArray) -> int:
    """How many candidates some lists have together, those that are there twice counted once."""
    total = 0
    for number in range(len(lists)):
        total += kept[lists[number] // 2 + 1] * (number == 0 or lists[number] != lists[number - 1])
    return total


@njit(cache=True, nogil=True)
def apply_forward(  # noqa: C901 - see kernels.mine_pairs
    offsets: IntArray, relation: IntArray, neighbor: IntArray, anchors: IntArray, wanted: int, half: int,
    fanout: int, place: IntArray,
) -> Told:  # fmt: skip
    """Rules with a constant, fact (b, d) of the anchor => (wanted, z).

    Confidence: of the other nodes that share the fact (at most `fanout` looked at), the share that has z, with 5 added
    below. `half` is the number of relations without inverses. What those who share a fact answer is listed once, in
    `kept`; facts with the same list, of which a hub has hundreds, are taken together.
    """
    entities = len(offsets) - 1
    ends, lines, values = _nothing(len(anchors))
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
        every, number, fact = 1 + _size(kept, lists[:facts]) // MOST, 0, 0
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
        lines, values = _collect(best, count, touched, size, place, row, ends, lines, values)
    return ends, lines[: ends[-1]], values[: ends[-1]]


@njit(cache=True, nogil=True)
def apply_backward(  # noqa: C901 - see kernels.mine_pairs
    offsets: IntArray, relation: IntArray, neighbor: IntArray, anchors: IntArray, wanted: int, half: int,
    fanout: int, place: IntArray,
) -> Told:  # fmt: skip
    """Candidates that share a fact (b, d) with known answers of the anchor.

    Confidence: of the nodes that have the fact, the share that already answers, with 5 added below.
    """
    entities = len(offsets) - 1
    ends, lines, values = _nothing(len(anchors))
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
        lines, values = _collect(best, count, touched, size, place, row, ends, lines, values)
    return ends, lines[: ends[-1]], values[: ends[-1]]
