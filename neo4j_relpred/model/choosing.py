"""Which candidates of a query go on: a compiled loop over what the members say of all of them.

Each member's scores count by how many standard deviations they are above the query's mean. Rules and walks speak of few
candidates, so what they say comes sparse; the rest of the candidates has the one value of silence.
"""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.model.applying import Told
from neo4j_relpred.model.rules import SILENT
from neo4j_relpred.model.walks import LEAST, WALKS

__all__ = ["Choice", "Said", "choose"]

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
NOTHING = 1e-6  # added to a spread, which is 0 where all are alike
COLUMNS = len(WALKS)
FLAGS = {"reassoc", "contract"}  # so that sums over all candidates take many at a time; infinities stay what they are


@dataclass(frozen=True)
class Said:
    """What the members say of the candidates p of queries q; None of a member that is not there.

    structure, tower: (q, p) scores. rules: of each kind, as Rules.told has them; walks: as walks.walked.
    """

    structure: FloatArray | None
    tower: FloatArray | None
    rules: tuple[Told, ...] | None
    walks: tuple[IntArray, IntArray, FloatArray] | None


@dataclass(frozen=True)
class Choice:
    """positions (q, c), sorted; base (q, p): the weighed sum of standings, -inf for what is excluded.

    Of the chosen: rules (q, c, 9) by kind, and the logarithm of all together, rule_logs (q, c), whose best over all
    candidates is rule_best (q,); likewise walks (q, c, WALKS). tower_spread (q,): the standard deviation of its scores.
    """

    positions: IntArray
    base: FloatArray
    rules: FloatArray
    rule_logs: FloatArray
    rule_best: FloatArray
    walks: FloatArray
    walk_logs: FloatArray
    walk_best: FloatArray
    tower_spread: FloatArray


def choose(
    said: Said,
    shape: tuple[int, int],
    weights: FloatArray,
    excluded: tuple[IntArray, IntArray],
    wanted: IntArray,
    sizes: tuple[int, int],
) -> Choice:
    """The best candidates by the weighed sum, with the best of every member among them.

    shape: (q, p); weights: (q, members); excluded: rows and positions that are no candidates; wanted: (q, k) positions
    that are chosen in any case; sizes: how many are chosen, and how many of the best of every member.
    """
    count, _ = shape
    size, always = sizes
    nobody = np.zeros((count, 0), np.float32)
    no_ends, no_lines = np.zeros(count + 1, np.int64), np.zeros(0, np.int64)
    rules = said.rules or ((no_ends, no_lines, np.zeros((0, 3), np.float32)),) * 3
    walks = said.walks or (no_ends, no_lines, np.zeros(0, np.float32))
    structure, tower = (nobody if part is None else part for part in (said.structure, said.tower))
    order = np.argsort(excluded[0], kind="stable")
    starts = np.searchsorted(excluded[0][order], np.arange(count + 1))
    found = Choice(
        np.empty((count, size), np.int64),
        np.empty(shape, np.float32),
        np.zeros((count, size, 3 * len(rules)), np.float32),
        np.empty((count, size), np.float32),
        np.empty(count, np.float32),
        np.zeros((count, size, COLUMNS), np.float32),
        np.empty((count, size), np.float32),
        np.empty(count, np.float32),
        np.zeros(count, np.float32),
    )
    _choose(
        structure, tower, rules, walks, weights, starts, excluded[1][order], wanted, always,
        found.positions, found.base, found.rules, found.rule_logs, found.rule_best,
        found.walks, found.walk_logs, found.walk_best, found.tower_spread,
    )  # fmt: skip
    return found


@njit(cache=True, nogil=True, fastmath=FLAGS)
def _moments(scores: FloatArray) -> tuple[float, float]:
    """Mean and standard deviation."""
    total, squares = np.float32(0), np.float32(0)
    for i in range(len(scores)):
        total += scores[i]
    mean = np.float32(total / len(scores))
    for i in range(len(scores)):
        squares += (scores[i] - mean) * (scores[i] - mean)
    return float(mean), float(np.sqrt(squares / len(scores)))


