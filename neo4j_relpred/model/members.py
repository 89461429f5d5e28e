"""The members together: each scores all candidates of a query, the best go on with features of each pair.

Queries come one relation at a time (inverse relations ask for heads), so per-relation work is done once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.model.asked import Asked
from neo4j_relpred.model.choosing import Said, choose
from neo4j_relpred.model.features import Columns
from neo4j_relpred.model.parts import LEAST, Parts, Weights
from neo4j_relpred.model.pools import Pool, answer_pool
from neo4j_relpred.model.rough import with_rows
from neo4j_relpred.model.walks import walk_shares, walked
from neo4j_relpred.model.words import WORD_FEATURES

__all__ = ["Members", "Proposal", "Weights", "standing"]

FloatArray = npt.NDArray[np.float32]
A_LITTLE = 200  # candidates: a question that comes meanwhile waits a millisecond
ALWAYS_IN = 7  # best candidates of each member that always go on


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
class Members(Parts):
    """The parts that propose."""

    def as_new(self) -> Members:
        """The same as if no entity had been trained; what the tower made of each stays."""
        return replace(self, structure=None, trained=0)._sharing(self, "unit_context", "text_lengths")

    def apart(self) -> Members:
        """The same for another thread: each keeps what it worked out for the queries that it asked last."""
        there = (name for name in ("rough_structure", "rough_unit", "lengths") if name in self.__dict__)
        return replace(self)._sharing(self, "unit_context", "text_lengths", "sample", *there)

    def other(self, number: int) -> Members:
        """The same for thread `number`, kept with what it works out."""
        if number not in self._others:
            self._others[number] = self.apart()
        return self._others[number]

    @cached_property
    def _others(self) -> dict[int, Members]:
        return {}

    def heir_of(self, other: Members, anew: IntArray) -> Members:
        """Takes over what `other` has worked out for a graph that differs in little; `anew` are the nodes encoded anew.

        Those may stand behind the others. Vectors of the structure member and texts of the other nodes are the same.
        """
        there, rows = other.__dict__, torch.from_numpy(anew)
        for name in ("rough_structure", "sample") if self.trained else ():
            if name in there:
                self.__dict__[name] = there[name]
        if "rough_unit" in there:
            self.__dict__["rough_unit"] = there["rough_unit"].with_rows(rows, self.unit_of(rows))
        for name, table in (("lengths", self.encoded), ("text_lengths", self.text)):
            if name in there:
                self.__dict__[name] = with_rows(there[name], rows, table[rows].norm(dim=-1).clamp_min(LEAST))
        return self

    def _sharing(self, other: Members, *names: str) -> Members:
        """Takes over what was worked out for the whole graph."""
        for name in names:
            self.__dict__[name] = getattr(other, name)
        return self

    @cached_property
    def _last_asked(self) -> dict[int, Asked]:
        return {}

    def asked(self, relation: int) -> Asked:
        """What queries by one relation share. Kept for the relation that was asked last, and for as many as fit."""
        last = self._last_asked
        asked = last.pop(relation, None) or Asked(self, relation, answer_pool(self.graph, relation))
        last[relation] = asked  # the latest at the end
        while len(last) > 1 and sum(one.bytes for one in last.values()) > self.room:
            del last[next(iter(last))]
        return asked

    @torch.inference_mode()
    def look_ahead(self) -> bool:
        """Works out a little of what coming questions share, by relations that were asked; False when all is there."""
        return any(asked.look_ahead(A_LITTLE) for asked in self._last_asked.values())

    @torch.inference_mode()
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
        place, question = asked.pool.place, asked.question(torch.from_numpy(anchors))
        structure, tower = asked.structure_scores(question), asked.tower_scores(question)
        ruled = self.rules.told(self.graph, anchors, relation, asked.pool) if self.settings.rule_length else None
        walks = walked(self.graph, anchors, relation, asked.pool) if self.settings.walks else None
        scores = [None if part is None else part.numpy() for part in (structure, tower)]
        said = Said(scores[0], scores[1], ruled, walks)
        known = anchors < self.trained
        weights = np.where(known[:, None], self.weights.known, self.weights.new).astype(np.float32)  # (q, members)
        shape = len(anchors), len(asked.pool.entities)
        inside = place[excluded[1]] >= 0
        barred = excluded[0][inside], place[excluded[1][inside]]
        forced = np.zeros((len(anchors), 0), np.int64) if wanted is None else place[wanted]
        choice = choose(said, shape, weights, barred, forced, self._sizes(said, shape[1]))
        positions = choice.positions
        real = np.isfinite(np.take_along_axis(choice.base, positions, 1))
        columns = Columns(positions.shape)
        chosen = torch.from_numpy(positions)
        if structure is not None:
            for name, value in asked.structure_pairs(question, chosen, structure).items():
                columns.set(f"structure_{name}", value)
            columns.set_member("structure", structure, chosen)
            pairs = columns.get("structure_known") > 0
            for name in ("log_probability", "gap"):  # a new node has no vector: that says nothing rather than little
                columns.get(f"structure_{name}")[~pairs] = 0
            columns.get("structure_best")[~known] = 0
        if tower is not None:
            asked.sharpen_tower(question, chosen, tower)
            columns.set_member("tower", tower, chosen)
            columns.set("tower_spread", choice.tower_spread)
            for name, value in asked.tower_pairs(question, chosen).items():
                columns.set(f"tower_{name}", value)
        columns.set_rules(choice)
        if walks is not None:
            columns.set_walks(choice)
        candidates = asked.pool.entities[positions]
        self._prior_features(columns, asked, anchors, candidates)
        if self.words is not None:
            overlap = self.words.features(anchors, candidates)
            for number, name in enumerate(WORD_FEATURES):
                columns.set(name, overlap[..., number])
        counts = np.bincount(excluded[0], minlength=len(anchors)).astype(np.int64)
        return Proposal(candidates, columns.values, choice.base, real, asked.pool, counts)

    def _sizes(self, said: Said, pool: int) -> tuple[int, int]:
        """How many candidates go on, and how many of the best of every member always do."""
        size = min(self.settings.candidates, pool)
        members = 1 + sum(part is not None for part in (said.structure, said.tower, said.walks))
        return size, min(ALWAYS_IN, size // (members + 1))

    def rule_features(self, asked: Asked, anchors: IntArray) -> tuple[FloatArray, ...]:
        """Three of (q, p, 3), as Rules.features has them; nothing where the settings leave rules out."""
        if not self.settings.rule_length:
            return (np.zeros((len(anchors), len(asked.pool.entities), 3), np.float32),) * 3
        return self.rules.features(self.graph, anchors, asked.relation, asked.pool)

    def walk_shares(self, asked: Asked, anchors: IntArray) -> FloatArray | None:
        """(q, p, walks), as walks.walk_shares has them; None where the settings leave walks out."""
        if not self.settings.walks:
            return None
        return walk_shares(self.graph, anchors, asked.relation, asked.pool)

    def _prior_features(self, columns: Columns, asked: Asked, anchors: IntArray, candidates: IntArray) -> None:
        context, degrees = self.graph.context, self.graph.degrees
        columns.set("popularity", np.log1p(context[candidates, self.graph.inverse(asked.relation)]))
        columns.set("degree", np.log1p(degrees[candidates]))
        columns.set("answers", np.log1p(context[anchors, asked.relation]))
        columns.set("anchor_degree", np.log1p(degrees[anchors]))
        columns.set("context_range", asked.context_range[candidates])
        columns.set("range_share", np.full(len(anchors), asked.range_share, np.float32))
        if self.text.shape[1]:
            theirs, own = (torch.from_numpy(side) for side in (candidates, anchors))
            views = torch.stack([self.unit_text(own), asked.text_mean.expand(len(own), -1)], dim=2)  # (q, width, 2)
            likeness = (self.text[theirs] @ views) / self.text_lengths[theirs][..., None]
            columns.set("text_cosine", likeness[..., 0])
            columns.set("text_range", likeness[..., 1])


def standing(scores: FloatArray) -> FloatArray:
    """(q, p): how many standard deviations a candidate is above the mean of its query."""
    centred: FloatArray = scores - scores.mean(1, keepdims=True)
    centred /= centred.std(1, keepdims=True) + 1e-6
    return centred
