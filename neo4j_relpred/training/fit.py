"""Trains a whole model within a time budget: members, relation head, reasoners, calibration."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from neo4j_relpred.config import ModelSettings, TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, both_directions
from neo4j_relpred.errors import TooLittleData
from neo4j_relpred.model.members import FEATURE_NAMES, Members, encode_all
from neo4j_relpred.model.relation_head import RelationHead
from neo4j_relpred.model.relations import RELATION_FEATURES
from neo4j_relpred.model.rules import Rules, mine_rules
from neo4j_relpred.model.structure import ComplEx
from neo4j_relpred.model.tower import Tower
from neo4j_relpred.model.trained import TrainedModel, centred
from neo4j_relpred.model.words import Words
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.checks import check_features, check_members, check_model, check_vectors, distinct
from neo4j_relpred.training.holdout import entity_data, fit_on_folds, links_tell, passes, relation_data
from neo4j_relpred.training.reasoner import EPOCHS, fit_reasoner
from neo4j_relpred.training.relation_head import fit_relation_head
from neo4j_relpred.training.structure import fit_structure
from neo4j_relpred.training.tower import fit_tower
from neo4j_relpred.training.weights import weigh

__all__ = ["Progress", "fit", "prepare_torch"]

Progress = Callable[[str, float], None]
Result = TypeVar("Result")
HEAD_SHARE = 0.15  # of what the reasoners leave; the members share the rest
SHARES = {"structure": 0.47, "tower": 0.53}
MOST_FOR_REASONERS = 0.4
SLACK = 1.6  # over the pace of the entity reasoner, for the features of pairs
FIT_SLACK = 1.3  # over the pace of a fit of the reasoner
PILOT_TRIPLES = 256
HELD_BYTES = 3 << 30  # that the features of held-out queries may take, however much time there is
LEAST_TRIPLES = 20


@dataclass(frozen=True)
class _Stage:
    """What every stage needs."""

    graph: KnowledgeGraph
    text: Tensor
    words: Words | None
    model: ModelSettings
    settings: TrainingSettings
    progress: Progress


def prepare_torch(settings: TrainingSettings) -> None:
    """One thread unless the settings say otherwise; denormals count as zero (they slow training eightfold)."""
    torch.set_num_threads(settings.threads)
    torch.set_flush_denormal(True)


def fit(
    train: KnowledgeGraph,
    holdout: IntArray,
    vectors: Tensor,
    model: ModelSettings,
    settings: TrainingSettings,
    progress: Progress = lambda stage, share: None,
    start: TrainedModel | None = None,
    words: Words | None = None,
) -> TrainedModel:
    """Trains on `train`; the reasoners and the calibration are fitted on `holdout` (n, 3), which no member sees.

    vectors: (entities, text width) from the encoder; words: one row per entity. `start` lends the weights of a model
    over the same relations and entities, so that a refresh goes on from them. Raises TooLittleData, NotFinite.
    """
    budget = Budget.minutes(settings.minutes)
    check_vectors(vectors)
    train, holdout = distinct(train, holdout)
    if len(train.triples) < LEAST_TRIPLES or not len(holdout):
        raise TooLittleData(
            f"{len(train.triples) + len(holdout)} relationships are too few to train on.",
            hint=f"At least {LEAST_TRIPLES} are needed after some are held out; read more types or labels.",
        )
    prepare_torch(settings)
    centre = vectors.mean(0) if start is None or start.centre.shape != vectors.shape[1:] else start.centre
    stage = _Stage(train, centred(vectors, centre), words, model, settings, progress)
    holdout = holdout[np.random.default_rng([settings.seed, 5]).permutation(len(holdout))]
    base_rate = _base_rate(train, holdout)
    rules = mine_rules(train, model.rule_length)
    affordable, reserve = _plan(stage, rules, holdout, budget)
    if affordable < len(holdout):  # what the reasoners have no time for trains the members
        train = train.with_triples(holdout[affordable:])
        stage, holdout = replace(stage, graph=train), holdout[:affordable]
        rules = mine_rules(train, model.rule_length)
    progress("rules", 1.0)
    free = budget.left - reserve
    members = _fit_members(stage, rules, budget.part(free * (1 - HEAD_SHARE)), start)
    check_members(members)
    members = replace(members, weights=weigh(members, holdout))
    progress("reasoner", 0.0)
    linked = not links_tell(train, holdout)
    held, width = entity_data(members, holdout, linked=linked), 2 * train.num_relations
    check_features(held.features, FEATURE_NAMES, "entity")
    reasoning = Budget.minutes(max(0.0, budget.left - free * HEAD_SHARE) / 60)
    entities = fit_on_folds(held, model, settings, reasoning, width)
    # What the entity reasoner left goes to the relation head, and its pace tells what relation queries will need.
    size = SLACK * len(holdout) * train.num_relations / max(1, held.real.size)
    part = budget.part(budget.left - min(0.5 * budget.left, reasoning.used * size))
    head = RelationHead(train.num_relations, stage.text.shape[1])
    fit_relation_head(head, train, stage.text, settings, part, _shown(progress, "relation head", part))
    head.zero_grad()  # of thousands of relations the last gradients are many, and nobody reads them
    progress("relation reasoner", 0.0)
    pairs = relation_data(members, head, holdout)
    check_features(pairs.features, RELATION_FEATURES, "relation")
    relations = fit_on_folds(pairs, model, settings, budget, width)
    progress("relation reasoner", 1.0)
    trained = TrainedModel(members, head, entities[0], relations[0], entities[1], relations[1], base_rate, centre)
    check_model(trained)
    return trained


def _plan(stage: _Stage, rules: Rules, holdout: IntArray, budget: Budget) -> tuple[int, float]:
    """How many held-out triples the reasoners have time and room for, and the seconds to keep for them.

    Timed on a few triples with untrained members: what features cost does not depend on the weights.
    """
    graph, width = stage.graph, 2 * stage.graph.num_relations
    untrained = Members(
        graph=graph,
        text=stage.text,
        rules=rules,
        structure=ComplEx(graph.num_entities, width, rank) if (rank := stage.model.structure_rank) else None,
        tower=Tower(graph.num_entities, width, stage.text.shape[1], stage.model).train(mode=False),
        encoded=torch.randn(graph.num_entities, stage.model.hidden),
        settings=stage.model,
        trained=graph.num_entities,
        words=stage.words,
    )
    pilot = holdout[:PILOT_TRIPLES]
    few = max(1, len(pilot) // 8)
    entity_data(untrained, pilot[:few])  # compiles the kernels
    few_seconds, _ = _timed(lambda: entity_data(untrained, pilot[:few]))
    all_seconds, held = _timed(lambda: entity_data(untrained, pilot))
    data = held.data()
    one_pass, _ = _timed(
        lambda: fit_reasoner(data, stage.model.reasoner, width, stage.settings, Budget.minutes(1), passes=1)
    )
    slope = max(all_seconds - few_seconds, 0.0) / max(1, len(pilot) - few)
    fits = FIT_SLACK * passes(2 * len(holdout)) * EPOCHS * one_pass / len(pilot)
    allowed = MOST_FOR_REASONERS * budget.left - few_seconds
    room = HELD_BYTES * len(pilot) // held.features.nbytes
    affordable = min(len(holdout), max(len(pilot), min(room, int(allowed / max(slope + fits, 1e-9)))))
    return affordable, min(few_seconds + affordable * (slope + fits), MOST_FOR_REASONERS * budget.left)


def _timed(work: Callable[[], Result]) -> tuple[float, Result]:
    started = time.monotonic()
    result = work()
    return time.monotonic() - started, result


def _fit_members(stage: _Stage, rules: Rules, budget: Budget, start: TrainedModel | None) -> Members:
    """Each member within its share of the budget; a member that is switched off leaves its share to the others."""
    graph, text, model, settings, progress = stage.graph, stage.text, stage.model, stage.settings, stage.progress
    shares = {name: share for name, share in SHARES.items() if name != "structure" or model.structure_rank > 0}
    seconds = {name: budget.seconds * share / sum(shares.values()) for name, share in shares.items()}
    structure = None
    if "structure" in seconds:
        part = budget.part(seconds["structure"])
        lent = start.members.structure if start else None
        shown = _shown(progress, "structure", part)
        structure = fit_structure(graph, model.structure_rank, settings, part, lent, shown)
    part = budget.part(seconds["tower"])
    lent_tower = start.members.tower if start else None
    tower = fit_tower(graph, text, model, settings, part, lent_tower, _shown(progress, "tower", part))
    tower.zero_grad()
    encoded = encode_all(tower, graph, text, model)
    return Members(graph, text, rules, structure, tower, encoded, model, graph.num_entities, stage.words)


def _shown(progress: Progress, name: str, budget: Budget) -> Callable[[float], None]:
    return lambda loss: progress(name, budget.fraction)


def _base_rate(train: KnowledgeGraph, holdout: IntArray) -> float:
    """Share of the questions that could be asked, (head, relation) with an edge, to which held-out edges answer."""
    asked = both_directions(holdout, train.num_relations)
    width = 2 * train.num_relations
    hidden = np.unique(asked[:, 0] * width + asked[:, 1])
    everything = np.union1d(train.query_keys, hidden)
    return float(np.clip(len(hidden) / max(1, len(everything)), 1e-3, 1.0))
