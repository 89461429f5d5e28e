"""The cheap rivals of every report: frequency and popularity, and context, text, structure, rules and walks alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from neo4j_relpred.config import TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.evaluation.trial import Baseline
from neo4j_relpred.model.members import Members
from neo4j_relpred.model.relation_head import RelationHead, pair_inputs
from neo4j_relpred.model.rules import any_rule
from neo4j_relpred.model.walks import any_walk, walk_shares
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.relation_head import fit_relation_head

__all__ = ["cheap_baselines"]

FloatArray = npt.NDArray[np.floating]


def cheap_baselines(
    members: Members, settings: TrainingSettings, minutes: float, asked: Members | None = None
) -> tuple[Baseline, ...]:
    """The baselines of design 7; `minutes` are shared by those that train.

    They learn over the graph of `members`, and answer over that of `asked` where it is another one.
    """
    asked = asked or members
    torch.manual_seed(settings.seed)  # they are the same whatever was drawn for the model
    text = members.text.shape[1] > 0
    rivals: list[Baseline] = [Frequency(asked.graph), Popularity(asked.graph)]
    part = minutes / 2 if text else minutes
    rivals.append(ContextOnly(members, asked, settings, part))
    if text:
        rivals.append(TextOnly(members, asked, settings, part))
    if asked.tower is not None:
        rivals.append(TowerOnly(asked))
    if asked.structure is not None:
        rivals.append(StructureOnly(asked))
    if len(asked.rules):
        rivals.append(RulesOnly(asked))
    rivals.append(WalksOnly(asked))
    return tuple(rivals)


class Frequency:
    """The commonest relation, the best connected entity."""

    name = "frequency"

    def __init__(self, graph: KnowledgeGraph) -> None:
        self._relations = np.bincount(graph.triples[:, 1], minlength=graph.num_relations)
        self._degrees = graph.degrees

    def entity_scores(self, relation: int, anchors: IntArray) -> FloatArray:
        """(q, entities): degree."""
        return np.broadcast_to(self._degrees.astype(np.float64), (len(anchors), len(self._degrees)))

    def relation_scores(self, heads: IntArray, tails: IntArray) -> FloatArray:
        """(q, R): how many edges a relation has."""
        return np.broadcast_to(self._relations.astype(np.float64), (len(heads), len(self._relations)))


class Popularity:
    """How often an entity answers queries by this relation; how often head and tail stand in a relation."""

    name = "popularity"

    def __init__(self, graph: KnowledgeGraph) -> None:
        self._graph = graph

    def entity_scores(self, relation: int, anchors: IntArray) -> FloatArray:
        """(q, entities)."""
        back = self._graph.inverse(relation)
        counts = self._graph.context[:, back].astype(np.float64)
        return np.broadcast_to(counts, (len(anchors), len(counts)))

    def relation_scores(self, heads: IntArray, tails: IntArray) -> FloatArray:
        """(q, R)."""
        count = self._graph.num_relations
        scores: FloatArray = np.log1p(self._graph.context[heads, :count]) + np.log1p(self._graph.context[tails, count:])
        return scores


class _Trained:
    """A relation head that sees one kind of input, and an entity score of that kind."""

    def __init__(
        self, learnt: Members, asked: Members, head: RelationHead, settings: TrainingSettings, minutes: float
    ) -> None:
        self._members = asked
        self._head = fit_relation_head(head, learnt.graph, learnt.text, settings, Budget.minutes(minutes))

    @torch.no_grad()
    def relation_scores(self, heads: IntArray, tails: IntArray) -> FloatArray:
        """(q, R)."""
        pairs = pair_inputs(self._members.graph, heads, tails, np.full(len(heads), -1, np.int64))
        scores: FloatArray = self._head(pairs, self._members.text).numpy()
        return scores


class ContextOnly(_Trained):
    """Which relation types touch the nodes, leave-one-out, and nothing else."""

    name = "context only"

    def __init__(self, learnt: Members, asked: Members, settings: TrainingSettings, minutes: float) -> None:
        head = RelationHead(learnt.graph.num_relations, learnt.text.shape[1], text=False, links=False)
        super().__init__(learnt, asked, head, settings, minutes)

    def entity_scores(self, relation: int, anchors: IntArray) -> FloatArray:
        """(q, entities): cosine to the mean context of the relation's answers, relation itself left out."""
        unit, tails = self._members.unit_context, self._members.asked(relation).tails
        back = self._members.graph.inverse(relation)
        rest = np.sqrt(np.maximum(1 - unit[:, back] ** 2, 1e-6))  # length without that column
        mean = (tails / rest) @ unit / max(1.0, tails.sum())
        mean[back] = 0
        likeness = (unit @ mean) / rest
        return np.broadcast_to(likeness.astype(np.float64), (len(anchors), len(likeness)))