@njit(cache=True, nogil=True)
def _sparse_moments(values: FloatArray, lines: IntArray, size: int, silence: float, pool: int) -> tuple[float, float]:
    """The same of values (p,) of which all but those at lines[:size] are `silence`."""
    total = silence * (pool - size)
    for i in range(size):
        total += values[lines[i]]
    mean = total / pool
    squares = (silence - mean) ** 2 * (pool - size)
    for i in range(size):
        squares += (values[lines[i]] - mean) ** 2
    return mean, np.sqrt(squares / pool)


@njit(cache=True, nogil=True, fastmath=FLAGS)
def _add(base: FloatArray, scores: FloatArray, weight: float) -> float:
    """Adds their standing to the base; their spread."""
    mean, spread = _moments(scores)
    centre, factor = np.float32(mean), np.float32(weight / (spread + NOTHING))
    for i in range(len(base)):
        base[i] += (scores[i] - centre) * factor
    return float(spread)


@njit(cache=True, nogil=True)
def _keep(best: FloatArray, places: IntArray, size: int, score: float, place: int) -> None:
    """Puts a score among the best, a heap with the least of them first, in place of that one."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and best[child + 1] < best[child]:
            child += 1
        if best[child] >= score:
            break
        best[at], places[at] = best[child], places[child]
        at = child
    best[at], places[at] = score, place


@njit(cache=True, nogil=True)
def _mark_best(
    scores: FloatArray, base: FloatArray, lines: IntArray, size: int, always: int, chosen: BoolArray, left: int
) -> int:
    """Marks the best of what is not excluded, at lines[:size], or of all where size is -1; how many are left to be."""
    best, places = np.full(always, -np.inf, np.float32), np.full(always, -1, np.int64)
    for i in range(len(scores) if size < 0 else size):
        line = i if size < 0 else lines[i]
        if always and scores[line] > best[0] and base[line] > -np.inf:
            _keep(best, places, always, scores[line], line)
    for place in places:
        if place >= 0 and not chosen[place] and left > 0:
            chosen[place] = True
            left -= 1
    return left


@njit(cache=True, nogil=True)
def _mark_rest(base: FloatArray, chosen: BoolArray, left: int) -> None:
    """Marks so many more, the best of the sum."""
    best, places = np.full(left, -np.inf, np.float32), np.full(left, -1, np.int64)
    for line in range(len(base)):
        if left and base[line] > best[0] and not chosen[line]:
            _keep(best, places, left, base[line], line)
    missing = 0
    for place in places:
        if place >= 0:
            chosen[place] = True
        else:
            missing += 1
    for line in range(len(base)):  # what is excluded fills up
        if missing and not chosen[line]:
            chosen[line] = True
            missing -= 1


@njit(cache=True, nogil=True)
def _tell_rules(rules: tuple[Told, ...], row: int, logs: FloatArray, seen: BoolArray, lines: IntArray) -> int:
    """Logarithms of the noisy-or of all kinds of rules, of the candidates that they speak of; how many those are."""
    size = 0
    for ends, places, values in rules:
        for i in range(ends[row], ends[row + 1]):
            line = places[i]
            if not seen[line]:
                seen[line], logs[line], lines[size] = True, 1.0, line
                size += 1
            logs[line] *= np.float32(1) - values[i, 0]
    for i in range(size):
        line = lines[i]
        logs[line] = np.log(np.float32(1) - logs[line] + np.float32(SILENT))
        seen[line] = False
    return size


@njit(cache=True, nogil=True)
def _tell_walks(
    places: IntArray, shares: FloatArray, first: int, last: int, logs: FloatArray, seen: BoolArray, lines: IntArray
) -> int:
    """Logarithms of the mean of all walks, likewise."""
    size = 0
    for i in range(first, last):
        line = places[i] // COLUMNS
        if not seen[line]:
            seen[line], logs[line], lines[size] = True, 0.0, line
            size += 1
        logs[line] += shares[i] / np.float32(COLUMNS)
    for i in range(size):
        line = lines[i]
        logs[line] = np.log(logs[line] + np.float32(LEAST))
        seen[line] = False
    return size


@njit(cache=True, nogil=True)
def _add_sparse(base: FloatArray, logs: FloatArray, lines: IntArray, size: int, silence: float, weight: float) -> float:
    """Adds their standing to the base, but for what all have in common, which it returns."""
    mean, spread = _sparse_moments(logs, lines, size, silence, len(base))
    factor = weight / (spread + NOTHING)
    for i in range(size):
        base[lines[i]] += np.float32((logs[lines[i]] - silence) * factor)
    return float((silence - mean) * factor)


@njit(cache=True, nogil=True)
def _tell(logs: FloatArray, lines: IntArray, size: int, silence: float, slot: IntArray, told: FloatArray) -> float:
    """Writes the logarithms of the chosen, and gives the best of all."""
    best = silence if size < len(slot) else -np.inf
    told[:] = silence
    for i in range(size):
        best = max(best, logs[lines[i]])
        if slot[lines[i]] >= 0:
            told[slot[lines[i]]] = logs[lines[i]]
    return float(best)


@njit(cache=True, nogil=True)
def _choose(  # noqa: C901, PLR0913 - a compiled loop takes plain arrays, and a call costs in it
    structure: FloatArray, tower: FloatArray, rules: tuple[Told, ...], walks: tuple[IntArray, IntArray, FloatArray],
    weights: FloatArray, starts: IntArray, excluded: IntArray, wanted: IntArray, always: int, positions: IntArray,
    base: FloatArray, rule_values: FloatArray, rule_logs: FloatArray, rule_best: FloatArray,
    walk_values: FloatArray, walk_logs: FloatArray, walk_best: FloatArray, tower_spread: FloatArray,
) -> None:  # fmt: skip
    """See `choose` and Choice; scores of a member that is not there have no columns."""
    pool, size = base.shape[1], positions.shape[1]
    seen, chosen, slot = np.zeros(pool, np.bool_), np.zeros(pool, np.bool_), np.full(pool, -1, np.int64)
    ruled, walked = np.empty(pool, np.float32), np.empty(pool, np.float32)
    rule_lines, walk_lines = np.empty(pool, np.int64), np.empty(pool, np.int64)
    no_rule, no_walk = np.float32(np.log(SILENT)), np.float32(np.log(LEAST))
    walk_ends, walk_places, shares = walks
    for row in range(len(base)):
        ruling = _tell_rules(rules, row, ruled, seen, rule_lines)
        first, last = walk_ends[row], walk_ends[row + 1]
        walking = _tell_walks(walk_places, shares, first, last, walked, seen, walk_lines)
        mine, w = base[row], weights[row]
        mine[:] = 0.0
        common = _add_sparse(mine, ruled, rule_lines, ruling, no_rule, w[2])
        common += _add_sparse(mine, walked, walk_lines, walking, no_walk, w[3])
        mine += np.float32(common)
        if structure.shape[1]:
            _add(mine, structure[row], w[0])
        if tower.shape[1]:
            tower_spread[row] = _add(mine, tower[row], w[1]) * np.sqrt(pool / max(1, pool - 1))
        for i in range(starts[row], starts[row + 1]):
            mine[excluded[i]] = -np.inf
        chosen[:] = False
        left = size
        for place in wanted[row]:
            if not chosen[place]:
                chosen[place] = True
                left -= 1
        if structure.shape[1]:
            left = _mark_best(structure[row], mine, rule_lines, -1, always, chosen, left)
        if tower.shape[1]:
            left = _mark_best(tower[row], mine, rule_lines, -1, always, chosen, left)
        left = _mark_best(ruled, mine, rule_lines, ruling, always, chosen, left)
        left = _mark_best(walked, mine, walk_lines, walking, always, chosen, left)
        _mark_rest(mine, chosen, left)
        filled = 0
        for line in range(pool):
            if chosen[line]:
                positions[row, filled], slot[line] = line, filled
                filled += 1
        rule_best[row] = _tell(ruled, rule_lines, ruling, no_rule, slot, rule_logs[row])
        walk_best[row] = _tell(walked, walk_lines, walking, no_walk, slot, walk_logs[row])
        kind = 0
        for ends, lines, values in rules:
            for i in range(ends[row], ends[row + 1]):
                if slot[lines[i]] >= 0:
                    for number in range(3):
                        rule_values[row, slot[lines[i]], 3 * kind + number] = values[i, number]
            kind += 1
        for i in range(first, last):
            if slot[walk_places[i] // COLUMNS] >= 0:
                walk_values[row, slot[walk_places[i] // COLUMNS], walk_places[i] % COLUMNS] = shares[i]
        for place in positions[row]:
            slot[place] = -1
