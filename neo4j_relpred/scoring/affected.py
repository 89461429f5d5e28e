"""Which questions a change of the graph makes worth asking again, so that an update costs what the change is worth.

Those about what changed; those about the neighbours of a node whose text did, since messages carry it to them; and
those that what changed may answer: who would ask for it is found by the same question put the other way round.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.model.chunks import chunks_by_relation
from neo4j_relpred.scoring.serving import Serving
from neo4j_relpred.scoring.sweep import questions_of
from neo4j_relpred.triples import EntityId, Relation

__all__ = ["Heads", "affected"]

Heads = Mapping[Relation, frozenset[EntityId]]
MOST_NEIGHBORS = 50  # of a node with more of them, each hears little
MOST_NAMED = 20  # heads that a node that changed is taken to be an answer of, by each relation
WORTH_SHARE = 0.2  # of the least probability that counts: a head that the node suits less need not be asked


def affected(
    serving: Serving,
    relations: Iterable[Relation],
    changed: Collection[EntityId],
    text: Collection[EntityId] = (),
    least: float = 0.5,
) -> Heads:
    """Heads to ask about, by relation.

    changed: nodes that are new, or whose text or edges changed; text: those of them whose text did. Each changed node
    may become an answer of heads that it suits. least: probability from which on an answer counts. Nodes that are gone
    are left out.
    """
    rows = serving.rows
    own = np.array(sorted(rows[node] for node in changed if node in rows and serving.alive[rows[node]]), np.int64)
    about = np.union1d(own, _neighbors(serving, [rows[node] for node in text if node in rows]))
    found = {}
    for relation in relations:
        row = serving.relation_row(relation)
        heads = np.union1d(about, _who_may_ask(serving, row, own, least))
        found[relation] = frozenset(serving.entities[head] for head in heads.tolist())
    return found


def _neighbors(serving: Serving, rows: Iterable[int]) -> IntArray:
    triples = serving.model.graph.triples
    some = np.zeros(len(serving.alive), bool)
    some[list(rows)] = True
    few = np.bincount(triples[:, [0, 2]].ravel(), minlength=len(some)) <= MOST_NEIGHBORS
    some &= few
    return np.union1d(triples[some[triples[:, 0]], 2], triples[some[triples[:, 2]], 0])


def _who_may_ask(serving: Serving, relation: int, tails: IntArray, least: float) -> IntArray:
    """Heads (n,) that the model names first for these tails, where that is a question worth asking."""
    model = serving.model
    step = model.graph.inverse(relation)
    asked, _ = questions_of(serving, [step], {step: tails})
    tails = np.concatenate([np.empty(0, np.int64), *(questions.heads for questions in asked)])
    found = [np.empty(0, np.int64)]
    for _, chosen in chunks_by_relation(np.full(len(tails), step), model.graph.num_entities, model.members):
        answers = model.answer_entities(step, tails[chosen])
        probable = np.where(answers.real & serving.alive[answers.candidates], answers.probabilities, 0.0)
        best = np.argsort(-probable, axis=1, kind="stable")[:, :MOST_NAMED]
        suits = np.take_along_axis(probable, best, 1) >= WORTH_SHARE * least
        found.append(np.take_along_axis(answers.candidates, best, 1)[suits])
    return np.unique(np.concatenate(found))
