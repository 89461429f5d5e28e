"""Turns held-out triples into ranking data, in folds of queries, and fits reasoner and calibration on them.

A reasoner is fitted without each fold (of plenty, without one), to get logits for it that calibration can trust, and
once on all; together they are the reasoner that is kept. All answers of a query are in one fold, so that a fold's
queries have as many as any query has. A triple's tail and head query may be in different folds: that tells a network
of some dozen features next to nothing.

Some questions are asked twice, the second time as if their nodes were new, so that the reasoner and the calibration
know what is left then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from neo4j_relpred.config import ModelSettings, TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, both_directions
from neo4j_relpred.evaluation.calibration import complete, fit_calibration
from neo4j_relpred.model.calibration import Calibration
from neo4j_relpred.model.chunks import ask_by_relation, queries_at_once
from neo4j_relpred.model.features import FEATURE_NAMES
from neo4j_relpred.model.members import Members
from neo4j_relpred.model.reasoner import Reasoner, Reasoners
from neo4j_relpred.model.relation_head import RelationHead
from neo4j_relpred.model.relations import RELATION_BASE, RELATION_FEATURES, relation_features
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.checks import check_features, check_numbers
from neo4j_relpred.training.reasoner import RankingData, fit_reasoner

__all__ = ["HeldOut", "Questions", "entity_data", "fit_on_folds", "links_tell", "passes", "relation_data"]

FOLDS = 3
PLENTY = 12_000  # queries
LARGE_FOLDS = 4
LINK_SAMPLE = 5_000
HELD_NUMBERS = 200_000_000  # that the features of relation questions may take
NEW_SHARE = 0.15  # of the questions, asked as if their nodes were new, too


@dataclass(frozen=True)
class HeldOut:
    """Queries of held-out triples with their candidates.

    questions (q,): equal numbers are the same question, asked twice; features (q, c, f); relations (q, 1) or (q, c);
    groups (q, c): the relation of each candidate triple; real, labels (q, c): which are candidates, and which of them
    are answers; known (q,): answers that the graph has; base: see Reasoner; beside: more queries, to be fitted on only.
    """

    questions: IntArray
    features: npt.NDArray[np.float32]
    relations: IntArray
    groups: IntArray
    real: npt.NDArray[np.bool_]
    labels: npt.NDArray[np.bool_]
    known: IntArray
    base: int | None = None
    beside: RankingData | None = None

    def __len__(self) -> int:
        return len(self.features)

    def joined(self, other: HeldOut) -> HeldOut:
        """These queries, then those."""
        names = ("questions", "features", "relations", "groups", "real", "labels", "known")
        parts: dict[str, Any] = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in names}
        return HeldOut(**parts, base=self.base)

    def data(self, rows: IntArray | slice = slice(None)) -> RankingData:
        """Some of the queries as tensors."""
        return RankingData(
            features=torch.from_numpy(self.features[rows]),
            relations=torch.from_numpy(self.relations[rows]),
            labels=torch.from_numpy(self.labels[rows].astype(np.float32)),
            real=torch.from_numpy(self.real[rows]),
            base=self.base,
        )

    def to_fit(self, rows: IntArray | slice = slice(None)) -> RankingData:
        """Some of the queries, and all of those beside."""
        return self.data(rows) if self.beside is None else self.data(rows).joined(self.beside)


def links_tell(graph: KnowledgeGraph, holdout: IntArray) -> bool:
    """Whether held-out pairs are linked otherwise so much more rarely than pairs of the graph that it gives them away.

    FB15k-237 was made so: no pair of its validation and test parts has any other edge. A reasoner that is fitted on
    them learns "linked, so wrong", which is an artefact of the split and no truth about the graph.
    """
    rng = np.random.default_rng(0)
    sample = graph.triples[rng.permutation(len(graph.triples))[:LINK_SAMPLE]]
    held = holdout[:LINK_SAMPLE]
    usual, here = (_linked(graph, rows, itself) for rows, itself in ((sample, 1), (held, 0)))
    rate = (usual.sum() + here.sum()) / (len(usual) + len(here))
    noise = np.sqrt(rate * (1 - rate) * (1 / len(usual) + 1 / len(here)))
    return bool(here.mean() < usual.mean() / 2 and usual.mean() - here.mean() > 4 * noise)


def _linked(graph: KnowledgeGraph, triples: IntArray, itself: int) -> npt.NDArray[np.bool_]:
    """(n,): whether another edge joins the ends, in either direction; itself: edges that the triple is in the graph."""
    rows, _ = graph.linking_relations(triples[:, 0], triples[:, 2])
    linked: npt.NDArray[np.bool_] = np.bincount(rows, minlength=len(triples)) > itself
    return linked


@dataclass(frozen=True)
class Questions:
    """Distinct questions in no order, and all held-out answers of each: with fewer, answers would seem to be rare.

    asked: (n, 2) anchor and relation, or head and tail; rows, answers: (a,) the question of each, and what it is.
    """

    asked: IntArray
    rows: IntArray
    answers: IntArray

    @classmethod
    def of(cls, asked: IntArray, answers: IntArray, rng: np.random.Generator) -> Questions:
        """One question per answer, (a, 2) and (a,), equal ones together."""
        keys = asked[:, 0] * (1 + asked[:, 1].max(initial=0)) + asked[:, 1]  # to sort rows takes ten times as long
        _, first, rows = np.unique(keys, return_index=True, return_inverse=True)
        return cls(asked[first], rows, answers)._some(rng.permutation(len(first)))

    @classmethod
    def of_entities(cls, triples: IntArray, num_relations: int, rng: np.random.Generator) -> Questions:
        """For the tails and the heads of held-out triples (n, 3)."""
        asked = both_directions(triples, num_relations)
        return cls.of(asked[:, :2], asked[:, 2], rng)

    @classmethod
    def of_relations(cls, triples: IntArray, rng: np.random.Generator) -> Questions:
        """For the relations of held-out triples (n, 3)."""
        return cls.of(triples[:, [0, 2]], triples[:, 1], rng)

    def __len__(self) -> int:
        return len(self.asked)

    def first(self, count: int) -> Questions:
        """So many of them, with all their answers."""
        return self._some(np.arange(min(count, len(self))))

    def _some(self, chosen: IntArray) -> Questions:
        place = np.full(len(self), -1)
        place[chosen] = np.arange(len(chosen))
        kept = place[self.rows] >= 0
        return Questions(self.asked[chosen], place[self.rows[kept]], self.answers[kept])

    def as_of_new(self) -> Questions:
        """Those that are asked a second time, as if their nodes were new."""
        return self.first(round(NEW_SHARE * len(self)))


def entity_data(members: Members, questions: Questions, *, linked: bool = True, workers: int = 1) -> HeldOut:
    """Candidates of entity questions; `linked` takes those that an edge joins to the anchor already, too."""
    held = _entity_candidates(members, questions, linked, workers)
    if members.structure is not None:
        held = held.joined(_entity_candidates(members.as_new(), questions.as_of_new(), linked, workers))
    check_features(held.features, FEATURE_NAMES, "entity")
    return held


def _entity_candidates(members: Members, questions: Questions, linked: bool, workers: int) -> HeldOut:
    asked = questions.asked
    size = min(members.settings.candidates, members.graph.num_entities)
    shape = (len(questions), size)
    features = np.zeros((*shape, len(FEATURE_NAMES)), np.float32)
    candidates, real = np.zeros(shape, np.int64), np.zeros(shape, bool)

    def keep(members: Members, relation: int, rows: IntArray) -> None:
        anchors = asked[rows, 0]
        proposal = members.propose(relation, anchors, members.graph.answers(anchors, np.full(len(rows), relation)))
        features[rows], candidates[rows], real[rows] = proposal.features, proposal.candidates, proposal.real

    for _ in ask_by_relation(keep, asked[:, 1], members.graph.num_entities, members, workers):
        pass  # of a proposal, which holds far more, each chunk keeps what is needed
    ends = zip(questions.rows, questions.answers, strict=True)
    position = np.array([np.searchsorted(candidates[row], answer) for row, answer in ends], np.int64)
    inside = np.minimum(position, size - 1)
    found = candidates[questions.rows, inside] == questions.answers
    labels = np.zeros(shape, bool)
    labels[questions.rows[found], inside[found]] = True
    if not linked:
        rows, _ = members.graph.linking_relations(np.repeat(asked[:, 0], size), candidates.reshape(-1))
        real.reshape(-1)[rows] = False
        labels &= real
    groups = np.broadcast_to(asked[:, 1:], shape)
    counts = members.graph.context[asked[:, 0], asked[:, 1]].astype(np.int64)
    return HeldOut(np.arange(len(asked)), features, asked[:, 1:], groups, real, labels, counts)


def relation_data(members: Members, head: RelationHead, questions: Questions) -> HeldOut:
    """Candidates of relation questions, all relations; of as many questions as memory has room for."""
    questions = questions.first(max(1, HELD_NUMBERS // (members.graph.num_relations * len(RELATION_FEATURES))))
    held = _relation_candidates(members, head, questions)
    if members.structure is not None:
        held = held.joined(_relation_candidates(members.as_new(), head, questions.as_of_new()))
    check_features(held.features, RELATION_FEATURES, "relation")
    return held


def _relation_candidates(members: Members, head: RelationHead, questions: Questions) -> HeldOut:
    pairs, count, base = questions.asked, members.graph.num_relations, RELATION_FEATURES.index(RELATION_BASE)
    features = np.zeros((len(pairs), count, len(RELATION_FEATURES)), np.float32)
    size = queries_at_once(count)
    for first in range(0, len(pairs), size):
        features[first : first + size] = relation_features(members, head, *pairs[first : first + size].T)
    real = np.ones((len(pairs), count), bool)
    rows, linking = members.graph.linking_relations(pairs[:, 0], pairs[:, 1])
    rows, linking = rows[linking < count], linking[linking < count]
    real[rows, linking] = False
    labels = np.zeros(real.shape, bool)
    labels[questions.rows, questions.answers] = True
    groups = np.tile(np.arange(count), (len(pairs), 1))
    known = np.bincount(rows, minlength=len(pairs))
    return HeldOut(np.arange(len(pairs)), features, groups, groups, real, labels, known, base)


def _folds(queries: int) -> tuple[int, int]:
    """Into how many folds, and for how many of them logits are made: of plenty, one is enough to calibrate on."""
    return (FOLDS, FOLDS) if queries < PLENTY else (LARGE_FOLDS, 1)


def passes(queries: int) -> float:
    """What `fit_on_folds` costs, in fits of one reasoner on all queries."""
    parts, seen = _folds(queries)
    return 1 + seen * (parts - 1) / parts


def fit_on_folds(
    held: HeldOut,
    model: ModelSettings,
    settings: TrainingSettings,
    budget: Budget,
    num_groups: int,
    report: Callable[[float], None] = lambda loss: None,
    start: Reasoners | None = None,
) -> tuple[Reasoners, Calibration]:
    """Reasoners fitted on all of it and without each fold, and the calibration fitted on logits of folds not seen.

    `budget` is shared out by how many queries each fit sees. `report` gets the losses of the fit on all of it. A
    refresh goes on from the networks of `start`.
    """
    kind = model.reasoner
    parts, seen = _folds(len(held))
    _, question = np.unique(held.questions, return_inverse=True)
    fold = (np.random.default_rng([settings.seed, 6]).permutation(len(held)) % parts)[question]
    seconds = budget.left * (1 - 1 / passes(len(held))) / seen  # for each fold
    fitted, logits = [], np.zeros(held.real.shape)
    for number in range(seen):
        rows, others = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        if not len(rows) or not len(others):
            continue
        reasoner = fit_reasoner(
            held.to_fit(others), kind, num_groups, settings, budget.part(seconds), start=_one_of(start, number)
        )
        fitted.append(reasoner)
        size = queries_at_once(held.real.shape[1])
        for first in range(0, len(rows), size):
            block = rows[first : first + size]
            data = held.data(block)
            with torch.no_grad():
                logits[block] = reasoner(data.features, data.relations, data.real).numpy()
    check_numbers(logits, "logits of a reasoner for queries that it did not see")
    last = _one_of(start, -1)
    fitted.append(fit_reasoner(held.to_fit(), kind, num_groups, settings, budget.rest(), report=report, start=last))
    together = Reasoners(fitted).train(mode=False)
    if len(held) < FOLDS:
        return together, Calibration.plain(num_groups)
    chosen = np.flatnonzero(fold < seen)
    labels, groups = held.labels[chosen].astype(float), held.groups[chosen]
    evidence = logits[chosen], held.real[chosen], labels, groups
    return together, complete(fit_calibration(*evidence, num_groups), *evidence, held.known[chosen])


def _one_of(start: Reasoners | None, number: int) -> Reasoner | None:
    """The network that a fit goes on from: there may be fewer of them than fits."""
    each = [] if start is None else start.each()
    return each[number % len(each)] if each else None
