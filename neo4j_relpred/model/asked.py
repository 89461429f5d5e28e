"""What queries by one relation share: worked out once, and kept by the members for the next queries by it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.model.parts import Parts
from neo4j_relpred.model.pools import Pool
from neo4j_relpred.model.rough import RoughTable

__all__ = ["Asked", "Question"]

FloatArray = npt.NDArray[np.float32]
FLOAT = 4  # bytes


@dataclass(frozen=True)
class Question:
    """anchors (q,), and what their candidates are multiplied with: (q, 2 rank), (q, hidden)."""

    anchors: Tensor
    structure: Tensor | None
    tower: Tensor | None


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
        reverse, rank = members.encoded.shape[1], members.settings.structure_rank
        own = 0 if self._shares else 2 * rank * (members.structure is not None) + members.encoded.shape[1]
        return FLOAT * len(self.pool.entities) * (reverse + own)

    @cached_property
    def tails(self) -> FloatArray:
        """(entities,): how many of the relation's edges have it for a tail."""
        tails: FloatArray = self._members.graph.context[:, self._back]
        return tails

    @cached_property
    def range_share(self) -> float:
        """Logarithm of how many edges the relation has."""
        return float(np.log1p(np.float32(self.tails.sum())))

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

    def question(self, anchors: Tensor) -> Question:
        """Queries from these anchors (q,)."""
        structure, tower = self._members.structure, self._members.tower
        relations = torch.full_like(anchors, self.relation)
        known = anchors.clamp(max=self._members.trained - 1)
        return Question(
            anchors,
            None if structure is None else structure.query(known, relations),
            None if tower is None else tower.query(self._members.encoded[anchors], relations),
        )

    def structure_scores(self, question: Question) -> Tensor | None:
        """(q, p): logits; a new anchor scores all alike, a new candidate gets the mean of the others."""
        trained = self._members.trained
        if question.structure is None:
            return None
        if self._shares:
            whole = self.pool.whole and len(self._entities) == trained
            rows = None if whole else self._entities.clamp(max=trained - 1)
            scores = self._members.rough_structure.scores(question.structure, rows)
        else:
            scores = question.structure @ self._structure_table.T
        scores[question.anchors >= trained] = 0.0
        if self._new is not None:
            scores[:, self._new] = scores[:, ~self._new].mean(1, keepdim=True) if not self._new.all() else 0.0
        return scores

    @cached_property
    def _new(self) -> Tensor | None:
        """(p,): which of the pool are new; None where none is."""
        new = self._entities >= self._members.trained
        return new if new.any() else None

    def tower_scores(self, question: Question) -> Tensor | None:
        """(q, p): logits."""
        tower = self._members.tower
        if tower is None or question.tower is None:
            return None
        query = question.tower / tower.log_temperature.exp()
        if not self._shares:
            return query @ self._tower_table.T
        return self._members.rough_unit.scores(query, None if self.pool.whole else self._entities)

    def sharpen_tower(self, question: Question, chosen: Tensor, scores: Tensor) -> None:
        """Puts the exact scores of the chosen positions (q, c) where bytes have left rough ones (q, p)."""
        members = self._members
        if self._shares and question.tower is not None and members.tower is not None:
            query, nodes = question.tower / members.tower.log_temperature.exp(), self._entities[chosen]
            scores.scatter_(1, chosen, _products(members.encoded[nodes], query) / members.lengths[nodes])

    def structure_pairs(self, question: Question, chosen: Tensor, scores: Tensor) -> dict[str, Tensor]:
        """Features of positions in the pool (q, c), (q, c) each; their exact scores go where there are rough ones."""
        structure, last = self._members.structure, self._members.trained - 1
        assert structure is not None
        anchors, candidates = question.anchors, self._entities[chosen]
        known = (anchors <= last)[:, None] & (candidates <= last)
        head = anchors.clamp(max=last)
        vectors = structure.entity[candidates.clamp(max=last)]  # (q, c, 2 rank)
        if self._shares and question.structure is not None:
            exact = _products(vectors, question.structure)
            scores.scatter_(1, chosen, torch.where(known, exact, scores.gather(1, chosen)))
        raw = _products(vectors, structure.asker(head, torch.full_like(head, self._back)))
        values = {
            "reverse": raw - self._structure_reverse.totals(chosen),
            "reverse_raw": raw,
            "relation": structure.log_share(head, vectors, self.relation),
        }
        return {name: torch.where(known, value, 0.0) for name, value in values.items()} | {"known": known.float()}

    def tower_pairs(self, question: Question, chosen: Tensor) -> dict[str, Tensor]:
        """Features of positions in the pool (q, c), (q, c) each."""
        tower = self._members.tower
        assert tower is not None
        total, vectors = self._tower_reverse.totals(chosen), self._tower_reverse.vectors(chosen)
        raw = _products(vectors, self._members.unit_of(question.anchors) / tower.log_temperature.exp())
        return {"reverse": raw - total, "reverse_raw": raw}

    @cached_property
    def _structure_reverse(self) -> _Reverse:
        structure, trained = self._members.structure, self._members.trained
        assert structure is not None
        asked, back = self._entities.clamp(max=trained - 1), torch.tensor(self._back)

        def ask(positions: Tensor) -> Tensor:
            return structure.query(asked[positions], back.expand(len(positions)))

        return _Reverse(len(asked), ask, self._normaliser(structure.entity[self._sample]))

    @cached_property
    def _tower_reverse(self) -> _Reverse:
        tower, encoded, entities = self._members.tower, self._members.encoded, self._entities
        assert tower is not None
        back = torch.tensor(self._back)

        def ask(positions: Tensor) -> Tensor:
            return tower.query(encoded[entities[positions]], back.expand(len(positions)))

        sample = self._members.unit_of(self._sample) / tower.log_temperature.exp()
        return _Reverse(len(entities), ask, self._normaliser(sample), encoded.shape[1])

    def look_ahead(self, most: int) -> bool:
        """Makes queries from the side of so many more candidates; False where all are made."""
        structure, tower = self._members.structure is not None, self._members.tower is not None
        return (structure and self._structure_reverse.fill(most)) or (tower and self._tower_reverse.fill(most))

    def _normaliser(self, sample: Tensor) -> Callable[[Tensor], Tensor]:
        """Scores of queries (q, k) with a sample (s, k), in bytes where the choice of candidates is."""
        if self._shares:
            return RoughTable(sample.detach()).scores
        return lambda queries: queries @ sample.T


