"""The rule member: mined rules of one or two body relations, and rules with a constant counted on the fly.

Rules need no entity vectors, so they hold for new nodes; the rules that fired are the evidence that people read.
After AnyBURL (Meilicke et al. 2019): confidence = support / (body + 5), noisy-or over the best 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.model import kernels
from neo4j_relpred.model.applying import Told, apply_backward, apply_cyclic, apply_forward
from neo4j_relpred.model.pools import Pool

__all__ = ["RULE_FEATURES", "Rule", "Rules", "any_rule", "mine_rules"]

FloatArray = npt.NDArray[np.float32]
FANOUT = 50
APPLY_FANOUT = 300
SMOOTHING = 5
SILENT = 1e-3  # is added to confidences before their logarithm: where no rule fired they are 0
LEAST_SUPPORT = 2
BODY_LIMIT = 4_000_000  # pairs of relations that are counted at most
BUFFER = 8_000_000
PATHS = 100_000_000  # that are followed for bodies of two relations: a confidence is a ratio, and a sample tells it
EDGES = 4_000_000  # that are looked at for bodies of one
RULE_FEATURES = tuple(f"{kind}_{what}" for kind in ("cyclic", "forward", "backward") for what in ("or", "max", "count"))


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as evidence: body relations (with inverses), head relation, confidence, counts."""

    body: tuple[int, ...]
    head: int
    confidence: float
    support: int


