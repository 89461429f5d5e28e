"""Answers to questions that nobody asked: how often a question of its kind has a missing answer at all.

A node that has answers has been looked after; one that lacks what nearly all of its kind have waits for it; and of a
node without any relationship nobody has written one yet.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.model.members import Proposal
from neo4j_relpred.model.trained import EntityAnswers, TrainedModel
from neo4j_relpred.scoring.serving import Serving

__all__ = ["base_rates", "reasoned"]

FloatArray = npt.NDArray[np.float64]
LEAST = 1e-4
MOST_WAITING = 0.5  # of the nodes that lack an answer: the others are as they are for good reason


def reasoned(
    serving: Serving, model: TrainedModel, relation: int, anchors: IntArray, proposal: Proposal, stated: float | None
) -> EntityAnswers:
    """What the reasoner makes of candidates that nobody asked for.

    model: the one that is served, or what it is without some edges. stated: the base rate of all questions; None goes
    by their kind, and by what a trial showed of the edges that come of it.
    """
    if stated is not None:
        return model.reason(relation, proposal, stated)
    answers = model.reason(relation, proposal, base_rates(serving, relation, anchors, model.graph))
    answered = model.graph.context[anchors, relation] > 0
    corrected = model.unasked.corrected(answers.probabilities, relation, answered)
    bare = model.graph.degrees[anchors] == 0
    return replace(answers, probabilities=np.where(bare[:, None], answers.probabilities, corrected))


def base_rates(serving: Serving, relation: int, anchors: IntArray, graph: KnowledgeGraph) -> FloatArray:
    """(q, 1): the share of such questions (anchor, relation, ?) that have a missing answer.

    graph: what is known while they are asked, of the same entities as the graph that is served. Of questions that have
    an answer the share is the one that was measured. As many others as were measured for each node with an answer are
    spread over the nodes without one that might have one by their labels. Where a node has no edge at all, the share is
    that of the nodes of its labels which have the relation.
    """
    answered, kept = serving.model.missing[relation, 1], serving.rates
    if (relation, None) not in kept:
        kept[relation, None] = _waiting(serving, relation)
    rates = np.where(graph.context[anchors, relation] > 0, answered, kept[relation, None])
    for place in np.flatnonzero(graph.degrees[anchors] == 0).tolist():
        labels = serving.labels[anchors[place]]
        if (relation, labels) not in kept:
            kept[relation, labels] = _usual(serving, relation, labels)
        rates[place] = kept[relation, labels]
    return np.clip(rates, LEAST, 1.0)[:, None]


def _waiting(serving: Serving, relation: int) -> float:
    """Of nodes with other edges, that lack this one."""
    graph = serving.model.graph
    has = graph.context[:, relation] > 0
    might = serving.fits(graph.inverse(relation)) & ~has & (graph.degrees > 0)
    waiting = float(serving.model.missing[relation, 0]) * int(has.sum())
    return min(MOST_WAITING, waiting / max(1, int(might.sum())))


def _usual(serving: Serving, relation: int, labels: frozenset[str]) -> float:
    """Of nodes of these labels, edges or none: the highest share that one of the labels gives."""
    has = serving.model.graph.context[:, relation] > 0
    rows = [serving.label_rows[label] for label in labels if label in serving.label_rows]
    return max((float(has[of_label].mean()) for of_label in rows), default=float(has[serving.alive].mean()))
