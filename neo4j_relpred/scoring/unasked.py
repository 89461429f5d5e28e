"""A trial of publishing: how often what a sweep finds is what was held out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neo4j_relpred.data.knowledge_graph import KnowledgeGraph
from neo4j_relpred.evaluation.unasked import Found, fit_unasked
from neo4j_relpred.model.unasked import Unasked
from neo4j_relpred.scoring.scorer import Scorer
from neo4j_relpred.scoring.serving import ROOM

__all__ = ["tried_out"]


def tried_out(scorer: Scorer, hidden: KnowledgeGraph, apart: KnowledgeGraph, seconds: float, seed: int) -> Unasked:
    """Sweeps a graph without the `hidden` edges, for so many seconds, and learns from which of them were found.

    scorer: of a model that knows neither those nor the edges `apart`, which count neither as right nor as wrong.
    Questions of nodes without any edge, whose rate comes of another kind of count, are no part of it.
    """
    serving = scorer.serving
    members = replace(serving.model.members, room=ROOM)
    roomy = replace(scorer, serving=replace(serving, model=replace(serving.model, members=members)))
    triples = roomy.sample(seconds, np.random.default_rng([seed, 11]))
    rows = np.array([serving.triple_row(one.triple) for one in triples], np.int64).reshape(-1, 3)
    probabilities = np.array([one.probability for one in triples], np.float64)
    counted = ~apart.holds(rows) & (serving.model.graph.degrees[rows[:, 0]] > 0)
    rows, probabilities = rows[counted], probabilities[counted]
    answered = serving.model.graph.context[rows[:, 0], rows[:, 1]] > 0
    return fit_unasked(Found(rows[:, 1], answered, probabilities, hidden.holds(rows)), len(serving.relations))
