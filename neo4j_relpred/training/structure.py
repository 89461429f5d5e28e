"""Fits the structure member: softmax over tails for each distinct query, N3, and the relation softmax."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neo4j_relpred.config import TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, ranges
from neo4j_relpred.model.grown import lend
from neo4j_relpred.model.structure import ComplEx
from neo4j_relpred.text.processor import device_of, multiplies_bf16
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.course import Course, Part
from neo4j_relpred.training.unfinished import Place

__all__ = ["fit_structure", "settled"]

EXACT_ENTITIES = 10_000  # on FB15k-237 12 epochs with samples reach the same MRR in 44 % of the time
SHARED_NEGATIVES = 3_000
LEARNING_RATE = 0.1
LAST_LEARNING_RATE = 0.02
LEAST_STEPS = 4  # in an epoch, however few queries there are
ENOUGH_EDGES = 40  # per node; with fewer N3 must hold more


@dataclass(frozen=True)
class _Batch:
    """Distinct queries anchors, relations (q,); rows, tails (t,): the query and the answer of each triple."""

    anchors: IntArray
    relations: IntArray
    rows: IntArray
    tails: IntArray

    def over(self, nodes: IntArray) -> _Batch:
        """The same in places of `nodes`, which are sorted and hold every entity of the batch."""
        anchors, tails = (np.searchsorted(nodes, ends) for ends in (self.anchors, self.tails))
        return _Batch(anchors, self.relations, self.rows, tails)


def fit_structure(
    graph: KnowledgeGraph,
    rank: int,
    settings: TrainingSettings,
    budget: Budget,
    start: ComplEx | None = None,
    report: Callable[[float], None] = lambda loss: None,
    place: Place | None = None,
) -> ComplEx:
    """Trains until the budget is used or `max_epochs` are done; `start` lends its weights where the shapes fit.

    It goes on from `place` and keeps there how far it is.

    Equal (head, relation) are one query with many answers, so an epoch costs a matrix product per distinct query:
    loss = sum(n * logsumexp - true logits) / sum(n). Above EXACT_ENTITIES the softmax runs over shared samples, and
    only the vectors that a batch meets are moved: a step must not cost the whole table.
    """
    settings = settled(settings, graph)
    rng = np.random.default_rng([settings.seed, 1])
    torch.manual_seed(settings.seed)
    width = 2 * graph.num_relations
    model = ComplEx(graph.num_entities, width, rank)
    lend(start, model)
    model = model.to(device_of(settings.device, "training.device"))
    large = graph.num_entities > EXACT_ENTITIES
    step: _WholeTable | _SomeRows = _SomeRows(model, settings, rng) if large else _WholeTable(model, settings)
    starts = np.flatnonzero(np.diff(graph.query_keys, prepend=-1))  # they are sorted
    keys, counts = graph.query_keys[starts], np.diff(starts, append=len(graph.query_keys))
    size = max(1, min(settings.batch_size, -(-len(keys) // LEAST_STEPS)))
    course = Course(len(keys), size, settings, budget, rng, report)
    for chosen in course.batches(place, model=model, **step.parts):
        late = max(0.0, 2 * course.progress - 1)
        rows, positions = ranges(starts[chosen], starts[chosen] + counts[chosen])
        batch = _Batch(keys[chosen] // width, keys[chosen] % width, rows, graph.edges[positions, 2])
        course.loss += step(batch, LEARNING_RATE + late * (LAST_LEARNING_RATE - LEARNING_RATE))
    return model.cpu()


class _WholeTable:
    """A step of Adagrad over all vectors, the softmax over all entities."""

    def __init__(self, model: ComplEx, settings: TrainingSettings) -> None:
        self._model, self._settings = model, settings
        self._optimizer = torch.optim.Adagrad(model.parameters(), lr=LEARNING_RATE)
        self.parts: dict[str, Part] = {"optimizer": self._optimizer}

    def __call__(self, batch: _Batch, rate: float) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        loss = _loss(self._model, batch, self._settings)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return loss.item()


class _SomeRows:
    """A step of Adagrad over the vectors that a batch meets: its own and a sample that all its queries share."""

    def __init__(self, model: ComplEx, settings: TrainingSettings, rng: np.random.Generator) -> None:
        self._model, self._settings, self._rng = model, settings, rng
        self._squares = torch.zeros_like(model.entity.data)
        self._part = ComplEx(1, len(model.relation), model.rank).to(model.relation.device)
        self._part.relation = model.relation
        self._optimizer = torch.optim.Adagrad([model.relation], lr=LEARNING_RATE)
        self.parts: dict[str, Part] = {"optimizer": self._optimizer, "squares": self._squares}

    def __call__(self, batch: _Batch, rate: float) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        table, drawn = self._model.entity.data, self._rng.integers(len(self._squares), size=SHARED_NEGATIVES)
        nodes = np.unique(np.concatenate([batch.anchors, batch.tails, drawn]))
        index = torch.from_numpy(nodes).to(table.device)
        entity = self._part.entity = nn.Parameter(table.index_select(0, index))
        loss = _loss(self._part, batch.over(nodes), self._settings)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        assert entity.grad is not None
        squares = self._squares.index_select(0, index).addcmul_(entity.grad, entity.grad)
        self._squares.index_copy_(0, index, squares)
        moved = entity.data.addcdiv_(entity.grad, squares.sqrt_().add_(1e-10), value=-rate)  # as torch's Adagrad
        table.index_copy_(0, index, moved)
        return loss.item()


class GroupedSoftmax(torch.autograd.Function):
    """Mean of -log softmax(query @ table.T)[row, column] over the answers, with its gradient worked out by hand.

    The products run in bf16 where the processor multiplies in it, sums and exponentials in fp32: the three products
    are most of a training, and a softmax over thousands of candidates does not feel the rounding.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, table: Tensor, row: Tensor, column: Tensor) -> Tensor:
        """query (q, k), table (c, k); row, column (t,): the query and the candidate of each answer. Scalar."""
        kind = torch.bfloat16 if multiplies_bf16(query.device.type) else query.dtype
        low_query, low_table = query.to(kind), table.to(kind)
        logits = (low_query @ low_table.T).float()  # (q, c)
        total = torch.logsumexp(logits, 1)  # (q,)
        loss = (total[row] - logits[row, column]).sum() / len(row)
        answers = total.new_zeros(len(query)).index_add_(0, row, total.new_full((len(row),), 1 / len(row)))  # (q,)
        slope = logits.sub_(total[:, None]).exp_().mul_(answers[:, None])
        slope.index_put_((row, column), total.new_full((len(row),), -1 / len(row)), accumulate=True)
        ctx.save_for_backward(slope.to(kind), low_query, low_table)
        return loss

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> tuple[Tensor, Tensor, None, None]:
        """Gradients of query and table."""
        slope, query, table = ctx.saved_tensors
        return (slope @ table).float() * outer[0], (slope.T @ query).float() * outer[0], None, None


