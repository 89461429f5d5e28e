"""Turns held-out triples into ranking data, in two folds, and fits reasoner and calibration on them.

Each reasoner is fitted three times: on either fold, to get logits for the other one that calibration can trust, and
on both for good.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from neo4j_relpred.config import ModelSettings, TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray, both_directions
from neo4j_relpred.evaluation.calibration import fit_calibration
from neo4j_relpred.model.calibration import Calibration
from neo4j_relpred.model.members import FEATURE_NAMES, Members, group_columns
from neo4j_relpred.model.reasoner import Reasoner
from neo4j_relpred.model.relation_head import RelationHead
from neo4j_relpred.model.relations import RELATION_FEATURES, RELATION_GROUPS, relation_features
from neo4j_relpred.model.trained import chunks_by_relation
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.reasoner import EPOCHS, RankingData, fit_reasoner

__all__ = ["HeldOut", "entity_data", "fit_on_folds", "relation_data"]

PAIRS = 2_000  # relation queries in one block
NO_ANSWER = -1


@dataclass(frozen=True)
class HeldOut:
    """Queries of held-out triples with their candidates.

    features (q, c, f); relations (q, 1) or (q, c); groups (q, c): the relation of each candidate triple; real (q, c);
    fold (q, c): 0 or 1 for answers, else NO_ANSWER; asks (q, 2): whether a fold has an answer of the query, be it
    among the candidates or not.
    """

    features: npt.NDArray[np.float32]
    relations: IntArray
    groups: IntArray
    real: npt.NDArray[np.bool_]
    fold: npt.NDArray[np.int8]
    asks: npt.NDArray[np.bool_]
    droppable: tuple[int, ...]

    def data(self, folds: tuple[int, ...]) -> tuple[RankingData, IntArray]:
        """The queries of some folds and their rows; answers of other folds are no candidates."""
        rows = np.flatnonzero(self.asks[:, folds].any(1))
        labels = np.isin(self.fold[rows], folds)
        real = self.real[rows] & (labels | (self.fold[rows] == NO_ANSWER))
        parts = (self.features[rows], self.relations[rows], labels.astype(np.float32), real)
        return RankingData(*(torch.from_numpy(part) for part in parts), self.droppable), rows


def entity_data(members: Members, triples: IntArray, folds: IntArray) -> HeldOut:
    """Tail and head queries of held-out triples (n, 3); folds: (n,) 0 or 1."""
    asked = both_directions(triples, members.graph.num_relations)
    queries, where = np.unique(asked[:, :2], axis=0, return_inverse=True)
    both = np.concatenate([folds, folds])
    size = min(members.settings.candidates, members.graph.num_entities)
    shape = (len(queries), size)
    features = np.zeros((*shape, len(FEATURE_NAMES)), np.float32)
    candidates, real = np.zeros(shape, np.int64), np.zeros(shape, bool)
    for relation, rows in chunks_by_relation(queries[:, 1], members.graph.num_entities):
        anchors = queries[rows, 0]
        known = members.graph.answers(anchors, np.full(len(rows), relation))
        proposal = members.propose(relation, anchors, known)
        features[rows], candidates[rows], real[rows] = proposal.features, proposal.candidates, proposal.real
    fold = np.full(shape, NO_ANSWER, np.int8)
    position = np.array([np.searchsorted(candidates[q], tail) for q, tail in zip(where, asked[:, 2], strict=True)])
    inside = np.minimum(position, size - 1)
    found = candidates[where, inside] == asked[:, 2]
    fold[where[found], inside[found]] = both[found]
    asks = np.zeros((len(queries), 2), bool)
    asks[where, both] = True
    groups = np.broadcast_to(queries[:, 1:], shape)
    droppable = tuple(group_columns("structure")) if members.structure else ()
    return HeldOut(
        features, queries[:, 1:], groups, real, fold, asks, droppable
    )


def relation_data(members: Members, head: RelationHead, triples: IntArray, folds: IntArray) -> HeldOut:
    """Relation queries of held-out triples (n, 3); folds: (n,) 0 or 1."""
    pairs, where = np.unique(triples[:, [0, 2]], axis=0, return_inverse=True)
    count = members.graph.num_relations
    blocks = [relation_features(members, head, *pairs[i : i + PAIRS].T) for i in range(0, len(pairs), PAIRS)]
    real = np.ones((len(pairs), count), bool)
    rows, known = members.graph.linking_relations(pairs[:, 0], pairs[:, 1])
    real[rows[known < count], known[known < count]] = False
    fold = np.full(real.shape, NO_ANSWER, np.int8)
    fold[where, triples[:, 1]] = folds
    asks = np.zeros((len(pairs), 2), bool)
    asks[where, folds] = True
    groups = np.broadcast_to(np.arange(count), real.shape)
    columns = tuple(RELATION_FEATURES.index(name) for name in RELATION_GROUPS["structure"])
    droppable = columns if members.structure else ()
    return HeldOut(np.concatenate(blocks), groups.copy(), groups, real, fold, asks, droppable)


def fit_on_folds(
    held: HeldOut, model: ModelSettings, settings: TrainingSettings, budget: Budget, num_groups: int
) -> tuple[Reasoner, Calibration]:
    """The reasoner fitted on all of it, and the calibration fitted on logits of folds that were not seen.

    `budget` is shared out: half for the fit on both folds, a quarter for each fold.
    """
    kind = model.reasoner
    logits, real, labels, groups = [], [], [], []
    seconds = budget.left
    for fold in (0, 1):
        data, rows = held.data((fold,))
        other, _ = held.data((1 - fold,))
        if not len(rows) or not len(other.relations):
            continue
        reasoner = fit_reasoner(other, kind, num_groups, settings, budget.part(seconds / 4))
        with torch.no_grad():
            blocks = [
                reasoner(*(part[i : i + PAIRS] for part in (data.features, data.relations, data.real)))
                for i in range(0, len(rows), PAIRS)
            ]
        logits.append(torch.cat(blocks).double().numpy())
        real.append(data.real.numpy())
        labels.append(data.labels.double().numpy())
        groups.append(held.groups[rows])
    everything, _ = held.data((0, 1))
    reasoner = fit_reasoner(everything, kind, num_groups, settings, budget, EPOCHS)
    if not logits:
        return reasoner, Calibration.plain(num_groups)
    stacked = (np.concatenate(part) for part in (logits, real, labels, groups))
    calibration = fit_calibration(*stacked, num_groups)
    return reasoner, calibration.shifted(np.log(_density(held, (0, 1)) / _density(held, (0,))))


def _density(held: HeldOut, folds: tuple[int, ...]) -> float:
    """Answers per query that has any: a fold of the held-out edges has fewer than all of them."""
    rows = held.asks[:, folds].any(1)
    return max(1, int(np.isin(held.fold[rows], folds).sum())) / max(1, int(rows.sum()))
