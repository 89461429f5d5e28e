"""Ranks test triples for a model and its rivals: every candidate, as many triples as there is time for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, both_directions
from neo4j_relpred.evaluation.ranking import Ranks, filtered_ranks
from neo4j_relpred.model.chunks import ask_by_relation, queries_at_once
from neo4j_relpred.model.members import Members
from neo4j_relpred.model.trained import TrainedModel

__all__ = ["Baseline", "Outside", "Trial", "try_out"]

FloatArray = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
PILOT = 200  # triples that tell how long the others will take
NOISE = 2.0  # standard errors that a difference must exceed to count as one


class Outside(NamedTuple):
    """Rows that are no answers, whatever the model makes of them: (entities,) and (R,)."""

    entities: Mask
    relations: Mask


class _Truths(NamedTuple):
    """Everything that is true, what of it is known when a question is asked, and what is no answer."""

    known: KnowledgeGraph
    settled: KnowledgeGraph
    outside: Outside


class Baseline(Protocol):
    """A cheap rival that is ranked by the same rule."""

    name: str

    def entity_scores(self, relation: int, anchors: IntArray) -> FloatArray | None:
        """(q,) anchors of queries by one relation -> (q, entities), or None where it has no answer to that."""

    def relation_scores(self, heads: IntArray, tails: IntArray) -> FloatArray | None:
        """(q,) pairs -> (q, R), or None."""


@dataclass
class Trial:
    """Ranks of one kind of query, of the model and of each rival, in the order of `asked`.

    first: (q, 3) the probability of the model's first answer, whether it holds, and whether a known edge joins it to
    the anchor (entity queries).
    """

    ours: list[Ranks] = field(default_factory=list)
    rivals: dict[str, list[Ranks]] = field(default_factory=dict)
    asked: list[IntArray] = field(default_factory=list)
    first: list[FloatArray] = field(default_factory=list)

    def add(self, asked: IntArray, ours: Ranks, first: FloatArray) -> None:
        """The model's ranks of more queries; those of the rivals go into `rivals`."""
        self.asked.append(asked)
        self.ours.append(ours)
        self.first.append(first)

    def ranks(self) -> Ranks:
        """The model's."""
        return Ranks.concatenate(self.ours)

    def queries(self) -> IntArray:
        """(q, 3): the triples asked about, inverses too."""
        return np.concatenate(self.asked)

    def rival(self, name: str) -> Ranks | None:
        """A rival's; None where it answers no such queries."""
        return Ranks.concatenate(self.rivals[name]) if self.rivals.get(name) else None

    def first_answers(self, columns: list[int]) -> FloatArray:
        """(questions, 3): `first`, a question once whatever its answers; `columns` of `asked` make the question."""
        _, unique = np.unique(self.queries()[:, columns], axis=0, return_index=True)
        answers: FloatArray = np.concatenate(self.first)[unique]
        return answers

    def is_beaten_by(self, name: str, at: int | None = None) -> bool:
        """Whether a rival does better beyond noise, by hits at a rank or (None) by reciprocal ranks."""
        theirs, ours = self.rival(name), self.ranks()
        if theirs is None:
            return False
        better, worse = ((1 / r.realistic if at is None else r.realistic <= at).astype(float) for r in (theirs, ours))
        lead = better - worse
        return bool(lead.mean() > NOISE * lead.std() / np.sqrt(len(lead)))


