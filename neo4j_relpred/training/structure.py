"""Fits the structure member: softmax over tails for each distinct query, N3, and the relation softmax."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from neo4j_relpred.config import TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.model.structure import ComplEx
from neo4j_relpred.training.budget import Budget

__all__ = ["fit_structure"]

EXACT_ENTITIES = 10_000
SHARED_NEGATIVES = 4_000
LEARNING_RATE = 0.1
LAST_LEARNING_RATE = 0.02


def fit_structure(
    graph: KnowledgeGraph,
    rank: int,
    settings: TrainingSettings,
    budget: Budget,
    start: ComplEx | None = None,
    report: Callable[[float], None] = lambda loss: None,
) -> ComplEx:
    """Trains until the budget is used or `max_epochs` are done; `start` lends its weights where the shapes fit.

    Equal (head, relation) are one query with many answers, so an epoch costs a matrix product per distinct query:
    loss = sum(n * logsumexp - true logits) / sum(n). Above EXACT_ENTITIES the softmax runs over shared samples.
    """
    rng = np.random.default_rng([settings.seed, 1])
    torch.manual_seed(settings.seed)
    width = 2 * graph.num_relations
    model = ComplEx(graph.num_entities, width, rank)
    if start is not None and start.entity.shape == model.entity.shape and start.relation.shape == model.relation.shape:
        model.load_state_dict(start.state_dict())
    optimizer = torch.optim.Adagrad(model.parameters(), lr=LEARNING_RATE)
    keys, starts, counts = np.unique(graph.query_keys, return_index=True, return_counts=True)
    # batch_size counts triples: with equal queries grouped, that many triples stand behind fewer queries
    per_batch = max(1, round(settings.batch_size * len(keys) / max(1, len(graph.edges))))
    for epoch in range(settings.max_epochs):
        order = rng.permutation(len(keys))
        epoch_loss = 0.0
        for first in range(0, len(order), per_batch):
            if budget.left <= 0:
                return model
            progress = max(budget.fraction, epoch / settings.max_epochs)
            for group in optimizer.param_groups:
                late = max(0.0, 2 * progress - 1)
                group["lr"] = LEARNING_RATE + late * (LAST_LEARNING_RATE - LEARNING_RATE)
            chosen = order[first : first + per_batch]
            rows = np.repeat(np.arange(len(chosen)), counts[chosen])
            within = np.arange(len(rows)) - np.repeat(np.cumsum(counts[chosen]) - counts[chosen], counts[chosen])
            tails = graph.edges[starts[chosen][rows] + within, 2]
            loss = _loss(model, keys[chosen] // width, keys[chosen] % width, rows, tails, graph, settings, rng)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            epoch_loss += loss.item()
        report(epoch_loss)
    return model


def _loss(
    model: ComplEx,
    anchors: IntArray,
    relations: IntArray,
    rows: IntArray,
    tails: IntArray,
    graph: KnowledgeGraph,
    settings: TrainingSettings,
    rng: np.random.Generator,
) -> Tensor:
    """Mean loss per triple. rows, tails: (t,) the query and the answer of each triple."""
    query = model.query(torch.from_numpy(anchors), torch.from_numpy(relations))  # (q, 2 rank)
    row, tail = torch.from_numpy(rows), torch.from_numpy(tails)
    candidates: Tensor = model.entity
    column = tail
    if graph.num_entities > EXACT_ENTITIES:
        drawn = np.unique(np.concatenate([tails, rng.integers(graph.num_entities, size=SHARED_NEGATIVES)]))
        candidates = model.entity[torch.from_numpy(drawn)]
        column = torch.from_numpy(np.searchsorted(drawn, tails))
    logits = query @ candidates.T  # (q, candidates)
    total = len(rows)
    loss = (torch.logsumexp(logits, 1)[row] - logits[row, column]).sum() / total
    heads, kinds = torch.from_numpy(anchors)[row], torch.from_numpy(relations)[row]
    loss = loss + settings.structure_regularisation * model.n3(heads, kinds, tail) / total
    if settings.relation_weight > 0 and graph.num_relations > 1:
        loss = loss + settings.relation_weight * functional.cross_entropy(model.pairs(heads, tail), kinds)
    return loss
