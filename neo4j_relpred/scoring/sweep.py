"""What a sweep asks, and in which order: the questions that are likely to have a missing answer, first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.scoring.serving import Serving

__all__ = ["Questions", "free_tails", "questions_of"]

Mask = npt.NDArray[np.bool_]
ASKED_SHARE = 0.3  # a label whose nodes have a relation this often makes its other nodes worth asking
SETTLED_NODES = 50  # nodes with a relation that it takes to say that one has no more than one of it
SETTLED_SHARE = 0.01  # of them may have more


@dataclass(frozen=True)
class Questions:
    """Heads (n,) to ask for tails of one relation; answered: whether the graph has one answer already."""

    relation: int
    heads: IntArray
    answered: bool
    candidates: int

    @property
    def promise(self) -> tuple[bool, int]:
        """Sorts questions: those without an answer first, of them those with the fewest candidates."""
        return self.answered, self.candidates


def settled(serving: Serving, relation: int) -> Mask:
    """(entities,): nodes that have their answer, of a relation that gives nodes one answer each."""
    counts = serving.model.graph.context[:, relation]
    having = counts > 0
    if having.sum() < SETTLED_NODES or (counts[having] > 1).mean() > SETTLED_SHARE:
        return np.zeros(len(counts), bool)
    return having


def questions_of(serving: Serving, relations: Iterable[int]) -> tuple[list[Questions], int]:
    """Heads that have a relation and those of labels where having it is common; and how many questions are settled.

    A question is settled where its relation gives each head one answer, and this head has it; and where each tail
    belongs to one head, and none is free.
    """
    found, left_out = [], 0
    for relation in relations:
        has = serving.model.graph.context[:, relation] > 0
        asked = has & serving.alive
        for rows in serving.label_rows.values():
            if has[rows].mean() >= ASKED_SHARE:
                asked[rows] = True
        open_ = asked & ~settled(serving, relation)
        candidates = int(free_tails(serving, relation).sum())
        if not candidates:
            open_[:] = False
        left_out += int(asked.sum() - open_.sum())
        for answered in (False, True):
            heads = np.flatnonzero(open_ & (has == answered))
            if len(heads):
                found.append(Questions(relation, heads, answered, candidates))
    return sorted(found, key=lambda questions: questions.promise), left_out


def free_tails(serving: Serving, relation: int) -> Mask:
    """(entities,): nodes of fitting labels that may get one more head."""
    return serving.fits(relation) & ~settled(serving, serving.model.graph.inverse(relation))
