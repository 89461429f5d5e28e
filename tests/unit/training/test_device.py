"""Fitting on a GPU, without one: tensors that say they are there, hold no numbers, and fail where two devices meet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from neo4j_relpred.config import Gnn, ReasonerKind
from neo4j_relpred.errors import InvalidSettings
from neo4j_relpred.model.features import FEATURE_NAMES
from neo4j_relpred.model.reasoner import Reasoner
from neo4j_relpred.model.relation_head import RelationHead, pair_inputs
from neo4j_relpred.model.structure import ComplEx
from neo4j_relpred.model.tower import Tower
from neo4j_relpred.text.processor import device_of
from neo4j_relpred.training import structure, tower
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.reasoner import RankingData
from neo4j_relpred.training.relation_head import fit_relation_head
from tests.synthetic import BRIEF_TRAINING, TEXT_WIDTH, TINY_MODEL, World

GPU = torch.device("cuda", 0)


@contextmanager
def gpu(*models: nn.Module) -> Iterator[None]:
    """Within it tensors are made up, and the weights of the models lie on a GPU; `Module.to` cannot make up any."""
    with FakeTensorMode():
        for model in models:
            move(model)
        yield


def move(model: nn.Module) -> None:
    for part in model.modules():
        for name, weight in part.named_parameters(recurse=False):
            setattr(part, name, nn.Parameter(torch.empty(weight.shape, dtype=weight.dtype, device=GPU)))
        for name, buffer in part.named_buffers(recurse=False):
            setattr(part, name, torch.empty(buffer.shape, dtype=buffer.dtype, device=GPU))


def test_two_devices_that_meet_are_noticed() -> None:
    """Else the other tests could not fail."""
    layer = nn.Linear(3, 2)
    with gpu(layer), pytest.raises(RuntimeError, match="same device"):
        layer(torch.zeros(1, 3))


def test_a_step_of_the_structure_member_stays_on_the_gpu(world: World) -> None:
    graph = world.train
    settings = structure.settled(BRIEF_TRAINING, graph)
    model = ComplEx(graph.num_entities, 2 * graph.num_relations, 4)
    heads, relations, tails = graph.edges[:9].T
    batch = structure._Batch(heads, relations, np.arange(9), tails)
    with gpu(model):
        assert structure._loss(model, batch, settings).device == GPU


@pytest.mark.parametrize("gnn", sorted({*get_args(Gnn)} - {"rgcn"}))  # what rgcn does depends on the numbers
def test_a_step_of_the_tower_stays_on_the_gpu(world: World, gnn: Gnn) -> None:
    graph, settings = world.train, TINY_MODEL.model_copy(update={"gnn": gnn})
    model = Tower(graph.num_entities, 2 * graph.num_relations, TEXT_WIDTH, settings)
    with gpu(model):
        text = torch.empty(graph.num_entities, TEXT_WIDTH, device=GPU)
        loss = tower._step(model, graph, text, graph.triples[:8], settings, None, np.random.default_rng(0))
        assert loss.device == GPU


def test_pairs_are_read_on_the_gpu(world: World) -> None:
    graph = world.train
    model = RelationHead(graph.num_relations, TEXT_WIDTH)
    heads, relations, tails = graph.triples[:8].T
    with gpu(model):
        pairs = pair_inputs(graph, heads, tails, relations).to(GPU)
        assert model(pairs, torch.empty(graph.num_entities, TEXT_WIDTH, device=GPU)).device == GPU


@pytest.mark.parametrize("kind", get_args(ReasonerKind))
def test_candidates_are_reasoned_about_on_the_gpu(kind: ReasonerKind) -> None:
    model, shape = Reasoner(kind, len(FEATURE_NAMES), 4), (5, 7)
    with gpu(model):
        data = RankingData(
            torch.zeros(*shape, len(FEATURE_NAMES)),
            torch.zeros(5, 1, dtype=torch.long),
            torch.zeros(shape),
            torch.ones(shape, dtype=torch.bool),
        ).to("cuda")
        assert {part.device for part in (data.features, data.relations, data.labels, data.real)} == {GPU}
        assert model(data.features, data.relations, data.real).device == GPU


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused_before_anything_is_fitted(world: World) -> None:
    settings = BRIEF_TRAINING.model_copy(update={"device": "cuda"})
    head = RelationHead(world.train.num_relations, TEXT_WIDTH)
    with pytest.raises(InvalidSettings, match=r"training\.device is 'cuda'"):
        fit_relation_head(head, world.train, world.text, settings, Budget.minutes(1))
    assert device_of("auto", "training.device") == "cpu"