class TextOnly(_Trained):
    """Text vectors and nothing else."""

    name = "text only"

    def __init__(self, learnt: Members, asked: Members, settings: TrainingSettings, minutes: float) -> None:
        head = RelationHead(learnt.graph.num_relations, learnt.text.shape[1], context=False, links=False)
        super().__init__(learnt, asked, head, settings, minutes)

    @torch.no_grad()
    def entity_scores(self, relation: int, anchors: IntArray) -> FloatArray:
        """(q, entities): cosine to the anchor's text plus cosine to the mean text of the relation's answers."""
        members = self._members
        wanted = members.unit_text(torch.from_numpy(anchors)) + 2 * members.asked(relation).text_mean
        scores: FloatArray = (wanted @ members.text.T / members.text_lengths).numpy()
        return scores


class TowerOnly:
    """Text and graph alone: the tower before the reasoner."""

    name = "text and graph only"

    def __init__(self, members: Members) -> None:
        self._members = members

    @torch.no_grad()
    def entity_scores(self, relation: int, anchors: IntArray) -> FloatArray:
        """(q, entities)."""
        members, index = self._members, torch.from_numpy(anchors)
        assert members.tower is not None
        query = members.tower.query(members.encoded[index], torch.full_like(index, relation))
        scores: FloatArray = (query @ members.unit.T).numpy()
        return scores

    def relation_scores(self, heads: IntArray, tails: IntArray) -> None:
        """It answers no such questions."""


class StructureOnly:
    """ComplEx with N3 and the relation softmax alone: the structure member before the reasoner."""

    name = "structure only"

    def __init__(self, members: Members) -> None:
        assert members.structure is not None
        self._members, self._structure = members, members.structure

    @torch.no_grad()
    def entity_scores(self, relation: int, anchors: IntArray) -> FloatArray:
        """(q, entities)."""
        index = torch.from_numpy(anchors)
        scores: FloatArray = self._structure(index, torch.full_like(index, relation)).numpy()
        return scores

    @torch.no_grad()
    def relation_scores(self, heads: IntArray, tails: IntArray) -> FloatArray:
        """(q, R)."""
        pairs = self._structure.pairs(torch.from_numpy(heads), torch.from_numpy(tails))
        scores: FloatArray = pairs[:, : self._members.graph.num_relations].numpy()
        return scores


class RulesOnly:
    """Noisy-or of the mined rules and the rules with constants."""

    name = "rules only"

    def __init__(self, members: Members) -> None:
        self._members = members

    def entity_scores(self, relation: int, anchors: IntArray) -> FloatArray:
        """(q, entities)."""
        return any_rule(self._members.rules.features(self._members.graph, anchors, relation))

    def relation_scores(self, heads: IntArray, tails: IntArray) -> FloatArray:
        """(q, R)."""
        hidden = np.full(len(heads), -1, np.int64)
        pairs = self._members.rules.pairs(self._members.graph, heads, tails, hidden)
        return pairs[:, : self._members.graph.num_relations]


class WalksOnly:
    """Where short random walks end."""

    name = "walks only"

    def __init__(self, members: Members) -> None:
        self._graph = members.graph

    def entity_scores(self, relation: int, anchors: IntArray) -> FloatArray:
        """(q, entities)."""
        scores: FloatArray = any_walk(walk_shares(self._graph, anchors, relation)).astype(np.float64)
        return scores

    def relation_scores(self, heads: IntArray, tails: IntArray) -> None:
        """It answers no such questions."""
