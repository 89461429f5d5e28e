"""Fits the tower: a self-supervised pass (masked edges, text-graph contrast), then supervised contrast over edges."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from neo4j_relpred.config import ModelSettings, TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, inverse
from neo4j_relpred.model.neighborhood import Neighborhood, gather
from neo4j_relpred.model.tower import Tower
from neo4j_relpred.training.budget import Budget

__all__ = ["fit_tower"]

LEARNING_RATE = 2e-3
NEGATIVES = 1_024
EDGE_DROP = 0.1
MASKED_SHARE = 0.5
MARGIN = 0.02
CONTRAST_WEIGHT = 0.5


def fit_tower(
    graph: KnowledgeGraph,
    text: Tensor,
    model: ModelSettings,
    settings: TrainingSettings,
    budget: Budget,
    start: Tower | None = None,
    report: Callable[[float], None] = lambda loss: None,
) -> Tower:
    """Trains until the budget is used or `max_epochs` are done; `start` lends its weights where the shapes fit.

    text: (entities, text width). Each step asks edges in both directions; every seed is encoded with the edge that
    is asked of it left out (see model.neighborhood).
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng([settings.seed, 2])
    tower = Tower(graph.num_entities, 2 * graph.num_relations, text.shape[1], model)
    if start is not None and _shapes(start) == _shapes(tower):
        tower.load_state_dict(start.state_dict())
    optimizer = torch.optim.AdamW(tower.parameters(), lr=LEARNING_RATE, weight_decay=1e-4)
    tower.train()
    steps = -(-len(graph.edges) // settings.batch_size)
    for epoch in range(settings.max_epochs):
        order = rng.permutation(len(graph.edges))
        total = 0.0
        for step in range(steps):
            progress = max(budget.fraction, (epoch + step / steps) / settings.max_epochs)
            if budget.left <= 0:
                return tower.train(mode=False)
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * max(0.02, 1 - progress)
            batch = graph.edges[order[step * settings.batch_size : (step + 1) * settings.batch_size]]
            masked = progress < settings.selfsupervised_share
            loss = _step(tower, graph, text, batch, model, masked, rng)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
            optimizer.step()
            total += loss.item()
        report(total / steps)
    return tower.train(mode=False)


def _shapes(tower: Tower) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in tower.state_dict().items()}


def _step(
    tower: Tower,
    graph: KnowledgeGraph,
    text: Tensor,
    batch: IntArray,
    model: ModelSettings,
    masked: bool,
    rng: np.random.Generator,
) -> Tensor:
    """batch: (b, 3) edges to ask. In the self-supervised pass half of the other edges are hidden, too."""
    heads, relations, tails = batch.T
    negatives = rng.integers(graph.num_entities, size=NEGATIVES)
    nothing = np.full((NEGATIVES, 2), -1, np.int64)
    asked_of_tails = np.stack([inverse(relations, graph.num_relations), heads], axis=1)
    asked = np.concatenate([np.stack([relations, tails], axis=1), asked_of_tails, nothing])
    seeds = np.concatenate([heads, tails, negatives])
    drop = MASKED_SHARE if masked else EDGE_DROP
    around = gather(graph, seeds, asked, model.neighbors, model.gnn_layers, int(rng.integers(2**31)), drop)
    encoded = tower.encode(around, text, model.unknown_share)  # (2b + negatives, hidden)
    size = len(batch)
    query = tower.query(encoded[:size], torch.from_numpy(relations))
    logits = tower.scores(query, encoded[size:])  # (b, b + negatives)
    own = torch.arange(size)
    logits[own, own] -= MARGIN / tower.log_temperature.exp()
    logits = logits.masked_fill(_known(graph, batch, seeds[size:]), -1e4)
    loss = functional.cross_entropy(logits, own)
    if masked and text.shape[1]:
        loss = loss + CONTRAST_WEIGHT * _contrast(tower, around, text, size)
    return loss


def _known(graph: KnowledgeGraph, batch: IntArray, candidates: IntArray) -> Tensor:
    """(b, candidates): candidates that are answers but not the one asked for in their row."""
    order = np.argsort(candidates, kind="stable")
    rows, answers = graph.answers(batch[:, 0], batch[:, 1])
    first = np.searchsorted(candidates[order], answers, side="left")
    last = np.searchsorted(candidates[order], answers, side="right")
    mask = np.zeros((len(batch), len(candidates)), bool)
    for offset in range(int((last - first).max(initial=0))):
        there = first + offset < last
        mask[rows[there], order[first[there] + offset]] = True
    own = np.arange(len(batch))
    mask[own, own] = False
    return torch.from_numpy(mask)


def _contrast(tower: Tower, around: Neighborhood, text: Tensor, size: int) -> Tensor:
    """InfoNCE between a node's text and what its neighbourhood says of it (after ConGraT, Brannon et al. 2023)."""
    graph_view = functional.normalize(tower.encode(around, text, 1.0, own_share=0.0)[:size], dim=-1)
    nodes, first = torch.unique(around.nodes[:size], return_inverse=True)
    position = torch.zeros(len(nodes), dtype=torch.long)
    position[first] = torch.arange(size)
    text_view = functional.normalize(tower.describe(nodes, text), dim=-1)
    logits = text_view @ graph_view[position].T / 0.1  # (nodes, nodes)
    target = torch.arange(len(nodes))
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2