def settled(settings: TrainingSettings, graph: KnowledgeGraph) -> TrainingSettings:
    """The settings with both weights of the structure member, where they are unset drawn through what search found.

    The relation softmax teaches more the more types there are to tell apart: WN18RR (11 types) .05, CoDEx-S and M
    (42, 51) .25, FB15k-237 (237) 4, by Chen et al. 2021 and by ourselves. N3 holds against the whole loss, of which the
    relation softmax is a part, and must hold more where a vector has few edges to be learnt from: WN18RR (4 edges per
    node) .1, CoDEx-M (22) .03, CoDEx-S (32) .01, FB15k-237 (37) .05 (WN18RR and FB15k-237: Lacroix et al. 2018, too).
    """
    degree = 2 * len(graph.triples) / max(1, graph.num_entities)
    relation = settings.relation_weight
    if relation is None:
        relation = min(4.0, 0.0016 * float(graph.num_relations) ** 1.43)
    n3 = settings.structure_regularisation
    if n3 is None:
        n3 = min(0.1, 0.01 * (1 + relation) * max(1.0, ENOUGH_EDGES / max(degree, 1e-9)))
    return settings.model_copy(update={"relation_weight": relation, "structure_regularisation": n3})


def _loss(model: ComplEx, batch: _Batch, settings: TrainingSettings) -> Tensor:
    """Mean loss per triple; the softmax runs over all entities of the model."""
    places = (batch.anchors, batch.relations, batch.rows, batch.tails)
    anchors, relations, row, tail = (torch.from_numpy(part).to(model.entity.device) for part in places)
    query = model.query(anchors, relations)  # (q, 2 rank)
    total = len(batch.rows)
    loss: Tensor = GroupedSoftmax.apply(query, model.entity, row, tail)
    heads, kinds = anchors[row], relations[row]
    n3, weight = settings.structure_regularisation, settings.relation_weight
    assert n3 is not None  # settled
    assert weight is not None
    loss = loss + n3 * model.n3(heads, kinds, tail) / total
    if weight > 0 and len(model.relation) > 2:
        own = torch.arange(total, device=row.device)
        loss = loss + weight * GroupedSoftmax.apply(model.between(heads, tail), model.relation, own, kinds)
    return loss
