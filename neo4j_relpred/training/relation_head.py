"""Fits the relation head on training edges, each left out of its own inputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from neo4j_relpred.config import TrainingSettings
from neo4j_relpred.data.knowledge_graph import KnowledgeGraph
from neo4j_relpred.model.relation_head import RelationHead, pair_inputs
from neo4j_relpred.text.processor import device_of
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.course import Course
from neo4j_relpred.training.unfinished import Place

__all__ = ["fit_relation_head"]

LEARNING_RATE = 2e-3
LEAST_STEPS = 60
BATCH = 512  # fewer where thousands of relations make inputs so wide that a batch has more than INPUTS numbers
INPUTS = 4_000_000


def fit_relation_head(
    head: RelationHead,
    graph: KnowledgeGraph,
    text: Tensor,
    settings: TrainingSettings,
    budget: Budget,
    report: Callable[[float], None] = lambda loss: None,
    place: Place | None = None,
) -> RelationHead:
    """Softmax over relations; other relations that hold between the same nodes are left out of it.

    It goes on from `place` and keeps there how far it is.
    """
    device = torch.device(device_of(settings.device, "training.device"))
    head, text = head.to(device), text.to(device)
    torch.manual_seed(settings.seed + 4)
    rng = np.random.default_rng([settings.seed, 4])
    optimizer = torch.optim.AdamW(head.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    head.counts.copy_(torch.from_numpy(np.bincount(graph.triples[:, 1], minlength=graph.num_relations)))
    head.train()
    size = max(1, min(settings.batch_size, BATCH, INPUTS // (6 * graph.num_relations)))
    course = Course(len(graph.triples), size, settings, budget, rng, report, LEAST_STEPS)
    for rows in course.batches(place, head=head, optimizer=optimizer):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * max(0.02, 1 - course.progress)
        heads, relations, tails = graph.triples[rows].T
        pairs = pair_inputs(graph, heads, tails, relations).to(device)
        others = pairs.links[:, : graph.num_relations] > 0  # true as well, so no wrong answers
        target = torch.from_numpy(relations).to(device)
        logits = head.each(pairs, text).masked_fill(others, -1e4)  # (networks, q, R)
        loss = functional.cross_entropy(logits.flatten(0, 1), target.repeat(len(logits)), label_smoothing=0.02)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        course.loss += loss.item()
    return head.cpu().train(mode=False)
