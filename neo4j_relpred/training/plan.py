"""Plans a training: what the parts without a budget of their own cost, timed on a few questions and nodes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from neo4j_relpred.config import ModelSettings, TrainingSettings
from neo4j_relpred.data.knowledge_graph import KnowledgeGraph
from neo4j_relpred.model.encoding import ENCODE_BATCH, encode_all, fuse_all
from neo4j_relpred.model.members import Members
from neo4j_relpred.model.rules import Rules
from neo4j_relpred.model.structure import ComplEx
from neo4j_relpred.model.tower import Tower
from neo4j_relpred.model.words import Words
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.holdout import Questions, entity_data, passes
from neo4j_relpred.training.memory import HELD_BYTES, HELD_SHARE
from neo4j_relpred.training.reasoner import EPOCHS, fit_reasoner
from neo4j_relpred.training.weights import TRIPLES as WEIGHED

__all__ = ["Plan", "plan_training", "untrained"]

Result = TypeVar("Result")
FIT_SLACK = 1.2  # over the pace of a fit of the reasoner
PILOT = 512  # questions


@dataclass(frozen=True)
class Plan:
    """questions: how many of the held-out ones the reasoners have time and room for.

    Seconds to keep for them, and for what comes between members and reasoners: weighing them and encoding all nodes.
    """

    questions: int
    reasoner_seconds: float
    between_seconds: float


def plan_training(
    members: Members, questions: Questions, settings: TrainingSettings, budget: Budget, workers: int = 1
) -> Plan:
    """By the pace of untrained members: what they cost does not depend on the weights."""
    model, width = members.settings, 2 * members.graph.num_relations
    pilot = questions.first(PILOT)
    few = max(1, len(pilot) // 8)
    entity_data(members, pilot.first(1))  # compiles the kernels
    few_seconds, _ = _timed(lambda: entity_data(members, pilot.first(few), workers=workers))
    all_seconds, held = _timed(lambda: entity_data(members, pilot, workers=workers))
    data = held.data()
    fitted = partial(fit_reasoner, data, model.reasoner, width, settings, Budget.minutes(1))
    (one, _), (two, _) = (_timed(partial(fitted, passes=count)) for count in (1, 2))
    one_pass = max(two - one, one / 10)  # without what a fit takes once
    slope = max(all_seconds - few_seconds, 0.0) / max(1, len(pilot) - few)
    fits = FIT_SLACK * passes(len(questions)) * EPOCHS * one_pass / len(pilot)
    allowed = HELD_SHARE * budget.left - few_seconds
    room = HELD_BYTES * len(pilot) // held.features.nbytes
    affordable = min(len(questions), max(len(pilot), min(room, int(allowed / max(slope + fits, 1e-9)))))
    reasoners = min(few_seconds + affordable * (slope + fits), HELD_SHARE * budget.left)
    weighing = few_seconds + slope * min(WEIGHED, len(questions))
    return Plan(affordable, reasoners, weighing + _encoding_seconds(members))


def untrained(
    graph: KnowledgeGraph, text: Tensor, rules: Rules, words: Words | None, settings: ModelSettings
) -> Members:
    """Members of the right shapes."""
    count, width = graph.num_entities, 2 * graph.num_relations
    return Members(
        graph=graph,
        text=text,
        rules=rules,
        structure=ComplEx(count, width, settings.structure_rank) if settings.structure_rank else None,
        tower=Tower(count, width, text.shape[1], settings).train(mode=False),
        encoded=torch.randn(count, settings.hidden),
        settings=settings,
        trained=count,
        words=words,
    )


def _encoding_seconds(members: Members) -> float:
    """What encoding all nodes will take, by the pace on some of them."""
    graph, tower, size = members.graph, members.tower, min(ENCODE_BATCH, members.graph.num_entities)
    assert tower is not None
    nodes = np.random.default_rng(0).choice(graph.num_entities, size, replace=False)
    encode = partial(encode_all, tower, graph, members.text, members.settings, nodes, members.encoded)
    encode()  # compiles
    seconds = sum(_timed(work)[0] for work in (partial(fuse_all, tower, graph, members.text, nodes), encode))
    return seconds * graph.num_entities / size


def _timed(work: Callable[[], Result]) -> tuple[float, Result]:
    started = time.monotonic()
    result = work()
    return time.monotonic() - started, result
