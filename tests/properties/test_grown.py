"""Weights laid out over another list of entities and relations say the same of what was there before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.config import Gnn, ModelSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.model.calibration import Calibration
from neo4j_relpred.model.encoding import encode_all
from neo4j_relpred.model.features import FEATURE_NAMES
from neo4j_relpred.model.grown import Start, grown
from neo4j_relpred.model.members import Members
from neo4j_relpred.model.reasoner import Reasoner, Reasoners
from neo4j_relpred.model.relation_head import RelationHead, pair_inputs
from neo4j_relpred.model.rules import mine_rules
from neo4j_relpred.model.structure import ComplEx
from neo4j_relpred.model.tower import Tower
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.model.unasked import Unasked
from tests.synthetic import TEXT_WIDTH, graph_of, graphs, text_for

KINDS = st.sampled_from(get_args(Gnn))


def model_over(graph: KnowledgeGraph, gnn: Gnn = "compgcn") -> TrainedModel:
    """Weights drawn by lot, and as many neighbours as there are."""
    torch.manual_seed(3)
    count, width = graph.num_entities, 2 * graph.num_relations
    settings = ModelSettings(hidden=8, entity_width=2, structure_rank=2, neighbors=64, gnn=gnn)
    structure, tower = ComplEx(count, width, 2), Tower(count, width, TEXT_WIDTH, settings).eval()
    head = RelationHead(graph.num_relations, TEXT_WIDTH).eval()
    head.counts.copy_(torch.arange(graph.num_relations))
    text = text_for(graph)
    members = Members(graph, text, mine_rules(graph, 0), structure, tower, torch.zeros(count, 8), settings, count)
    reasoners = Reasoners(Reasoner("mlp", len(FEATURE_NAMES), width) for _ in range(2)).eval()
    for network in reasoners.each():
        torch.nn.init.normal_(network.by_relation.weight)
    plain = Calibration.plain(width)
    missing, unasked = np.ones((width, 2)), Unasked.plain(graph.num_relations)
    return TrainedModel(
        members, head, reasoners, reasoners, plain, plain, 1.0, missing, unasked, torch.zeros(TEXT_WIDTH)
    )


def weights(start: Start | TrainedModel) -> dict[str, torch.Tensor]:
    members = start if isinstance(start, Start) else start.members
    modules = {
        "structure": members.structure,
        "tower": members.tower,
        "head": start.head,
        "entity reasoner": start.entity_reasoner,
        "relation reasoner": start.relation_reasoner,
    }
    return {
        f"{name}.{key}": value
        for name, module in modules.items()
        if module is not None
        for key, value in module.state_dict().items()
    }


def as_it_is(model: TrainedModel) -> Start:
    """The parts of the model, moved nowhere."""
    members = model.members
    return Start(
        members.structure, members.tower, model.head, model.entity_reasoner, model.relation_reasoner, model.centre
    )


@torch.no_grad()
def said(start: Start, graph: KnowledgeGraph, text: torch.Tensor, settings: ModelSettings) -> list[torch.Tensor]:
    """What the parts say of all possible triples: (n, R, n) by structure and tower, (n, n, R) by the head."""
    assert start.structure is not None
    assert start.tower is not None
    count, kinds = graph.num_entities, graph.num_relations
    heads, relations = (
        side.ravel() for side in torch.meshgrid(torch.arange(count), torch.arange(kinds), indexing="ij")
    )
    encoded = encode_all(start.tower, graph, text, settings)
    asked = start.tower.query(encoded[heads], relations)
    one, other = (side.ravel() for side in np.meshgrid(np.arange(count), np.arange(count), indexing="ij"))
    pairs = pair_inputs(graph, one, other, np.full(len(one), -1))
    features = torch.linspace(-1, 1, len(FEATURE_NAMES)).repeat(2 * kinds, 1, 1)
    asked_for = torch.arange(2 * kinds)[:, None]
    reasoned = start.entity_reasoner(features, asked_for, torch.ones(2 * kinds, 1, dtype=torch.bool))
    return [
        start.structure(heads, relations).reshape(count, kinds, count),
        start.tower.scores(asked, encoded).reshape(count, kinds, count),
        start.head(pairs, text).reshape(count, count, kinds),
        start.head.counts,
        reasoned.reshape(2, kinds),
    ]


def order_of(data: st.DataObject, size: int) -> IntArray:
    return np.array(data.draw(st.permutations(range(size))), np.int64)


@given(graphs(), KINDS)
def test_over_the_same_lists_nothing_changes(graph: KnowledgeGraph, gnn: Gnn) -> None:
    model = model_over(graph, gnn)
    start = grown(model, np.arange(graph.num_entities), np.arange(graph.num_relations))
    before, after = weights(model), weights(start)
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


@given(graphs(), KINDS, st.data())
def test_in_another_order_all_scores_move_along(graph: KnowledgeGraph, gnn: Gnn, data: st.DataObject) -> None:
    model = model_over(graph, gnn)
    nodes, kinds = order_of(data, graph.num_entities), order_of(data, graph.num_relations)
    to_node, to_kind = np.argsort(nodes), np.argsort(kinds)
    heads, relations, tails = graph.triples.T
    triples = np.stack([to_node[heads], to_kind[relations], to_node[tails]], axis=1)
    symmetric = [int(to_kind[relation]) for relation in graph.symmetric]
    moved = graph_of(graph.num_entities, graph.num_relations, triples, symmetric)
    settings, text = model.members.settings, model.members.text
    structure, tower, head, counts, reasoned = said(as_it_is(model), graph, text, settings)
    there = said(grown(model, nodes, kinds), moved, text[nodes], settings)
    every = [structure[nodes][:, kinds][..., nodes], tower[nodes][:, kinds][..., nodes]]
    every += [head[nodes][:, nodes][..., kinds], counts[kinds], reasoned[:, kinds]]
    for ours, theirs in zip(every, there, strict=True):
        torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-4)


@given(graphs(), KINDS, st.data())
def test_what_comes_and_goes_leaves_the_others_as_they_were(
    graph: KnowledgeGraph, gnn: Gnn, data: st.DataObject
) -> None:
    """A node and a type without edges come somewhere, and a node that nothing touches may go."""
    count, kinds = graph.num_entities, graph.num_relations
    lone = graph.with_triples(graph.triples[:0], count + 1)
    model = model_over(lone, gnn)
    nodes = np.insert(np.arange(count), data.draw(st.integers(0, count)), -1)  # the last of `lone` is gone
    types = np.insert(np.arange(kinds), data.draw(st.integers(0, kinds)), -1)
    start = grown(model, nodes, types, seed=5)
    to_node, to_kind = np.flatnonzero(nodes >= 0), np.flatnonzero(types >= 0)
    triples = graph.triples
    moved = np.stack([to_node[triples[:, 0]], to_kind[triples[:, 1]], to_node[triples[:, 2]]], axis=1)
    larger = graph_of(count + 1, kinds + 1, moved, [int(to_kind[relation]) for relation in graph.symmetric])
    text = torch.zeros(count + 1, TEXT_WIDTH)
    text[to_node] = model.members.text[:count]
    settings = model.members.settings
    structure, tower, head, counts, reasoned = said(as_it_is(model), lone, model.members.text, settings)
    new = said(start, larger, text, settings)
    for ours, theirs in ((structure, new[0]), (tower, new[1])):
        kept = theirs[to_node][:, to_kind][..., to_node]
        torch.testing.assert_close(kept, ours[:count, :, :count], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(new[2][to_node][:, to_node][..., to_kind], head[:count, :count], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(new[3][to_kind], counts)
    torch.testing.assert_close(new[4][:, to_kind], reasoned)


def test_what_is_new_begins_as_in_a_training_from_scratch() -> None:
    graph = graph_of(4, 2, [(0, 0, 1), (1, 1, 2), (2, 0, 3)])
    model = model_over(graph)
    start = grown(model, np.array([2, -1, 0]), np.array([-1, 1]), seed=7)
    torch.manual_seed(7)
    fresh = ComplEx(3, 4, 2)
    assert start.structure is not None
    assert model.members.structure is not None
    torch.testing.assert_close(start.structure.entity[1], fresh.entity[1])
    torch.testing.assert_close(start.structure.relation[[0, 2]], fresh.relation[[0, 2]])
    torch.testing.assert_close(start.structure.entity[[0, 2]], model.members.structure.entity[[2, 0]])
    torch.testing.assert_close(start.structure.relation[[1, 3]], model.members.structure.relation[[1, 3]])


@pytest.mark.parametrize("member", ["structure", "tower"])
def test_a_member_that_was_not_trained_is_not_lent(member: str) -> None:
    graph = graph_of(4, 2, [(0, 0, 1), (1, 1, 2), (2, 0, 3)])
    model = model_over(graph)
    nothing: Any = {member: None}
    without = replace(model, members=replace(model.members, **nothing))
    start = grown(without, np.arange(4), np.arange(2))
    assert getattr(start, member) is None
    assert getattr(start, {"structure": "tower", "tower": "structure"}[member]) is not None


def test_chance_is_left_as_it_was() -> None:
    graph = graph_of(4, 2, [(0, 0, 1), (1, 1, 2), (2, 0, 3)])
    model = model_over(graph)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    grown(model, np.arange(4), np.arange(2), seed=9)
    assert torch.equal(torch.rand(3), expected)
