"""Which rules fired for one triple, and on which paths: what `Rules.features` counts, told one by one.

The same edges are looked at, at hubs the same sample of them, so the best confidence of a kind is the feature's. Only
mined rules are followed over all edges of both ends: a path through a hub may be told that the feature missed.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, inverse, ranges
from neo4j_relpred.model.applying import BEST, FACTS
from neo4j_relpred.model.rules import FANOUT, SMOOTHING, Rules

__all__ = ["PATHS", "Firing", "fired_rules"]

PATHS = 3  # of a rule that are told


@dataclass(frozen=True)
class Firing:
    """steps: relations, inverses too, from head to tail; paths: (n, steps + 1) nodes.

    constant: the place of the node that the rule names. support of `looked` is what confidence comes from; of a mined
    rule the latter is not known.
    """

    steps: tuple[int, ...]
    paths: IntArray
    confidence: float
    support: int
    looked: int | None = None
    constant: int | None = None


def fired_rules(rules: Rules, graph: KnowledgeGraph, head: int, relation: int, tail: int) -> list[Firing]:
    """The best of each kind that lead from head to tail, the most confident first.

    A noisy-or counts BEST paths, so no more rules than that are told of a kind.
    """
    kinds = (
        _mined(rules, graph, head, relation, tail),
        _of_shared_facts(graph, head, relation, tail),
        _of_like_answers(graph, head, relation, tail),
    )
    found = [firing for kind in kinds for firing in _first(graph, kind)]
    return sorted(found, key=lambda firing: -firing.confidence)


def _first(graph: KnowledgeGraph, firings: Iterator[Firing]) -> list[Firing]:
    """The first ones that differ and have a path, with few paths each: those of the least connected nodes.

    Of symmetric types both directions are there and are one step. A path over the same edge twice is none to Cypher.
    """
    found: dict[object, Firing] = {}
    for firing in firings:
        steps = tuple(step % graph.num_relations if graph.has_twin(np.array(step)) else step for step in firing.steps)
        key = steps, None if firing.constant is None else firing.paths[0, firing.constant]
        if key in found:
            continue
        paths = firing.paths[np.argsort(graph.degrees[firing.paths].sum(1), kind="stable")]
        told = [number for number, path in enumerate(paths.tolist()) if _no_edge_twice(graph, steps, path)][:PATHS]
        if told:
            found[key] = replace(firing, steps=steps, paths=paths[told])
        if len(found) == BEST:
            break
    return list(found.values())


def _no_edge_twice(graph: KnowledgeGraph, steps: tuple[int, ...], path: list[int]) -> bool:
    edges = set()
    for step, start, end in zip(steps, path, path[1:], strict=False):
        relation, forward = step % graph.num_relations, step < graph.num_relations
        if relation in graph.symmetric:
            forward = start <= end
        edges.add((start, relation, end) if forward else (end, relation, start))
    return len(edges) == len(steps)


def _mined(rules: Rules, graph: KnowledgeGraph, head: int, relation: int, tail: int) -> Iterator[Firing]:
    """r1 => r and r1, r2 => r; the work is that of sorting the edges of both ends, hubs or not."""
    single, double = rules.tables(relation)
    own = _edges_of(graph, head)

    def firing(body: int, steps: tuple[int, ...], paths: IntArray) -> Firing:
        row = int(np.flatnonzero((rules.body == body) & (rules.head == relation))[0])
        return Firing(steps, paths, float(rules.confidence[row]), int(rules.support[row]))

    def of_one() -> Iterator[Firing]:
        links = own[own[:, 2] == tail, 1]
        for link in _by_confidence(single[links]):
            yield firing(int(links[link]), (int(links[link]),), np.array([[head, tail]]))

    def of_two() -> Iterator[Firing]:
        if head == tail or not len(double):
            return
        first, last = own[(own[:, 2] != head) & (own[:, 2] != tail)], _edges_of(graph, tail)
        last = last[np.argsort(last[:, 2], kind="stable")]
        starts, ends = (np.searchsorted(last[:, 2], first[:, 2], side) for side in ("left", "right"))
        rows, places = ranges(starts, ends)
        steps = first[rows, 1] * rules.width + inverse(last[places, 1], graph.num_relations)
        pairs, which = np.unique(steps, return_inverse=True)
        for pair in _by_confidence(double.reshape(-1)[pairs]):
            middle = first[rows[which == pair], 2]
            body = int(pairs[pair])
            yield firing(rules.width + body, divmod(body, rules.width), _paths(head, middle, tail))

    return heapq.merge(of_one(), of_two(), key=lambda found: -found.confidence)


def _of_shared_facts(graph: KnowledgeGraph, head: int, relation: int, tail: int) -> Iterator[Firing]:
    """A fact of the head => (relation, tail): others that share the fact have this tail. See applying.apply_forward."""
    facts = graph.edges[_spread(graph.offsets[[head]], graph.offsets[[head + 1]], FACTS)[1]]
    back = inverse(facts[:, 1], graph.num_relations)
    rows, places = _spread(*graph.answer_ranges(facts[:, 2], back), FANOUT)
    others, looked = graph.edge_tails[places], np.bincount(rows, minlength=len(facts))
    right = _among(others, _answers(graph, tail, graph.inverse(relation))) & (others != head)
    support = np.bincount(rows[right], minlength=len(facts))
    confidence = support / (looked + SMOOTHING)
    besides = looked - np.bincount(rows[others == head], minlength=len(facts))
    for fact in _by_confidence(confidence):
        _, step, constant = facts[fact].tolist()
        paths = _paths(head, constant, others[right & (rows == fact)], tail)
        steps, counts = (step, int(back[fact]), relation), (int(support[fact]), int(besides[fact]))
        yield Firing(steps, paths, float(confidence[fact]), *counts, constant=1)


def _of_like_answers(graph: KnowledgeGraph, head: int, relation: int, tail: int) -> Iterator[Firing]:
    """The tail shares a fact with tails that the head has already. See applying.apply_backward."""
    known = _answers(graph, head, relation)
    some = known[_spread(np.zeros(1, np.int64), np.array([len(known)]), FANOUT)[1]]
    facts = graph.edges[_spread(graph.offsets[some], graph.offsets[some + 1], FANOUT)[1], 1:]
    facts = facts[(facts[:, 1] != head) | (facts[:, 0] != graph.inverse(relation))]
    keys, own = (part[:, -2] * graph.num_entities + part[:, -1] for part in (facts, _edges_of(graph, tail)))
    keys = np.unique(keys[_among(keys, own)])
    step, constant = np.divmod(keys, graph.num_entities)
    back = inverse(step, graph.num_relations)
    rows, places = _spread(*graph.answer_ranges(constant, back), FANOUT)
    bearers, looked = graph.edge_tails[places], np.bincount(rows, minlength=len(keys))
    right = _among(bearers, known)
    support = np.bincount(rows[right], minlength=len(keys))
    seen = np.bincount(rows[bearers == tail], minlength=len(keys)) > 0  # a hub's sample may not have the tail
    confidence = np.where(seen, support / (looked + SMOOTHING), 0)
    for fact in _by_confidence(confidence):
        paths = _paths(head, bearers[right & (rows == fact)], int(constant[fact]), tail)
        steps, counts = (relation, int(step[fact]), int(back[fact])), (int(support[fact]), int(looked[fact]))
        yield Firing(steps, paths, float(confidence[fact]), *counts, constant=2)


def _edges_of(graph: KnowledgeGraph, node: int) -> IntArray:
    return graph.edges[graph.offsets[node] : graph.offsets[node + 1]]


def _answers(graph: KnowledgeGraph, node: int, relation: int) -> IntArray:
    """Sorted."""
    return graph.answers(np.array([node]), np.array([relation]))[1]


def _spread(starts: IntArray, ends: IntArray, limit: int) -> tuple[IntArray, IntArray]:
    """At most `limit` integers of each range, as kernels.spread has them, behind the number of the range of each."""
    size = ends - starts
    rows, steps = ranges(np.zeros_like(size), np.minimum(size, limit))
    return rows, starts[rows] + steps * np.maximum(1, size // limit)[rows]


def _among(values: IntArray, known: IntArray) -> npt.NDArray[np.bool_]:
    """Which values (n,) are in a sorted list."""
    places = np.searchsorted(known, values)
    inside = places < len(known)
    inside[inside] = known[places[inside]] == values[inside]
    return inside


def _by_confidence(confidence: npt.NDArray[np.floating]) -> Iterator[int]:
    """Places of what has any, the most confident first."""
    for place in np.argsort(-confidence, kind="stable").tolist():
        if confidence[place] <= 0:
            return
        yield place


def _paths(*nodes: int | IntArray) -> IntArray:
    """(n, nodes) of single nodes and columns (n,)."""
    return np.stack(np.broadcast_arrays(*nodes), 1)