def _products(vectors: Tensor, queries: Tensor) -> Tensor:
    """(q, c, k), (q, k) -> (q, c)."""
    return (vectors @ queries[..., None])[..., 0]


class _Reverse:
    """Queries from the candidates' side, each made once however often it is a candidate."""

    def __init__(
        self, size: int, ask: Callable[[Tensor], Tensor], score: Callable[[Tensor], Tensor], width: int = 0
    ) -> None:
        """size: of the pool; ask: no method of who keeps this (a ring); score: with a sample to normalise over.

        width: of the vectors, where these are kept, too.
        """
        self._ask, self._score = ask, score
        self._vectors, self._totals = torch.empty(size, width), torch.full((size,), torch.nan)
        self._filled = 0

    def totals(self, chosen: Tensor) -> Tensor:
        """Positions (q, c) -> the logarithms of their scores' sums (q, c)."""
        found = self._totals[chosen]
        lacking = found.isnan()
        if lacking.any():
            self._make(torch.unique(chosen[lacking]))
            found = self._totals[chosen]
        return found

    def fill(self, most: int) -> bool:
        """Makes those that nobody needed yet among the next so many; False at the end."""
        first, self._filled = self._filled, min(self._filled + most, len(self._totals))
        missing = first + self._totals[first : self._filled].isnan().nonzero()[:, 0]
        if len(missing):
            self._make(missing)
        return first < self._filled

    def _make(self, missing: Tensor) -> None:
        """missing: positions (n,)."""
        vectors = self._ask(missing)
        if self._vectors.shape[1]:
            self._vectors[missing] = vectors
        self._totals[missing] = torch.logsumexp(self._score(vectors), 1)

    def vectors(self, chosen: Tensor) -> Tensor:
        """Positions (q, c) of which the totals were asked -> query vectors (q, c, k)."""
        return self._vectors[chosen]
