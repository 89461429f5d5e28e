"""What queries by one relation share: worked out once, and kept by the members for the next queries by it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.model.parts import Parts
from neo4j_relpred.model.pools import Pool
from neo4j_relpred.model.structure import ComplEx
from neo4j_relpred.model.tower import Tower

__all__ = ["Asked"]

FloatArray = npt.NDArray[np.float32]
FLOAT = 4  # bytes


class Asked:
    """What queries by one relation share: the pool, its vectors, what is usual of the relation's answers."""

    def __init__(self, members: Parts, relation: int, pool: Pool) -> None:
        self.relation, self.pool = relation, pool
        self._keeper = weakref.ref(members)  # who keeps this: no ring, so that either goes when it is let go
        self._back = members.graph.inverse(relation)
        self._entities = torch.from_numpy(pool.entities)
        self._sample = members.sample

    @property
    def _members(self) -> Parts:
        members = self._keeper()
        assert members is not None
        return members

    def with_entities(self, more: IntArray) -> Asked:
        """The same over a pool that holds these (n,), too."""
        pool = self.pool.with_entities(more)
        return self if pool is self.pool else Asked(self._members, self.relation, pool)

    @cached_property
    def _shares(self) -> bool:
        """Whether the tables of the whole graph serve in place of own ones: they are there, and not much larger."""
        members = self._members
        return members.room > 0 and 2 * len(self.pool.entities) >= members.graph.num_entities

    @property
    def bytes(self) -> int:
        """About as much as this takes when it has been asked about everything."""
        members = self._members
        width = 2 * members.settings.structure_rank * (members.structure is not None) + members.encoded.shape[1]
        return FLOAT * len(self.pool.entities) * width * (1 if self._shares else 2)

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
        query = self._structure_query(structure, index)
        if self._shares:
            scores = self._members.rough_structure.scores(query)
            if not (self.pool.whole and len(self._entities) == trained):
                scores = scores.index_select(1, self._entities.clamp(max=trained - 1))
        else:
            scores = query @ self._structure_table.T
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
        query = self._tower_query(tower, anchors)
        if self._shares:
            scores = self._members.rough_unit.scores(query)
            if not self.pool.whole:
                scores = scores.index_select(1, self._entities)
        else:
            scores = query @ self._tower_table.T
        return scores / tower.log_temperature.exp()

    def sharpen(self, anchors: Tensor, chosen: Tensor, structure: Tensor | None, tower: Tensor | None) -> None:
        """Puts the exact scores of the chosen positions (q, c) where bytes have left rough ones (q, p)."""
        members = self._members
        if not self._shares:
            return
        nodes = self._entities[chosen]
        if structure is not None and members.structure is not None:
            last = members.trained - 1
            query = self._structure_query(members.structure, anchors.clamp(max=last))
            exact = torch.einsum("qck,qk->qc", members.structure.entity[nodes.clamp(max=last)], query)
            known = (anchors <= last)[:, None] & (nodes <= last)
            structure.scatter_(1, chosen, torch.where(known, exact, structure.gather(1, chosen)))
        if tower is not None and members.tower is not None:
            query = self._tower_query(members.tower, anchors)
            exact = torch.einsum("qck,qk->qc", members.unit_of(nodes.reshape(-1)).view(*nodes.shape, -1), query)
            tower.scatter_(1, chosen, exact / members.tower.log_temperature.exp())

    def _structure_query(self, structure: ComplEx, anchors: Tensor) -> Tensor:
        return structure.query(anchors, torch.full_like(anchors, self.relation))

    def _tower_query(self, tower: Tower, anchors: Tensor) -> Tensor:
        return tower.query(self._members.encoded[anchors], torch.full_like(anchors, self.relation))

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
