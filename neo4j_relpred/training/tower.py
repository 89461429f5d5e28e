"""Fits the tower: a self-supervised pass (masked edges, text-graph contrast), then supervised contrast over edges."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from neo4j_relpred.config import ModelSettings, TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, both_directions
from neo4j_relpred.model.grown import lend
from neo4j_relpred.model.neighborhood import Neighborhood, gather
from neo4j_relpred.model.tower import Tower
from neo4j_relpred.text.processor import device_of, multiplies_bf16
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.course import Course
from neo4j_relpred.training.negatives import known_answers
from neo4j_relpred.training.unfinished import Place

__all__ = ["fit_tower", "with_entity_width"]

LEARNING_RATE = 2e-3
NEGATIVES = 512  # beside the ends of the batch's own triples
EDGE_DROP = 0.1
MASKED_SHARE = 0.5
ENTITY_WIDTH = 32  # where few nodes have a text
MARGIN = 0.02
LONGEST_STEP = 1.0  # norm of a gradient
DENSE_ENTITIES = 100_000  # above, a step over all entity vectors costs more than all else in it


def with_entity_width(model: ModelSettings, text: Tensor) -> ModelSettings:
    """The settings with a width of entity vectors, where it is unset by whether most nodes have a text.

    A text tells nodes apart; what a tower learns by heart of each beside it, it does not learn from texts and context.
    text: (entities, text width). MRR of the tower alone in the same time with 32 numbers per node and with none:
    WN18RR .527 and .533 (of nodes it takes for new .508 and .533), FB15k-237 .290 and .298, CoDEx-S .302 and .317;
    CoDEx-S without texts .244 and .219.
    """
    if model.entity_width is not None:
        return model
    told = float(text.any(-1).float().mean()) if text.numel() else 0.0
    return model.model_copy(update={"entity_width": 0 if told > 0.5 else ENTITY_WIDTH})


def fit_tower(
    graph: KnowledgeGraph,
    text: Tensor,
    model: ModelSettings,
    settings: TrainingSettings,
    budget: Budget,
    start: Tower | None = None,
    report: Callable[[float], None] = lambda loss: None,
    place: Place | None = None,
) -> Tower:
    """Trains until the budget is used or `max_epochs` are done; `start` lends its weights where the shapes fit.

    It goes on from `place` and keeps there how far it is.

    text: (entities, text width). Each step asks triples in both directions; both ends are encoded once, with the edge
    that is asked about left out (see model.neighborhood), and answer each other's questions.
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng([settings.seed, 2])
    tower = Tower(graph.num_entities, 2 * graph.num_relations, text.shape[1], model)
    lend(start, tower)
    device = device_of(settings.device, "training.device")
    half = multiplies_bf16(device)
    tower, text = tower.to(device), text.to(device, torch.bfloat16 if half else text.dtype)
    optimizer = _Optimizer(tower)
    tower.train()
    size = max(1, settings.batch_size // 2)  # triples, two queries each
    course = Course(len(graph.triples), size, settings, budget, rng, report)
    for rows in course.batches(place, tower=tower, **optimizer.parts):
        progress = course.progress
        contrast = settings.contrast_weight if progress < settings.selfsupervised_share else None
        with torch.autocast(device, torch.bfloat16, enabled=half):
            loss = _step(tower, graph, text, graph.triples[rows], model, contrast, rng)
        optimizer.step(loss, LEARNING_RATE * max(0.02, 1 - progress))
        course.loss += loss.item()
    return tower.cpu().train(mode=False)


class _Optimizer:
    """AdamW; in a large graph the entity vectors have an Adam of their own that moves only those that a batch meets."""

    def __init__(self, tower: Tower) -> None:
        table = tower.fusion.entity
        tower.fusion.sparse = len(table) > DENSE_ENTITIES and table.numel() > 0
        self._rest = [weight for weight in tower.parameters() if weight is not table or not tower.fusion.sparse]
        self._table = table if tower.fusion.sparse else None
        self._optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(self._rest, lr=LEARNING_RATE, weight_decay=1e-4, fused=True)
        ]
        if self._table is not None:
            self._optimizers.append(torch.optim.SparseAdam([self._table], lr=LEARNING_RATE))

    @property
    def parts(self) -> dict[str, torch.optim.Optimizer]:
        """What changes beside the weights."""
        return {f"optimizer{number}": optimizer for number, optimizer in enumerate(self._optimizers)}

    def step(self, loss: Tensor, rate: float) -> None:
        """Moves all weights down the slope of a scalar loss."""
        for optimizer in self._optimizers:
            optimizer.zero_grad()
            for group in optimizer.param_groups:
                group["lr"] = rate
        loss.backward()
        self._clip()
        for optimizer in self._optimizers:
            optimizer.step()

    def _clip(self) -> None:
        """The gradient as a whole to LONGEST_STEP at most."""
        if self._table is None:
            torch.nn.utils.clip_grad_norm_(self._rest, LONGEST_STEP)
            return
        assert self._table.grad is not None
        met = self._table.grad = self._table.grad.coalesce()
        gradients = [weight.grad for weight in self._rest if weight.grad is not None] + [met.values()]
        total = torch.nn.utils.get_total_norm(gradients)
        torch.nn.utils.clip_grads_with_norm_(self._rest, LONGEST_STEP, total)
        met.values().mul_(min(1.0, LONGEST_STEP / (total.item() + 1e-6)))


