"""Where a model is good and where it is not: entity ranks by what kind of question was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.evaluation.ranking import Ranks, RankSummary, summarize

if TYPE_CHECKING:
    from neo4j_relpred.model.words import Words

__all__ = ["Slices", "slices_of"]

Slices = Mapping[str, Mapping[str, RankSummary]]  # by kind of slice, then by its name

MANY = 1.5  # answers on average from which on a side counts as many (Bordes et al. 2013)
CATEGORIES = ("1-1", "1-N", "N-1", "N-N")
HALF_LINKS = ("unseen", "seen")


@dataclass(frozen=True)
class _Steps:
    """Ranges of a count, each named, by the smallest number in it."""

    names: tuple[str, ...]
    least: tuple[int, ...]

    def of(self, counts: IntArray) -> IntArray:
        """Counts (q,) to the positions of their ranges (q,)."""
        return np.searchsorted(self.least, counts, side="right") - 1


DEGREES = _Steps(("0", "1-2", "3-10", "11-100", "more"), (0, 1, 3, 11, 101))
WORDS = _Steps(("0", "1-5", "6-20", "more"), (0, 1, 6, 21))


def slices_of(ranks: Ranks, asked: IntArray, graph: KnowledgeGraph, words: Words | None) -> Slices:
    """The ranks of questions (q, 3), inverses too, in four ways; a slice without questions is left out.

    graph: what the model knows when it is asked. category: answers of the question's relation, both sides of it; a
    relation without edges has none. degree: edges of the anchor. half_link: whether the anchor has an edge of that type
    and direction. text: different words that the answer's text has, where the model holds words.
    """
    anchors, relations, answers = asked.T
    starts, ends = graph.answer_ranges(anchors, relations)
    kinds: dict[str, tuple[Sequence[str], IntArray]] = {
        "category": (CATEGORIES, _categories(graph)[relations % graph.num_relations]),
        "degree": (DEGREES.names, DEGREES.of(graph.degrees[anchors])),
        "half_link": (HALF_LINKS, (ends > starts).astype(np.int64)),
    }
    if words is not None:
        kinds["text"] = WORDS.names, WORDS.of(np.diff(words.texts.offsets)[answers])
    return {
        kind: {names[i]: summarize(ranks.where(which == i)) for i in range(len(names)) if (which == i).any()}
        for kind, (names, which) in kinds.items()
    }


def _categories(graph: KnowledgeGraph) -> IntArray:
    """(R,): the position in CATEGORIES, -1 for a relation without edges."""
    edges = np.bincount(graph.edge_relations, minlength=2 * graph.num_relations)
    questions = np.count_nonzero(graph.context, axis=0)  # (2R,): anchors with an answer
    many = edges >= MANY * np.maximum(questions, 1)
    tails, heads = many.reshape(2, -1).astype(np.int64)
    return np.where(questions[: graph.num_relations], 2 * heads + tails, -1)
