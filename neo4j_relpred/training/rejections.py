"""Triples that people found false, as hard negatives of the reasoners: queries of one candidate, which is wrong.

Members proposed them, so they are what members get wrong. The other candidates of such a query are left out, since
nobody said anything about them; and the calibration does not see it, since only what was thought probable is reviewed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from neo4j_relpred.data.knowledge_graph import IntArray, both_directions
from neo4j_relpred.model.chunks import chunks_by_relation
from neo4j_relpred.model.features import FEATURE_NAMES
from neo4j_relpred.model.members import Members
from neo4j_relpred.model.relation_head import RelationHead
from neo4j_relpred.model.relations import RELATION_FEATURES, relation_features
from neo4j_relpred.training.checks import check_features
from neo4j_relpred.training.holdout import HeldOut
from neo4j_relpred.training.reasoner import RankingData

__all__ = ["with_rejected_entities", "with_rejected_relations"]

MOST = 2_000  # triples, drawn at random: held-out answers must stay in the majority


def with_rejected_entities(held: HeldOut, members: Members, rejected: IntArray, seed: int) -> HeldOut:
    """Entity queries, and beside them rejected triples (n, 3) as tail and head queries."""
    triples = _some(members, rejected, len(held) // 4, seed)
    if not len(triples):
        return held
    asked = both_directions(triples, members.graph.num_relations)
    features = np.zeros((len(asked), held.real.shape[1], len(FEATURE_NAMES)), np.float32)
    for relation, rows in chunks_by_relation(asked[:, 1], members.graph.num_entities, members):
        anchors, wrong = asked[rows, 0], asked[rows, 2]
        known = members.graph.answers(anchors, np.full(len(rows), relation))
        proposal = members.propose(relation, anchors, known, wrong[:, None])
        place = (proposal.candidates == wrong[:, None]).argmax(1)
        features[rows, 0] = proposal.features[np.arange(len(rows)), place]
    check_features(features, FEATURE_NAMES, "entity")
    return replace(held, beside=_wrong(features, asked[:, 1:2], np.zeros(len(asked), np.int64)))


def with_rejected_relations(
    held: HeldOut, members: Members, head: RelationHead, rejected: IntArray, seed: int
) -> HeldOut:
    """Relation queries, and beside them rejected triples (n, 3)."""
    triples = _some(members, rejected, len(held) // 4, seed)
    if not len(triples):
        return held
    count = members.graph.num_relations
    features = np.concatenate([relation_features(members, head, one[:1], one[2:]) for one in triples])
    check_features(features, RELATION_FEATURES, "relation")
    return replace(held, beside=_wrong(features, np.tile(np.arange(count), (len(triples), 1)), triples[:, 1]))


def _some(members: Members, rejected: IntArray, most: int, seed: int) -> IntArray:
    """Those that the graph does not hold, against all advice, at most so many."""
    triples = rejected[~members.graph.holds(rejected)] if len(rejected) else rejected
    chosen: IntArray = np.random.default_rng([seed, 8]).permutation(len(triples))[: min(most, MOST)]
    return triples[np.sort(chosen)]


def _wrong(features: npt.NDArray[np.float32], relations: IntArray, place: IntArray) -> RankingData:
    """place (q,): which candidate of each query is the wrong one, and the only one."""
    real = np.zeros(features.shape[:2], bool)
    real[np.arange(len(place)), place] = True
    labels = torch.zeros(real.shape)
    return RankingData(torch.from_numpy(features), torch.from_numpy(relations), labels, torch.from_numpy(real))
