"""A trained model: the members over a graph, the two reasoners, and how their logits become probabilities.

Everything here is pure: asking changes nothing, and an answer does not depend on what else is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, closed
from neo4j_relpred.errors import NotFinite
from neo4j_relpred.model.calibration import Calibration
from neo4j_relpred.model.chunks import queries_at_once
from neo4j_relpred.model.encoding import encode_all
from neo4j_relpred.model.members import Members, Proposal
from neo4j_relpred.model.pools import Pool
from neo4j_relpred.model.reasoner import Reasoners
from neo4j_relpred.model.relation_head import RelationHead
from neo4j_relpred.model.relations import relation_features
from neo4j_relpred.model.unasked import Unasked
from neo4j_relpred.model.words import Words

__all__ = ["EntityAnswers", "RelationAnswers", "TrainedModel", "centred"]

FloatArray = npt.NDArray[np.float64]
TEXT_SCALE = 4.0  # length of a text vector, so that its parts are about as large as other inputs
OUTSIDE = 1e4  # how far the rest stands below the candidates


@dataclass(frozen=True)
class EntityAnswers:
    """Candidates of entity queries: candidates, logits, probabilities, real (q, c); base (q, p) over the pool."""

    candidates: IntArray
    logits: FloatArray
    probabilities: FloatArray
    real: npt.NDArray[np.bool_]
    base: npt.NDArray[np.float32]
    pool: Pool

    def full_scores(self) -> FloatArray:
        """(q, entities): the reasoner's order of its candidates, below it the members' order of the rest of the pool.

        Entities outside the pool tie below all others.
        """
        scores = np.full((len(self.base), len(self.pool.place)), -3 * OUTSIDE)
        scores[:, self.pool.entities] = self.base - OUTSIDE
        np.put_along_axis(scores, self.candidates, np.where(self.real, self.logits, -np.inf), 1)
        return scores


@dataclass(frozen=True)
class RelationAnswers:
    """Relations of pairs: logits, probabilities (q, R), and the features (q, R, f) that they come from."""

    logits: FloatArray
    probabilities: FloatArray
    features: npt.NDArray[np.float32]


@dataclass(frozen=True)
class TrainedModel:
    """What a checkpoint holds, ready to answer.

    base_rate: the measured share of questions with a missing answer. missing (2R, 2), of each relation and direction:
    questions whose only answer is missing, for each node with an answer; and the share of the questions with an answer
    that have a missing one as well. unasked: what a trial showed of edges that nobody asked for. centre (text width,):
    see `centred`.
    """

    members: Members
    head: RelationHead
    entity_reasoner: Reasoners
    relation_reasoner: Reasoners
    entity_calibration: Calibration
    relation_calibration: Calibration
    base_rate: float
    missing: FloatArray
    unasked: Unasked
    centre: Tensor

    @property
    def graph(self) -> KnowledgeGraph:
        """The graph that messages, rules and counts come from."""
        return self.members.graph

    def over(self, graph: KnowledgeGraph, vectors: Tensor | None = None, words: Words | None = None) -> TrainedModel:
        """The same weights over another graph of the same relations, maybe with more entities at the end.

        vectors: (entities, text width) from the encoder, words: one row per entity; where texts changed or entities
        were added.
        """
        members = self.members
        text = members.text if vectors is None else centred(vectors, self.centre)
        encoded = members.encoded
        if members.tower is not None:
            encoded = encode_all(members.tower, graph, text, members.settings)
        words = members.words if words is None else words
        return replace(self, members=replace(members, graph=graph, text=text, encoded=encoded, words=words))

    def moved(self, graph: KnowledgeGraph, vectors: Tensor, words: Words | None) -> TrainedModel:
        """The same weights over a graph of other entities and the same relations: all of them are new."""
        members = self.members
        text = centred(vectors, self.centre)
        tower = members.tower.without_entities() if members.tower else None
        encoded = encode_all(tower, graph, text, members.settings) if tower else members.encoded
        moved = replace(
            members, graph=graph, text=text, structure=None, tower=tower, encoded=encoded, trained=0, words=words
        )
        return replace(self, members=moved)

    def with_node(self, vector: Tensor, edges: IntArray, name: str = "", text: str = "") -> TrainedModel:
        """One more entity, at the end: vector (text width,) of its text, edges (n, 3) that touch it.

        Others stay as encoded.
        """
        members = self.members
        graph = members.graph.with_triples(edges, members.graph.num_entities + 1)
        vectors = torch.cat([members.text, centred(vector[None], self.centre)])
        words = members.words.with_node(name, text) if members.words is not None else None
        encoded, new = members.encoded, np.array([graph.num_entities - 1])
        if members.tower is not None:
            encoded = torch.cat([encoded, encode_all(members.tower, graph, vectors, members.settings, new)])
        grown = replace(members, graph=graph, text=vectors, encoded=encoded, words=words)
        return replace(self, members=grown.heir_of(members, new))

    def without(self, triples: IntArray) -> TrainedModel:
        """The model as if these triples (n, 3) were not in the graph; their ends are encoded anew."""
        members = self.members
        gone = replace(members.graph, triples=closed(triples, members.graph.symmetric))
        kept = members.graph.triples[~gone.holds(members.graph.triples)]
        graph, encoded, ends = replace(members.graph, triples=kept), members.encoded, np.unique(triples[:, [0, 2]])
        if members.tower is not None:
            encoded = encoded.clone()
            encoded[torch.from_numpy(ends)] = encode_all(members.tower, graph, members.text, members.settings, ends)
        return replace(self, members=replace(members, graph=graph, encoded=encoded).heir_of(members, ends))

    def answer_entities(
        self,
        relation: int,
        anchors: IntArray,
        base_rate: float | FloatArray = 1.0,
        wanted: IntArray | None = None,
        settled: KnowledgeGraph | None = None,
    ) -> EntityAnswers:
        """Queries (anchor, relation, ?) by one relation, inverses for heads; known answers are left out.

        base_rate: share of such questions that have a missing answer, for all of them or (q, 1). wanted: (q, k)
        entities that are candidates of a query in any case, fewer than there are candidates. settled: the graph whose
        answers are known, where they are more than the model's own.
        """
        known = (settled or self.graph).answers(anchors, np.full(len(anchors), relation))
        proposal = self.members.propose(relation, anchors, known, wanted)
        return self.reason(relation, proposal, base_rate)

    @torch.inference_mode()
    def reason(self, relation: int, proposal: Proposal, base_rate: float | FloatArray = 1.0) -> EntityAnswers:
        """The reasoner's logits and the probabilities of a proposal. base_rate: see `answer_entities`."""
        size = len(proposal.candidates)
        asked = torch.full((size, 1), relation)
        real = torch.from_numpy(proposal.real)
        logits = _numbers(self.entity_reasoner(torch.from_numpy(proposal.features), asked, real))
        groups = np.full(logits.shape, relation, np.int64)
        probabilities = self.entity_calibration.probabilities(logits, proposal.real, groups, proposal.known, base_rate)
        return EntityAnswers(proposal.candidates, logits, probabilities, proposal.real, proposal.base, proposal.pool)

    @torch.inference_mode()
    def answer_relations(
        self, heads: IntArray, tails: IntArray, excluded: tuple[IntArray, IntArray] | None = None
    ) -> RelationAnswers:
        """Queries (h, ?, t). excluded: rows and relations that are known to hold; they get probability 0."""
        size = queries_at_once(self.graph.num_relations)
        if len(heads) > size:
            return self._answer_in_blocks(heads, tails, excluded, size)
        features = relation_features(self.members, self.head, heads, tails)
        real = np.ones(features.shape[:2], bool)
        if excluded is not None:
            real[excluded] = False
        asked = torch.arange(features.shape[1]).expand(len(heads), -1)  # (q, R): the candidates are relations
        logits = _numbers(self.relation_reasoner(torch.from_numpy(features), asked, torch.from_numpy(real)))
        groups = np.broadcast_to(np.arange(logits.shape[1]), logits.shape)
        known = np.bincount(self.known_relations(heads, tails)[0], minlength=len(heads))
        probabilities = self.relation_calibration.probabilities(logits, real, groups, known)
        return RelationAnswers(logits, probabilities, features)

    def _answer_in_blocks(
        self, heads: IntArray, tails: IntArray, excluded: tuple[IntArray, IntArray] | None, size: int
    ) -> RelationAnswers:
        """`answer_relations`, so many at a time."""
        answers = []
        for first in range(0, len(heads), size):
            mine = None
            if excluded is not None:
                inside = (excluded[0] >= first) & (excluded[0] < first + size)
                mine = excluded[0][inside] - first, excluded[1][inside]
            block = slice(first, first + size)
            answers.append(self.answer_relations(heads[block], tails[block], mine))
        parts = zip(*((a.logits, a.probabilities, a.features) for a in answers), strict=True)
        return RelationAnswers(*map(np.concatenate, parts))

    def known_relations(self, heads: IntArray, tails: IntArray) -> tuple[IntArray, IntArray]:
        """Rows and relations (without inverses) that already lead from heads to tails."""
        rows, relations = self.graph.linking_relations(heads, tails)
        forward = relations < self.graph.num_relations
        return rows[forward], relations[forward]


def _numbers(logits: Tensor) -> FloatArray:
    """As an array. Raises NotFinite: no answer is better than a probability that is no number."""
    broken = int((~torch.isfinite(logits)).sum())
    if broken:
        raise NotFinite(
            f"{broken} of {logits.numel()} logits of the reasoner are NaN or infinite.",
            hint="The vector of a text holds such numbers, or the model does: train again, or promote another version.",
        )
    found: FloatArray = logits.double().numpy()
    return found


def centred(vectors: Tensor, centre: Tensor) -> Tensor:
    """Encoder vectors (n, text width) without what all texts share; the zero vector of an empty text stays zero."""
    moved = vectors - centre  # a copy, and then in place: vectors of a large graph fill the memory as it is
    moved /= moved.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    return moved.mul_(TEXT_SCALE).mul_(vectors.any(-1, keepdim=True))