def _step(
    tower: Tower,
    graph: KnowledgeGraph,
    text: Tensor,
    batch: IntArray,
    model: ModelSettings,
    contrast: float | None,
    rng: np.random.Generator,
) -> Tensor:
    """batch: (b, 3) triples to ask. The self-supervised pass, which has a contrast, hides half of the other edges."""
    queries = both_directions(batch, graph.num_relations)  # (2b, 3)
    anchors, relations = queries[:, 0], queries[:, 1]
    negatives = rng.integers(graph.num_entities, size=NEGATIVES)
    nothing = np.full((NEGATIVES, 2), -1, np.int64)
    asked = np.concatenate([queries[:, 1:], nothing])
    seeds = np.concatenate([anchors, negatives])
    drop = EDGE_DROP if contrast is None else MASKED_SHARE
    around = gather(graph, seeds, asked, model.neighbors, model.gnn_layers, int(rng.integers(2**31)), drop)
    around = around.to(text.device)
    encoded = tower.encode(around, text, model.unknown_share)  # (2b + negatives, hidden)
    size = len(queries)
    query = tower.query(encoded[:size], torch.from_numpy(relations).to(text.device))
    logits = tower.scores(query, encoded)  # (2b, 2b + negatives)
    other = np.roll(np.arange(size), len(batch))  # the row of the other end of the same triple
    rows, own = (torch.from_numpy(part).to(text.device) for part in (np.arange(size), other))
    logits[rows, own] -= MARGIN / tower.log_temperature.exp()
    logits = logits.masked_fill(known_answers(graph, queries, seeds, other).to(text.device), -1e4)
    loss = functional.cross_entropy(logits, own)
    if contrast and text.shape[1]:
        loss = loss + contrast * _contrast(tower, around, text, size)
    return loss


def _contrast(tower: Tower, around: Neighborhood, text: Tensor, size: int) -> Tensor:
    """InfoNCE between a node's text and what its neighbourhood says of it (after ConGraT, Brannon et al. 2023)."""
    graph_view = functional.normalize(tower.encode(around, text, 1.0, own_share=0.0)[:size], dim=-1)
    nodes, first = torch.unique(around.nodes[:size], return_inverse=True)
    position = torch.zeros_like(nodes)
    position[first] = torch.arange(size, device=nodes.device)
    text_view = functional.normalize(tower.describe(nodes, text), dim=-1)
    logits = text_view @ graph_view[position].T / 0.1  # (nodes, nodes)
    target = torch.arange(len(nodes), device=nodes.device)
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2
