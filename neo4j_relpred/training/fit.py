"""Trains a whole model within a time budget: members, relation head, reasoners, calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from neo4j_relpred.config import ModelSettings, TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, both_directions
from neo4j_relpred.errors import TooLittleData
from neo4j_relpred.model.encoding import encode_all
from neo4j_relpred.model.members import Members
from neo4j_relpred.model.relation_head import RelationHead
from neo4j_relpred.model.rules import Rules, mine_rules
from neo4j_relpred.model.trained import TrainedModel, centred
from neo4j_relpred.model.words import Words
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.holdout import entity_data, fit_on_folds, links_tell, relation_data
from neo4j_relpred.training.memory import Size, give_back, limit_caches, refuse_too_large
from neo4j_relpred.training.plan import plan_training, untrained
from neo4j_relpred.training.relation_head import fit_relation_head
from neo4j_relpred.training.structure import fit_structure
from neo4j_relpred.training.tower import fit_tower
from neo4j_relpred.training.weights import weigh

__all__ = ["Progress", "fit", "prepare_torch"]

Progress = Callable[[str, float], None]
HEAD_SHARE = 0.15  # of what the reasoners leave; the members share the rest
SHARES = {"structure": 0.47, "tower": 0.53}
SLACK = 1.6  # over the pace of the entity reasoner, for the features of pairs
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
    limit_caches()
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
    over the same relations and entities, so that a refresh goes on from them. Raises TooLittleData, TooLittleMemory.
    """
    budget = Budget.minutes(settings.minutes)
    if len(train.triples) < LEAST_TRIPLES or not len(holdout):
        raise TooLittleData(
            f"{len(train.triples) + len(holdout)} relationships are too few to train on.",
            hint=f"At least {LEAST_TRIPLES} are needed after some are held out; read more types or labels.",
        )
    every = len(train.triples) + len(holdout)
    size = Size(train.num_entities, every, train.num_relations, vectors.shape[1], len(holdout), words is not None)
    refuse_too_large(size, model, settings)
    prepare_torch(settings)
    train = replace(train)  # what is worked out about the graph goes when the graph does: the caller keeps theirs
    centre = vectors.mean(0) if start is None or start.centre.shape != vectors.shape[1:] else start.centre
    stage = _Stage(train, centred(vectors, centre), words, model, settings, progress)
    holdout = holdout[np.random.default_rng([settings.seed, 5]).permutation(len(holdout))]
    base_rate = _base_rate(train, holdout)
    rules = mine_rules(train, model.rule_length)
    plan = plan_training(untrained(train, stage.text, rules, words, model), holdout, settings, budget)
    if plan.held_out < len(holdout):  # what the reasoners have no time for trains the members
        train = train.with_triples(holdout[plan.held_out :])
        stage, holdout = replace(stage, graph=train), holdout[: plan.held_out]
        give_back()
        rules = mine_rules(train, model.rule_length)
    progress("rules", 1.0)
    free = max(0.0, budget.left - plan.reasoner_seconds - plan.between_seconds)
    members = _fit_members(stage, rules, budget.part(free * (1 - HEAD_SHARE)), start)
    members = replace(members, weights=weigh(members, holdout))
    progress("reasoner", 0.0)
    linked = not links_tell(train, holdout)
    held, width = entity_data(members, holdout, linked=linked), 2 * train.num_relations
    reasoning = Budget.minutes(max(0.0, budget.left - free * HEAD_SHARE) / 60)
    entities = fit_on_folds(held, model, settings, reasoning, width)
    # What the entity reasoner left goes to the relation head, and its pace tells what relation queries will need.
    more = SLACK * len(holdout) * train.num_relations / max(1, held.real.size)
    part = budget.part(budget.left - min(0.5 * budget.left, reasoning.used * more))
    head = RelationHead(train.num_relations, stage.text.shape[1])
    fit_relation_head(head, train, stage.text, settings, part, _shown(progress, "relation head", part))
    progress("relation reasoner", 0.0)
    relations = fit_on_folds(relation_data(members, head, holdout), model, settings, budget, width)
    progress("relation reasoner", 1.0)
    members = replace(members)  # without what was worked out while asking
    return TrainedModel(members, head, entities[0], relations[0], entities[1], relations[1], base_rate, centre)


def _fit_members(stage: _Stage, rules: Rules, budget: Budget, start: TrainedModel | None) -> Members:
    """Each member within its share of the budget; a member that is switched off leaves its share to the others."""
    graph, text, model, settings, progress = stage.graph, stage.text, stage.model, stage.settings, stage.progress
    shares = {name: share for name, share in SHARES.items() if name != "structure" or model.structure_rank > 0}
    seconds = {name: budget.seconds * share / sum(shares.values()) for name, share in shares.items()}
    structure = None
    if "structure" in seconds:
        progress("structure", 0.0)
        part = budget.part(seconds["structure"])
        lent = start.members.structure if start else None
        shown = _shown(progress, "structure", part)
        structure = fit_structure(graph, model.structure_rank, settings, part, lent, shown)
        give_back()
    progress("tower", 0.0)
    part = budget.part(seconds["tower"])
    lent_tower = start.members.tower if start else None
    tower = fit_tower(graph, text, model, settings, part, lent_tower, _shown(progress, "tower", part))
    progress("tower", 1.0)
    give_back()
    encoded = encode_all(tower, graph, text, model)
    return Members(graph, text, rules, structure, tower, encoded, model, graph.num_entities, stage.words)


def _shown(progress: Progress, name: str, budget: Budget) -> Callable[[float], None]:
    return lambda loss: progress(name, budget.fraction)


def _base_rate(train: KnowledgeGraph, holdout: IntArray) -> float:
    """Share of the questions that could be asked, (head, relation) with an edge, to which held-out edges answer."""
    asked = both_directions(holdout, train.num_relations)
    hidden = np.unique(asked[:, 0] * 2 * train.num_relations + asked[:, 1])
    context = train.context.reshape(-1)
    everything = int(np.count_nonzero(context)) + int(np.count_nonzero(context[hidden] == 0))
    return float(np.clip(len(hidden) / max(1, everything), 1e-3, 1.0))