def try_out(
    model: TrainedModel,
    test: IntArray,
    known: KnowledgeGraph,
    baselines: tuple[Baseline, ...],
    seconds: float,
    settled: KnowledgeGraph | None = None,
    workers: int = 1,
    outside: Outside | None = None,
) -> tuple[Trial, Trial]:
    """Entity and relation queries of test triples (n, 3): of all, or of a random part when the time is used up.

    The same number of triples gives the same order. settled: triples that are no answers any more, where they are more
    than those of the model's graph.
    """
    nothing = outside or Outside(np.zeros(known.num_entities, bool), np.zeros(known.num_relations, bool))
    truths = _Truths(known, settled or model.graph, nothing)
    ends = time.monotonic() + seconds
    shuffled = test[np.random.default_rng(0).permutation(len(test))]
    entities, done = Trial(), 0
    while done < len(shuffled):
        size = PILOT
        if done:
            left = ends - time.monotonic()
            size = int(min(len(shuffled), done * left / max(seconds - left, 1e-9)))  # at the pace until now
        if size < PILOT // 4:
            break
        _rank_entities(entities, model, shuffled[done : done + size], truths, baselines, workers)
        done = min(done + size, len(shuffled))
    relations, size = Trial(), queries_at_once(known.num_relations)
    for first in range(0, done, size):
        _rank_relations(relations, model, shuffled[first : min(first + size, done)], truths, baselines)
    return entities, relations


def _rank_entities(
    trial: Trial, model: TrainedModel, test: IntArray, truths: _Truths, baselines: tuple[Baseline, ...], workers: int
) -> None:
    known, settled, (gone, _) = truths
    queries = both_directions(test, known.num_relations)

    def rank(members: Members, relation: int, rows: IntArray) -> tuple[Ranks, FloatArray, dict[str, Ranks]]:
        anchors, target = queries[rows, 0], queries[rows, 2]
        mask = np.zeros((len(rows), known.num_entities), bool)
        mask[known.answers(anchors, queries[rows, 1])] = True
        mask[:, gone] = True
        answers = replace(model, members=members).answer_entities(relation, anchors, settled=settled)
        ours = filtered_ranks(answers.full_scores(), target, mask)
        probabilities = np.where(gone[answers.candidates], -1.0, answers.probabilities)
        first = _first(probabilities, np.take_along_axis(mask, answers.candidates, 1))
        best = np.take_along_axis(answers.candidates, probabilities.argmax(1)[:, None], 1)[:, 0]
        first[settled.linking_relations(anchors, best)[0], 2] = 1
        given = {rival.name: rival.entity_scores(relation, anchors) for rival in baselines}
        theirs = {name: filtered_ranks(scores, target, mask) for name, scores in given.items() if scores is not None}
        return ours, first, theirs

    for rows, (ours, first, theirs) in ask_by_relation(rank, queries[:, 1], known.num_entities, model.members, workers):
        trial.add(queries[rows], ours, first)
        for name, ranks in theirs.items():
            trial.rivals.setdefault(name, []).append(ranks)


def _rank_relations(
    trial: Trial, model: TrainedModel, test: IntArray, truths: _Truths, baselines: tuple[Baseline, ...]
) -> None:
    known, settled, (_, foreign) = truths
    heads, relations, tails = test.T
    mask = np.zeros((len(heads), known.num_relations), bool)
    rows, holding = known.linking_relations(heads, tails)
    mask[rows[holding < known.num_relations], holding[holding < known.num_relations]] = True
    rows, holding = settled.linking_relations(heads, tails)
    forward = holding < known.num_relations
    answers = model.answer_relations(heads, tails, (rows[forward], holding[forward]))
    first = _first(np.where(foreign, -1.0, answers.probabilities), mask)
    trial.add(test, filtered_ranks(answers.logits, relations, mask | foreign), first)
    for rival in baselines:
        scores = rival.relation_scores(heads, tails)
        if scores is not None:
            trial.rivals.setdefault(rival.name, []).append(filtered_ranks(scores, relations, mask))


def _first(probabilities: FloatArray, truth: Mask) -> FloatArray:
    """(q, c) -> (q, 3): a row of `Trial.first`, the last column 0. Answers that the model knows are out."""
    best = probabilities.argmax(1)
    rows = np.arange(len(best))
    return np.stack([probabilities[rows, best], truth[rows, best].astype(float), np.zeros(len(best))], axis=1)