@dataclass(frozen=True)
class Rules:
    """Mined rules as columns sorted by body.

    body: (rules,) as in kernels.relation_paths; head, support: (rules,); confidence: (rules,).
    """

    width: int
    body: IntArray
    head: IntArray
    confidence: FloatArray
    support: IntArray

    def __len__(self) -> int:
        return len(self.body)

    @cached_property
    def offsets(self) -> IntArray:
        """(bodies + 1,): rules of a body are rows offsets[b] to offsets[b + 1]."""
        last = self.width * (self.width + 1) if len(self) and self.body[-1] >= self.width else self.width
        return np.searchsorted(self.body, np.arange(last + 1)).astype(np.int64)

    @cached_property
    def _last_tables(self) -> dict[int, tuple[FloatArray, FloatArray]]:
        return {}

    def tables(self, relation: int) -> tuple[FloatArray, FloatArray]:
        """Confidences of the rules for one relation: (width,) for single bodies, (width, width) for pairs.

        The second is (0, 0) where no rule for the relation has a pair: of thousands of relations each table is huge.
        """
        kept = self._last_tables.get(relation)
        if kept is not None:
            return kept
        mine = self.head == relation
        bodies, confidences = self.body[mine], self.confidence[mine]
        short = bodies < self.width
        size = 0 if short.all() else self.width
        single, double = np.zeros(self.width, np.float32), np.zeros((size, size), np.float32)
        single[bodies[short]] = confidences[short]
        double.reshape(-1)[bodies[~short] - self.width] = confidences[~short]
        self._last_tables.clear()  # one relation is asked for many times in a row; those of all would fill the memory
        self._last_tables[relation] = single, double
        return single, double

    def told(
        self, graph: KnowledgeGraph, anchors: IntArray, relation: int, pool: Pool | None = None
    ) -> tuple[Told, ...]:
        """(q,) anchors of queries by one relation -> cyclic, forward, backward: see `applying` and RULE_FEATURES.

        Candidates are those of the pool, or all.
        """
        arrays, half, anchors = arrays_of(graph), graph.num_relations, np.ascontiguousarray(anchors)
        place = np.arange(graph.num_entities) if pool is None else pool.place
        return (
            apply_cyclic(*arrays, anchors, *self.tables(relation), APPLY_FANOUT, place),
            apply_forward(*arrays, anchors, relation, half, FANOUT, place),
            apply_backward(*arrays, anchors, relation, half, FANOUT, place),
        )

    def features(
        self, graph: KnowledgeGraph, anchors: IntArray, relation: int, pool: Pool | None = None
    ) -> tuple[FloatArray, ...]:
        """What is `told`, for all candidates: cyclic, forward, backward, each (q, p, 3)."""
        size = graph.num_entities if pool is None else len(pool.entities)
        found = tuple(np.zeros((len(anchors), size, 3), np.float32) for _ in range(3))
        for out, (ends, lines, values) in zip(found, self.told(graph, anchors, relation, pool), strict=True):
            out[np.repeat(np.arange(len(anchors)), np.diff(ends)), lines] = values
        return found

    def pairs(self, graph: KnowledgeGraph, heads: IntArray, tails: IntArray, hidden: IntArray) -> FloatArray:
        """(q,) pairs -> (q, 2R): noisy-or of the rules that lead from head to tail, per relation.

        hidden: (q,) the relation of the asked edge where it stands in the graph, else -1. A self-loop and a symmetric
        relation are seen by both directions.
        """
        out = np.zeros((len(heads), self.width), np.float32)
        rules = (self.offsets, self.head, self.confidence)
        both = (hidden >= 0) & ((heads == tails) | graph.has_twin(hidden))
        back = np.where(both, (hidden + self.width // 2) % self.width, -1)
        heads, tails = np.ascontiguousarray(heads), np.ascontiguousarray(tails)
        kernels.relation_paths(*arrays_of(graph), heads, tails, hidden, back, *rules, APPLY_FANOUT, out)
        return out

    def explain(self, graph: KnowledgeGraph, head: int, relation: int, tail: int) -> tuple[Rule, int] | None:
        """The most confident rule that leads from head to tail and the node in its middle (-1: none)."""
        found, confidence = np.full((1, 3), -1, np.int64), np.zeros(1, np.float32)
        ends = np.array([head], np.int64), np.array([tail], np.int64)
        kernels.best_path(*arrays_of(graph), *ends, *self.tables(relation), found, confidence)
        first, middle, second = (int(value) for value in found[0])
        if first < 0:
            return None
        body = first if second < 0 else self.width + first * self.width + second
        row = int(np.flatnonzero((self.body == body) & (self.head == relation))[0])
        relations = (first,) if second < 0 else (first, second)
        return Rule(relations, relation, float(confidence[0]), int(self.support[row])), middle


def arrays_of(graph: KnowledgeGraph) -> tuple[IntArray, IntArray, IntArray]:
    """Offsets, relations and neighbours as contiguous columns, the form that kernels take."""
    return graph.offsets, graph.edge_relations, graph.edge_tails


def any_rule(parts: tuple[FloatArray, ...]) -> FloatArray:
    """(q, p): noisy-or of all three kinds of rules, from what `Rules.features` gives."""
    cyclic, forward, backward = (part[..., 0] for part in parts)
    together: FloatArray = 1 - (1 - cyclic) * (1 - forward) * (1 - backward)
    return together


def mine_rules(graph: KnowledgeGraph, length: int) -> Rules:
    """Counts all bodies of one relation exactly and bodies of two with a fan-out of 50 per step.

    In a large graph only some edges, and paths from some nodes, are counted, evenly: more would tell no more.
    """
    width = 2 * graph.num_relations
    parts = []
    if length >= 1:
        parts.append(_single_bodies(graph, width))
    if length >= 2 and width * width <= BODY_LIMIT:
        parts.append(_double_bodies(graph, width))
    if not parts:
        empty = np.empty(0, np.int64)
        return Rules(width, empty, empty, empty.astype(np.float32), empty)
    body, head, support, total = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    confidence = (support / (total + SMOOTHING)).astype(np.float32)
    keep = (support >= LEAST_SUPPORT) & (confidence >= 0.002)
    order = np.argsort(body[keep], kind="stable")
    return Rules(width, body[keep][order], head[keep][order], confidence[keep][order], support[keep][order])


def _single_bodies(graph: KnowledgeGraph, width: int) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    sample = graph.edges[:: max(1, len(graph.edges) // EDGES)]
    rows, closing = graph.linking_relations(sample[:, 0], sample[:, 2])
    bodies = sample[rows, 1]
    other = bodies != closing
    keys, support = np.unique(bodies[other] * width + closing[other], return_counts=True)
    total = np.bincount(sample[:, 1], minlength=width)
    return keys // width, keys % width, support.astype(np.int64), total[keys // width]


def _double_bodies(graph: KnowledgeGraph, width: int) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    stride = max(1, len(graph.edges) * FANOUT // PATHS)  # each edge leads to FANOUT paths at most
    pairs = graph.edges[:, 0] * graph.num_entities + graph.edge_tails
    by_neighbor = np.argsort(pairs * width + graph.edge_relations)  # numbers, and no two alike: quicker than columns
    bodies = np.zeros(width * width, np.int64)
    mark = np.full(graph.num_entities, -1, np.int64)
    found = np.empty(max(BUFFER, 4 * FANOUT * FANOUT), np.int64)
    keys, counts = np.empty(0, np.int64), np.empty(0, np.int64)
    node = 0
    while node < graph.num_entities:
        state = node, stride, bodies, found, mark
        filled, node = kernels.mine_pairs(*arrays_of(graph), by_neighbor, width, FANOUT, *state)
        new, support = np.unique(found[:filled], return_counts=True)
        keys, where = np.unique(np.concatenate([keys, new]), return_inverse=True)
        counts = np.bincount(where, np.concatenate([counts, support]), len(keys)).astype(np.int64)
    return width + keys // width, keys % width, counts, bodies[keys // width]
