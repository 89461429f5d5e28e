"""The members together: each scores all candidates of a query, the best go on with features of each pair.

Queries come one relation at a time (inverse relations ask for heads), so per-relation work is done once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neo4j_relpred.config import ModelSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, inverse
from neo4j_relpred.model.neighborhood import gather
from neo4j_relpred.model.rules import RULE_FEATURES, Rules
from neo4j_relpred.model.structure import ComplEx
from neo4j_relpred.model.tower import Tower

__all__ = ["FEATURE_GROUPS", "FEATURE_NAMES", "Members", "Proposal", "encode_all", "group_columns"]

FloatArray = npt.NDArray[np.float32]
ALWAYS_IN = 15  # best candidates of each member that always go on
REVERSE_SAMPLE = 2_000  # entities over which a reverse score is normalised
ENCODE_BATCH = 2_048
MEMBER_FEATURES = ("log_probability", "gap", "reverse", "reverse_raw")
FEATURE_GROUPS: dict[str, tuple[str, ...]] = {
    "structure": (*(f"structure_{name}" for name in MEMBER_FEATURES), "structure_relation", "structure_known"),
    "text and graph": (*(f"tower_{name}" for name in MEMBER_FEATURES), "text_cosine", "text_range"),
    "rules": (*RULE_FEATURES, "rules_or", "rules_gap"),
    "prior": ("popularity", "degree", "context_range", "range_share"),
    "question": ("answers", "anchor_degree", "structure_best", "tower_best", "rules_best", "tower_spread"),
}
FEATURE_NAMES = tuple(name for names in FEATURE_GROUPS.values() for name in names)


def group_columns(group: str) -> list[int]:
    """The columns of a feature group."""
    return [FEATURE_NAMES.index(name) for name in FEATURE_GROUPS[group]]


@dataclass(frozen=True)
class Proposal:
    """Candidates of queries by one relation.

    candidates (q, c); features (q, c, f); base (q, entities): the z-scored sum, which orders the rest; excluded
    candidates have -inf there, and where fewer than c are left, the list repeats entities marked False in `real`.
    """

    candidates: IntArray
    features: FloatArray
    base: FloatArray
    real: npt.NDArray[np.bool_]


@dataclass
class _Columns:
    """Collects features by name, (q, c) each."""

    shape: tuple[int, int]
    values: dict[str, FloatArray] = field(default_factory=dict)

    def set(self, name: str, value: Tensor | FloatArray) -> None:
        array = value.numpy() if isinstance(value, Tensor) else value
        self.values[name] = np.broadcast_to(array if array.ndim == 2 else array[:, None], self.shape)

    def stacked(self) -> FloatArray:
        zero = np.zeros(self.shape, np.float32)
        return np.stack([self.values.get(name, zero) for name in FEATURE_NAMES], axis=2).astype(np.float32)


@dataclass(frozen=True)
class Members:
    """The parts that propose. Members that were not trained are None; entities from `trained` on are new."""

    graph: KnowledgeGraph
    text: Tensor
    rules: Rules
    structure: ComplEx | None
    tower: Tower | None
    encoded: Tensor
    settings: ModelSettings
    trained: int

    @cached_property
    def unit(self) -> Tensor:
        """(entities, hidden): encoded nodes as unit vectors."""
        return torch.nn.functional.normalize(self.encoded, dim=-1)

    @cached_property
    def _sample(self) -> Tensor:
        rng = np.random.default_rng(0)
        size = min(self.trained, REVERSE_SAMPLE)
        return torch.from_numpy(np.sort(rng.choice(self.trained, size, replace=False)))

    @torch.no_grad()
    def propose(
        self,
        relation: int,
        anchors: IntArray,
        excluded: tuple[IntArray, IntArray],
        wanted: IntArray | None = None,
    ) -> Proposal:
        """anchors (q,) of queries by `relation`; excluded: rows and entities that are no candidates.

        wanted: (q,) one entity per query that is a candidate in any case.
        """
        structure, tower = self._structure_scores(relation, anchors), self._tower_scores(relation, anchors)
        rules = self.rules.features(self.graph, anchors, relation)  # (q, entities, 9)
        rule_score = 1 - (1 - rules[..., 0]) * (1 - rules[..., 3]) * (1 - rules[..., 6])
        members = [s.numpy() for s in (structure, tower) if s is not None] + [np.log(rule_score + 1e-3)]
        base = np.zeros((len(anchors), self.graph.num_entities), np.float32)
        for scores in members:
            base += (scores - scores.mean(1, keepdims=True)) / (scores.std(1, keepdims=True) + 1e-6)
        base[excluded] = -np.inf
        candidates = self._choose(base, members, wanted)
        real = np.isfinite(np.take_along_axis(base, candidates, 1))
        columns = _Columns((len(anchors), candidates.shape[1]))
        chosen = torch.from_numpy(candidates)
        if structure is not None and self.structure is not None:
            self._member_features(columns, "structure", structure, chosen)
            self._structure_pairs(columns, relation, anchors, chosen)
        if tower is not None and self.tower is not None:
            self._member_features(columns, "tower", tower, chosen)
            self._tower_pairs(columns, relation, anchors, chosen)
        self._rule_features(columns, rules, rule_score, candidates)
        self._prior_features(columns, relation, anchors, candidates)
        return Proposal(candidates, columns.stacked(), base, real)

    def _structure_scores(self, relation: int, anchors: IntArray) -> Tensor | None:
        """(q, entities): logits; a new anchor scores all alike, a new candidate gets the mean of the others."""
        if self.structure is None:
            return None
        index = torch.from_numpy(np.minimum(anchors, self.trained - 1))
        scores = self.structure(index, torch.full_like(index, relation))
        scores[torch.from_numpy(anchors >= self.trained)] = 0.0
        new = self.graph.num_entities - self.trained
        return torch.cat([scores, scores.mean(1, keepdim=True).expand(-1, new)], 1) if new else scores

    def _tower_scores(self, relation: int, anchors: IntArray) -> Tensor | None:
        if self.tower is None:
            return None
        index = torch.from_numpy(anchors)
        query = self.tower.query(self.encoded[index], torch.full_like(index, relation))
        return query @ self.unit.T / self.tower.log_temperature.exp()

    def _choose(self, base: FloatArray, members: list[FloatArray], wanted: IntArray | None) -> IntArray:
        """(q, c): the best of the sum, with the best of every member always in, sorted by entity."""
        size = min(self.settings.candidates, base.shape[1])
        lifted = base.copy()
        always = min(ALWAYS_IN, size // (len(members) + 1))
        for scores in members:
            open_scores = np.where(np.isfinite(base), scores, -np.inf)
            best = np.argpartition(-open_scores, always - 1, axis=1)[:, :always]
            np.put_along_axis(lifted, best, np.take_along_axis(base, best, 1) + 1e4, 1)
        if wanted is not None:
            np.put_along_axis(lifted, wanted[:, None], 1e6, 1)
        chosen = np.argpartition(-lifted, size - 1, axis=1)[:, :size] if size < base.shape[1] else None
        if chosen is None:
            chosen = np.broadcast_to(np.arange(size), base.shape)
        return np.sort(chosen, axis=1).astype(np.int64)

    @staticmethod
    def _member_features(columns: _Columns, member: str, scores: Tensor, chosen: Tensor) -> None:
        logs = torch.log_softmax(scores, 1)
        best = logs.amax(1, keepdim=True)
        mine = logs.gather(1, chosen)
        columns.set(f"{member}_log_probability", mine)
        columns.set(f"{member}_gap", mine - best)
        columns.set(f"{member}_best", best[:, 0])
        columns.set(f"{member}_spread", scores.std(1))

    def _structure_pairs(self, columns: _Columns, relation: int, anchors: IntArray, chosen: Tensor) -> None:
        assert self.structure is not None
        known = torch.from_numpy(anchors < self.trained)[:, None] & (chosen < self.trained)
        head = torch.from_numpy(np.minimum(anchors, self.trained - 1))
        tail = chosen.clamp(max=self.trained - 1)
        unique, back = torch.unique(tail, return_inverse=True)
        asked = self.structure.query(unique, torch.full_like(unique, self._inverse(relation)))
        total = torch.logsumexp(asked @ self.structure.entity[self._sample].T, 1)
        raw = torch.einsum("qck,qk->qc", asked[back], self.structure.entity[head])
        pair = self.structure.pairs(head.repeat_interleave(tail.shape[1]), tail.reshape(-1))
        own = torch.log_softmax(pair, -1)[:, relation].reshape(tail.shape)
        values = {"reverse": raw - total[back], "reverse_raw": raw, "relation": own}
        for name, value in values.items():
            columns.set(f"structure_{name}", torch.where(known, value, 0.0))
        for name in ("log_probability", "gap"):
            columns.set(f"structure_{name}", np.where(known.numpy(), columns.values[f"structure_{name}"], 0))
        columns.set("structure_known", known.float())

    def _tower_pairs(self, columns: _Columns, relation: int, anchors: IntArray, chosen: Tensor) -> None:
        assert self.tower is not None
        unique, back = torch.unique(chosen, return_inverse=True)
        asked = self.tower.query(self.encoded[unique], torch.full_like(unique, self._inverse(relation)))
        scale = self.tower.log_temperature.exp()
        total = torch.logsumexp(asked @ self.unit[self._sample].T / scale, 1)
        raw = torch.einsum("qck,qk->qc", asked[back], self.unit[torch.from_numpy(anchors)]) / scale
        columns.set("tower_reverse", raw - total[back])
        columns.set("tower_reverse_raw", raw)

    @staticmethod
    def _rule_features(columns: _Columns, rules: FloatArray, total: FloatArray, candidates: IntArray) -> None:
        mine = np.take_along_axis(rules, candidates[..., None], 1)
        for column, name in enumerate(RULE_FEATURES):
            value = mine[..., column]
            columns.set(name, value if name.endswith("count") else np.log(value + 1e-3))
        logs = np.log(total + 1e-3)
        columns.set("rules_or", np.take_along_axis(logs, candidates, 1))
        columns.set("rules_gap", np.take_along_axis(logs, candidates, 1) - logs.max(1, keepdims=True))
        columns.set("rules_best", logs.max(1))

    def _prior_features(self, columns: _Columns, relation: int, anchors: IntArray, candidates: IntArray) -> None:
        back = self._inverse(relation)
        context, degrees = self.graph.context, self.graph.degrees
        columns.set("popularity", np.log1p(context[candidates, back]))
        columns.set("degree", np.log1p(degrees[candidates]))
        columns.set("answers", np.log1p(context[anchors, relation]))
        columns.set("anchor_degree", np.log1p(degrees[anchors]))
        tails = self.graph.edges[self.graph.edges[:, 1] == relation, 2]
        others = self._unit_context.copy()
        others[:, back] = 0  # what r itself says of a candidate is popularity
        mean = others[tails].mean(0) if len(tails) else np.zeros(others.shape[1], np.float32)
        columns.set("context_range", (others @ mean)[candidates])
        columns.set("range_share", np.log1p(np.float32(len(tails)))[None].repeat(len(anchors)))
        if self.text.shape[1]:
            text = torch.nn.functional.normalize(self.text, dim=-1)
            cosine = torch.einsum("qck,qk->qc", text[torch.from_numpy(candidates)], text[torch.from_numpy(anchors)])
            columns.set("text_cosine", cosine)
            if len(tails):
                columns.set("text_range", (text @ text[torch.from_numpy(tails)].mean(0)).numpy()[candidates])

    @cached_property
    def _unit_context(self) -> FloatArray:
        logs = np.log1p(self.graph.context)
        unit: FloatArray = logs / (np.linalg.norm(logs, axis=1, keepdims=True) + 1e-6)
        return unit

    def _inverse(self, relation: int) -> int:
        return int(inverse(np.array(relation), self.graph.num_relations))


@torch.no_grad()
def encode_all(
    tower: Tower, graph: KnowledgeGraph, text: Tensor, settings: ModelSettings, nodes: IntArray | None = None
) -> Tensor:
    """(nodes, hidden): every node with a wide neighbourhood and nothing left out."""
    chosen = np.arange(graph.num_entities) if nodes is None else nodes
    parts = []
    for first in range(0, len(chosen), ENCODE_BATCH):
        batch = chosen[first : first + ENCODE_BATCH]
        nothing = np.full((len(batch), 2), -1, np.int64)
        around = gather(graph, batch, nothing, 4 * settings.neighbors, settings.gnn_layers, seed=first)
        parts.append(tower.encode(around, text))
    return torch.cat(parts) if parts else torch.zeros(0, settings.hidden)
