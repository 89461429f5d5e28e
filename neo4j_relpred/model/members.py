"""The members together: each scores all candidates of a query, the best go on with features of each pair.

Queries come one relation at a time (inverse relations ask for heads), so per-relation work is done once.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neo4j_relpred.config import ModelSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.model.features import Columns
from neo4j_relpred.model.pools import WHOLE, Pool, answer_pool
from neo4j_relpred.model.rules import Rules, any_rule
from neo4j_relpred.model.structure import ComplEx
from neo4j_relpred.model.tower import Tower
from neo4j_relpred.model.walks import any_walk, walk_shares
from neo4j_relpred.model.words import WORD_FEATURES, Words

__all__ = ["Members", "Proposal", "Weights", "standing"]

FloatArray = npt.NDArray[np.float32]
ALWAYS_IN = 7  # best candidates of each member that always go on
REVERSE_SAMPLE = 2_000  # entities over which a reverse score is normalised
FEWER = 512  # of them in a large graph, which has more candidates to normalise


@dataclass(frozen=True)
class Proposal:
    """Candidates of queries by one relation.

    candidates (q, c); features (q, c, f); base (q, p): the weighed sum of standings, which orders the rest of
    the pool; excluded candidates have -inf there, and where fewer than c are left, some of them are listed and marked
    False in `real`. known: (q,) how many were excluded.
    """

    candidates: IntArray
    features: FloatArray
    base: FloatArray
    real: npt.NDArray[np.bool_]
    pool: Pool
    known: IntArray


@dataclass(frozen=True)
class Weights:
    """Of structure, tower, rules and walks in the sum that orders candidates: for trained anchors, and for new ones.

    A member may know its own nodes by heart and say little of others.
    """

    known: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    new: tuple[float, ...] = (0.0, 1.0, 1.0, 1.0)


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
    words: Words | None = None
    weights: Weights = Weights()

    def as_new(self) -> Members:
        """The same as if no entity had been trained; what the tower made of each stays."""
        return replace(self, structure=None, trained=0)._sharing(self, "unit_context", "text_lengths")

    def apart(self) -> Members:
        """The same for another thread: each keeps what it worked out for the queries that it asked last."""
        return replace(self)._sharing(self, "unit_context", "text_lengths", "sample")

    def _sharing(self, other: Members, *names: str) -> Members:
        """Takes over what was worked out for the whole graph."""
        for name in names:
            self.__dict__[name] = getattr(other, name)
        return self

    @cached_property
    def unit(self) -> Tensor:
        """(entities, hidden): encoded nodes as unit vectors."""
        return torch.nn.functional.normalize(self.encoded, dim=-1)

    @cached_property
    def sample(self) -> Tensor:
        """Entities over which reverse scores are normalised."""
        rng = np.random.default_rng(0)
        count = self.trained or self.graph.num_entities
        size = min(count, REVERSE_SAMPLE if count <= WHOLE else FEWER)
        return torch.from_numpy(np.sort(rng.choice(count, size, replace=False)))

    def unit_of(self, nodes: Tensor) -> Tensor:
        """(n, hidden): some rows of `unit`, which is not made for them: a large graph does better without."""
        rows = self.encoded.index_select(0, nodes)
        return torch.nn.functional.normalize(rows, dim=-1)

    @cached_property
    def text_lengths(self) -> Tensor:
        """(entities,): of the vectors of texts, never 0."""
        lengths: Tensor = self.text.norm(dim=-1)
        return lengths.clamp_min(1e-12)

    def unit_text(self, nodes: Tensor) -> Tensor:
        """(…) nodes -> (…, text width): their texts as unit vectors."""
        unit: Tensor = torch.nn.functional.normalize(self.text[nodes], dim=-1)
        return unit

    @cached_property
    def unit_context(self) -> FloatArray:
        """(entities, 2R): log counts of edges as unit vectors."""
        logs = np.log1p(self.graph.context)
        unit: FloatArray = logs / (np.linalg.norm(logs, axis=1, keepdims=True) + 1e-6)
        return unit

    @cached_property
    def _last_asked(self) -> dict[int, Asked]:
        return {}

    def asked(self, relation: int) -> Asked:
        """What queries by one relation share."""
        kept = self._last_asked.get(relation)
        if kept is None:
            kept = Asked(self, relation, answer_pool(self.graph, relation))
            self._last_asked.clear()  # queries come relation by relation
            self._last_asked[relation] = kept
        return kept

    @torch.no_grad()
    def propose(
        self,
        relation: int,
        anchors: IntArray,
        excluded: tuple[IntArray, IntArray],
        wanted: IntArray | None = None,
    ) -> Proposal:
        """anchors (q,) of queries by `relation`; excluded: rows and entities that are no candidates.

        wanted: (q, k) entities that are candidates of a query in any case.
        """
        asked = self.asked(relation) if wanted is None else self.asked(relation).with_entities(wanted.ravel())
        place, index = asked.pool.place, torch.from_numpy(anchors)
        structure, tower = asked.structure_scores(index), asked.tower_scores(index)
        rules = self.rule_features(asked, anchors)
        rule_logs = np.log(any_rule(rules) + 1e-3)
        walks = self.walk_shares(asked, anchors)
        walk_logs = None if walks is None else any_walk(walks)
        known = anchors < self.trained
        weights = np.where(known[:, None], self.weights.known, self.weights.new).astype(np.float32)  # (q, members)
        parts = zip(weights.T, (structure, tower, rule_logs, walk_logs), strict=True)
        weighed = [(weight, np.asarray(scores)) for weight, scores in parts if scores is not None]
        members = [scores for _, scores in weighed]
        base = np.zeros((len(anchors), len(asked.pool.entities)), np.float32)
        for weight, scores in weighed:
            base += weight[:, None] * standing(scores)
        inside = place[excluded[1]] >= 0
        base[excluded[0][inside], place[excluded[1][inside]]] = -np.inf
        positions = self._choose(base, members, None if wanted is None else place[wanted])
        real = np.isfinite(np.take_along_axis(base, positions, 1))
        columns = Columns((len(anchors), positions.shape[1]))
        chosen = torch.from_numpy(positions)
        if structure is not None:
            columns.set_member("structure", structure, chosen)
            for name, value in asked.structure_pairs(index, chosen).items():
                columns.set(f"structure_{name}", value)
            pairs = columns.values["structure_known"] > 0
            there = {"log_probability": pairs, "gap": pairs, "best": known[:, None]}
            for name, mask in there.items():  # a new node has no vector: that says nothing rather than little
                columns.set(f"structure_{name}", np.where(mask, columns.values[f"structure_{name}"], 0))
        if tower is not None:
            columns.set_member("tower", tower, chosen)
            for name, value in asked.tower_pairs(index, chosen).items():
                columns.set(f"tower_{name}", value)
        columns.set_rules(rules, rule_logs, positions)
        if walks is not None and walk_logs is not None:
            columns.set_walks(walks, walk_logs, positions)
        candidates = asked.pool.entities[positions]
        self._prior_features(columns, asked, anchors, candidates)
        if self.words is not None:
            overlap = self.words.features(anchors, candidates)
            for number, name in enumerate(WORD_FEATURES):
                columns.set(name, overlap[..., number])
        counts = np.bincount(excluded[0], minlength=len(anchors)).astype(np.int64)
        return Proposal(candidates, columns.stacked(), base, real, asked.pool, counts)

    def rule_features(self, asked: Asked, anchors: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Three of (q, p, 3), as Rules.features has them; nothing where the settings leave rules out."""
        if not self.settings.rule_length:
            return (np.zeros((len(anchors), len(asked.pool.entities), 3), np.float32),) * 3
        return self.rules.features(self.graph, anchors, asked.relation, asked.pool)

    def walk_shares(self, asked: Asked, anchors: IntArray) -> FloatArray | None:
        """(q, p, walks), as walks.walk_shares has them; None where the settings leave walks out."""
        if not self.settings.walks:
            return None
        return walk_shares(self.graph, anchors, asked.relation, asked.pool)

    def _choose(self, base: FloatArray, members: list[FloatArray], wanted: IntArray | None) -> IntArray:
        """(q, c) positions: the best of the sum, with the best of every member always in, sorted."""
        size = min(self.settings.candidates, base.shape[1])
        lifted = base.copy()
        always = min(ALWAYS_IN, size // (len(members) + 1))
        for scores in members:
            open_scores = np.where(np.isfinite(base), scores, -np.inf)
            best = np.argpartition(-open_scores, always - 1, axis=1)[:, :always]
            np.put_along_axis(lifted, best, np.take_along_axis(base, best, 1) + 1e4, 1)
        if wanted is not None:
            np.put_along_axis(lifted, wanted, 1e6, 1)
        chosen = np.argpartition(-lifted, size - 1, axis=1)[:, :size] if size < base.shape[1] else None
        if chosen is None:
            chosen = np.broadcast_to(np.arange(size), base.shape)
        return np.sort(chosen, axis=1).astype(np.int64)

    def _prior_features(self, columns: Columns, asked: Asked, anchors: IntArray, candidates: IntArray) -> None:
        context, degrees = self.graph.context, self.graph.degrees
        columns.set("popularity", np.log1p(context[candidates, self.graph.inverse(asked.relation)]))
        columns.set("degree", np.log1p(degrees[candidates]))
        columns.set("answers", np.log1p(context[anchors, asked.relation]))
        columns.set("anchor_degree", np.log1p(degrees[anchors]))
        columns.set("context_range", asked.context_range[candidates])
        columns.set("range_share", np.log1p(np.float32(asked.tails.sum()))[None].repeat(len(anchors)))
        if self.text.shape[1]:
            theirs, own = (self.unit_text(torch.from_numpy(side)) for side in (candidates, anchors))
            columns.set("text_cosine", torch.einsum("qck,qk->qc", theirs, own))
            columns.set("text_range", theirs @ asked.text_mean)


def standing(scores: FloatArray) -> FloatArray:
    """(q, p): how many standard deviations a candidate is above the mean of its query."""
    centred: FloatArray = scores - scores.mean(1, keepdims=True)
    centred /= centred.std(1, keepdims=True) + 1e-6
    return centred


class Asked:
    """What queries by one relation share: the pool, its vectors, what is usual of the relation's answers."""

    def __init__(self, members: Members, relation: int, pool: Pool) -> None:
        self.relation, self.pool = relation, pool
        self._keeper = weakref.ref(members)  # who keeps this: no ring, so that either goes when it is let go
        self._back = members.graph.inverse(relation)
        self._entities = torch.from_numpy(pool.entities)
        self._sample = members.sample

    @property
    def _members(self) -> Members:
        members = self._keeper()
        assert members is not None
        return members

    def with_entities(self, more: IntArray) -> Asked:
        """The same over a pool that holds these (n,), too."""
        pool = self.pool.with_entities(more)
        return self if pool is self.pool else Asked(self._members, self.relation, pool)

    @cached_property
    def tails(self) -> FloatArray:
        """(entities,): how many of the relation's edges have it for a tail."""
        tails: FloatArray = self._members.graph.context[:, self._back]
        return tails

    @cached_property
    def context_range(self) -> FloatArray:
        """(entities,): likeness of a node's edges to those of the answers, what the relation itself says left out."""
        unit = self._members.unit_context
        mean = self.tails @ unit / max(1.0, self.tails.sum())
        mean[self._back] = 0  # that is popularity
        used = np.flatnonzero(mean)  # of thousands of types a few, mostly
        likeness: FloatArray = unit[:, used] @ mean[used] if 8 * len(used) < len(mean) else unit @ mean
        return likeness

    @cached_property
    def text_mean(self) -> Tensor:
        """(text width,): the mean of the answers' texts as unit vectors; zero where there are no answers."""
        weights = torch.from_numpy(self.tails / max(1.0, self.tails.sum())) / self._members.text_lengths
        mean: Tensor = weights @ self._members.text
        return mean

    @cached_property
    def _structure_table(self) -> Tensor:
        structure, trained = self._members.structure, self._members.trained
        assert structure is not None
        whole = self.pool.whole and len(self._entities) == trained
        return structure.entity if whole else structure.entity.index_select(0, self._entities.clamp(max=trained - 1))

    @cached_property
    def _tower_table(self) -> Tensor:
        return self._members.unit if self.pool.whole else self._members.unit_of(self._entities)

    def structure_scores(self, anchors: Tensor) -> Tensor | None:
        """(q, p): logits; a new anchor scores all alike, a new candidate gets the mean of the others."""
        structure, trained = self._members.structure, self._members.trained
        if structure is None:
            return None
        index = anchors.clamp(max=trained - 1)
        scores = structure.query(index, torch.full_like(index, self.relation)) @ self._structure_table.T
        scores[anchors >= trained] = 0.0
        new = self._entities >= trained
        if new.any():
            scores[:, new] = scores[:, ~new].mean(1, keepdim=True) if not new.all() else 0.0
        return scores

    def tower_scores(self, anchors: Tensor) -> Tensor | None:
        """(q, p): logits."""
        tower = self._members.tower
        if tower is None:
            return None
        query = tower.query(self._members.encoded[anchors], torch.full_like(anchors, self.relation))
        return query @ self._tower_table.T / tower.log_temperature.exp()

    def structure_pairs(self, anchors: Tensor, chosen: Tensor) -> dict[str, Tensor]:
        """Features of anchors (q,) and positions in the pool (q, c), (q, c) each."""
        structure, trained = self._members.structure, self._members.trained
        assert structure is not None
        candidates = self._entities[chosen]
        known = (anchors < trained)[:, None] & (candidates < trained)
        head, tail = anchors.clamp(max=trained - 1), candidates.clamp(max=trained - 1)
        vectors, total = self._structure_reverse(chosen)
        raw = torch.einsum("qck,qk->qc", vectors, structure.entity[head])
        own = structure.log_share(head.repeat_interleave(tail.shape[1]), tail.reshape(-1), self.relation)
        values = {"reverse": raw - total, "reverse_raw": raw, "relation": own.reshape(tail.shape)}
        return {name: torch.where(known, value, 0.0) for name, value in values.items()} | {"known": known.float()}

    def tower_pairs(self, anchors: Tensor, chosen: Tensor) -> dict[str, Tensor]:
        """Features of anchors (q,) and positions in the pool (q, c), (q, c) each."""
        tower = self._members.tower
        assert tower is not None
        vectors, total = self._tower_reverse(chosen)
        raw = torch.einsum("qck,qk->qc", vectors, self._members.unit_of(anchors)) / tower.log_temperature.exp()
        return {"reverse": raw - total, "reverse_raw": raw}

    @cached_property
    def _structure_reverse(self) -> _Reverse:
        structure, trained = self._members.structure, self._members.trained
        assert structure is not None
        asked, back = self._entities.clamp(max=trained - 1), torch.tensor(self._back)

        def ask(positions: Tensor) -> Tensor:
            return structure.query(asked[positions], back.expand(len(positions)))

        return _Reverse(len(asked), ask, structure.entity[self._sample])

    @cached_property
    def _tower_reverse(self) -> _Reverse:
        tower, encoded, entities = self._members.tower, self._members.encoded, self._entities
        assert tower is not None
        back = torch.tensor(self._back)

        def ask(positions: Tensor) -> Tensor:
            return tower.query(encoded[entities[positions]], back.expand(len(positions)))

        return _Reverse(len(entities), ask, self._members.unit_of(self._sample) / tower.log_temperature.exp())


class _Reverse:
    """Queries from the candidates' side, each made once however often it is a candidate."""

    def __init__(self, size: int, ask: Callable[[Tensor], Tensor], sample: Tensor) -> None:
        """size: of the pool; ask: no method of who keeps this (a ring); sample: (s, k) to normalise scores over."""
        self._ask, self._sample = ask, sample
        self._vectors, self._totals = torch.empty(size, sample.shape[1]), torch.empty(size)
        self._there = torch.zeros(size, dtype=torch.bool)

    def __call__(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Positions (q, c) -> query vectors (q, c, k) and the logarithms of their scores' sums (q, c)."""
        missing = torch.unique(chosen[~self._there[chosen]])
        if len(missing):
            vectors = self._ask(missing)
            self._vectors[missing] = vectors
            self._totals[missing] = torch.logsumexp(vectors @ self._sample.T, 1)
            self._there[missing] = True
        return self._vectors[chosen], self._totals[chosen]
