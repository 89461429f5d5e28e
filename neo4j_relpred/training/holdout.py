"""Turns held-out triples into ranking data, in folds of queries, and fits reasoner and calibration on them.

A reasoner is fitted without each fold (of plenty, without one), to get logits for it that calibration can trust, and
once on all for good. All answers of a query are in one fold, so that a fold's queries have as many as any query has. A
triple's tail and head query may be in different folds: that tells a network of some dozen features next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from neo4j_relpred.config import ModelSettings, TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, both_directions
from neo4j_relpred.evaluation.calibration import complete, fit_calibration
from neo4j_relpred.model.calibration import Calibration
from neo4j_relpred.model.members import FEATURE_NAMES, Members, group_columns
from neo4j_relpred.model.reasoner import Reasoner
from neo4j_relpred.model.relation_head import RelationHead
from neo4j_relpred.model.relations import RELATION_BASE, RELATION_FEATURES, RELATION_GROUPS, relation_features
from neo4j_relpred.model.trained import chunks_by_relation
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.reasoner import RankingData, fit_reasoner

__all__ = ["HeldOut", "entity_data", "fit_on_folds", "links_tell", "passes", "relation_data"]

FOLDS = 3
PLENTY = 12_000  # queries
LARGE_FOLDS = 4
LINK_SAMPLE = 5_000
PAIRS = 2_000  # relation queries in one block


@dataclass(frozen=True)
class HeldOut:
    """Queries of held-out triples with their candidates.

    features (q, c, f); relations (q, 1) or (q, c); groups (q, c): the relation of each candidate triple; real,
    labels (q, c): which are candidates, and which of them are answers; known (q,): answers that the graph has.
    """

    features: npt.NDArray[np.float32]
    relations: IntArray
    groups: IntArray
    real: npt.NDArray[np.bool_]
    labels: npt.NDArray[np.bool_]
    known: IntArray
    droppable: tuple[int, ...]
    base: int | None = None

    def __len__(self) -> int:
        return len(self.features)

    def data(self, rows: IntArray | slice = slice(None)) -> RankingData:
        """Some of the queries as tensors."""
        return RankingData(
            features=torch.from_numpy(self.features[rows]),
            relations=torch.from_numpy(self.relations[rows]),
            labels=torch.from_numpy(self.labels[rows].astype(np.float32)),
            real=torch.from_numpy(self.real[rows]),
            droppable=self.droppable,
            base=self.base,
        )


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


def entity_data(members: Members, triples: IntArray, *, linked: bool = True) -> HeldOut:
    """Tail and head queries of held-out triples (n, 3); `linked` takes candidates that an edge joins already, too."""
    asked = both_directions(triples, members.graph.num_relations)
    queries, where = np.unique(asked[:, :2], axis=0, return_inverse=True)
    size = min(members.settings.candidates, members.graph.num_entities)
    shape = (len(queries), size)
    features = np.zeros((*shape, len(FEATURE_NAMES)), np.float32)
    candidates, real = np.zeros(shape, np.int64), np.zeros(shape, bool)
    for relation, rows in chunks_by_relation(queries[:, 1], members.graph.num_entities, members):
        anchors = queries[rows, 0]
        known = members.graph.answers(anchors, np.full(len(rows), relation))
        proposal = members.propose(relation, anchors, known)
        features[rows], candidates[rows], real[rows] = proposal.features, proposal.candidates, proposal.real
    position = np.array([np.searchsorted(candidates[q], tail) for q, tail in zip(where, asked[:, 2], strict=True)])
    inside = np.minimum(position, size - 1)
    found = candidates[where, inside] == asked[:, 2]
    labels = np.zeros(shape, bool)
    labels[where[found], inside[found]] = True
    if not linked:
        rows, _ = members.graph.linking_relations(np.repeat(queries[:, 0], size), candidates.reshape(-1))
        real.reshape(-1)[rows] = False
        labels &= real
    groups = np.broadcast_to(queries[:, 1:], shape)
    droppable = tuple(group_columns("structure")) if members.structure else ()
    counts = members.graph.context[queries[:, 0], queries[:, 1]].astype(np.int64)
    return HeldOut(features, queries[:, 1:], groups, real, labels, counts, droppable)


def relation_data(members: Members, head: RelationHead, triples: IntArray) -> HeldOut:
    """Relation queries of held-out triples (n, 3)."""
    pairs, where = np.unique(triples[:, [0, 2]], axis=0, return_inverse=True)
    count = members.graph.num_relations
    blocks = [relation_features(members, head, *pairs[i : i + PAIRS].T) for i in range(0, len(pairs), PAIRS)]
    real = np.ones((len(pairs), count), bool)
    rows, linking = members.graph.linking_relations(pairs[:, 0], pairs[:, 1])
    rows, linking = rows[linking < count], linking[linking < count]
    real[rows, linking] = False
    labels = np.zeros(real.shape, bool)
    labels[where, triples[:, 1]] = True
    groups = np.broadcast_to(np.arange(count), real.shape)
    columns = tuple(RELATION_FEATURES.index(name) for name in RELATION_GROUPS["structure"])
    droppable = columns if members.structure else ()
    base = RELATION_FEATURES.index(RELATION_BASE)
    known = np.bincount(rows, minlength=len(pairs))
    return HeldOut(np.concatenate(blocks), groups.copy(), groups, real, labels, known, droppable, base)


def _folds(queries: int) -> tuple[int, int]:
    """Into how many folds, and for how many of them logits are made: of plenty, one is enough to calibrate on."""
    return (FOLDS, FOLDS) if queries < PLENTY else (LARGE_FOLDS, 1)


def passes(queries: int) -> float:
    """What `fit_on_folds` costs, in fits of one reasoner on all queries."""
    parts, seen = _folds(queries)
    return 1 + seen * (parts - 1) / parts


def fit_on_folds(
    held: HeldOut, model: ModelSettings, settings: TrainingSettings, budget: Budget, num_groups: int
) -> tuple[Reasoner, Calibration]:
    """The reasoner fitted on all of it, and the calibration fitted on logits of folds that were not seen.

    `budget` is shared out by how many queries each fit sees.
    """
    kind = model.reasoner
    parts, seen = _folds(len(held))
    fold = np.random.default_rng([settings.seed, 6]).permutation(len(held)) % parts
    seconds = budget.left * (1 - 1 / passes(len(held))) / seen  # for each fold
    logits = np.zeros(held.real.shape)
    for number in range(seen):
        rows, others = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        if not len(rows) or not len(others):
            continue
        reasoner = fit_reasoner(held.data(others), kind, num_groups, settings, budget.part(seconds))
        for first in range(0, len(rows), PAIRS):
            block = rows[first : first + PAIRS]
            data = held.data(block)
            with torch.no_grad():
                logits[block] = reasoner(data.features, data.relations, data.real).numpy()
    reasoner = fit_reasoner(held.data(), kind, num_groups, settings, budget)
    if len(held) < FOLDS:
        return reasoner, Calibration.plain(num_groups)
    chosen = np.flatnonzero(fold < seen)
    labels, groups = held.labels[chosen].astype(float), held.groups[chosen]
    evidence = logits[chosen], held.real[chosen], labels, groups
    return reasoner, complete(fit_calibration(*evidence, num_groups), *evidence, held.known[chosen])
