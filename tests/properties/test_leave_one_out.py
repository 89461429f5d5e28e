"""The edge that is asked about never reaches the input: taking it out of the graph changes nothing.

Context, counts and links are compared with the graph without the edge. `gather` bars the partner from the seed's tree
altogether, so trees are compared with those of the smaller graph, asked with the same partner.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from neo4j_relpred.config import Gnn, ModelSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.model.members import Members
from neo4j_relpred.model.neighborhood import Neighborhood, gather
from neo4j_relpred.model.relation_head import RelationHead, pair_inputs
from neo4j_relpred.model.relations import relation_features
from neo4j_relpred.model.rules import mine_rules
from neo4j_relpred.model.structure import ComplEx
from neo4j_relpred.model.tower import Tower
from tests.synthetic import MAX_ENTITIES, TEXT_WIDTH, asked_edges, text_for, without

FANOUT = 64  # more than any node has
LAYERS = st.integers(0, 2)


def ends_of(graph: KnowledgeGraph, triple: IntArray) -> tuple[IntArray, IntArray]:
    """Both ends of the asked edge as seeds, and what `gather` is told of it."""
    head, relation, tail = triple.tolist()
    back = relation + graph.num_relations
    return np.array([head, tail]), np.array([[relation, tail], [back, head]])


def tree_without(smaller: KnowledgeGraph, seeds: IntArray, asked: IntArray, layers: int) -> Neighborhood:
    """The trees of a graph that never held the edge, partners barred as well, nothing subtracted from the counts."""
    with np.errstate(all="ignore"):  # gather subtracts an edge that is not there
        around = gather(smaller, seeds, asked, FANOUT, layers, seed=0)
    degree = around.degree.clone()
    degree[:2] = torch.from_numpy(np.log1p(smaller.degrees[seeds]).astype(np.float32))
    return replace(around, context=torch.from_numpy(np.log1p(smaller.context[seeds])), degree=degree)


def assert_same(left: Neighborhood, right: Neighborhood) -> None:
    for name in ("nodes", "edge_index", "edge_type", "context"):
        assert torch.equal(getattr(left, name), getattr(right, name)), name
    torch.testing.assert_close(left.degree, right.degree, rtol=1e-6, atol=0)  # logarithms of other types of numbers
    assert left.rows == right.rows
    assert left.edges == right.edges


@given(asked_edges(), LAYERS)
def test_the_tree_of_a_seed_is_that_of_the_graph_without_the_asked_edge(
    case: tuple[KnowledgeGraph, IntArray], layers: int
) -> None:
    graph, triple = case
    seeds, asked = ends_of(graph, triple)
    around = gather(graph, seeds, asked, FANOUT, layers, seed=0)
    assert_same(around, tree_without(without(graph, triple), seeds, asked, layers))


@given(asked_edges(), LAYERS, st.data())
def test_a_tree_does_not_tell_which_relation_was_asked(
    case: tuple[KnowledgeGraph, IntArray], layers: int, data: st.DataObject
) -> None:
    graph, triple = case
    other = triple.copy()
    other[1] = data.draw(st.integers(0, graph.num_relations - 1))
    assume(not (graph.triples == other).all(1).any())
    changed = without(graph, triple).with_triples(other[None])
    before = gather(graph, *ends_of(graph, triple), FANOUT, layers, seed=0)
    after = gather(changed, *ends_of(changed, other), FANOUT, layers, seed=0)
    assert_same(before, after)


@given(asked_edges())
def test_sampled_neighbours_are_all_edges_but_those_to_the_partner(case: tuple[KnowledgeGraph, IntArray]) -> None:
    graph, triple = case
    seeds, asked = ends_of(graph, triple)
    around = gather(graph, seeds, asked, FANOUT, 1, seed=0)
    sources, targets = around.edge_index.numpy()
    nodes = around.nodes.numpy()
    for row, seed in enumerate(seeds.tolist()):
        mine = targets == row
        found = sorted(zip(around.edge_type.numpy()[mine].tolist(), nodes[sources[mine]].tolist(), strict=True))
        barred = {seed, int(asked[row, 1])}
        rows = graph.edges[graph.edges[:, 0] == seed]
        assert found == [(r, t) for _, r, t in rows.tolist() if t not in barred]


@given(asked_edges())
def test_an_edge_that_is_not_asked_about_is_in_the_tree(case: tuple[KnowledgeGraph, IntArray]) -> None:
    graph, triple = case
    head, relation, tail = triple.tolist()
    around = gather(graph, np.array([head]), np.array([[-1, -1]]), FANOUT, 1, seed=0)
    pairs = zip(around.edge_type.tolist(), around.nodes[around.edge_index[0]].tolist(), strict=True)
    assert (relation, tail) in set(pairs)
    assert around.context[0, relation] > 0


@cache
def tower_of(kind: Gnn, layers: int, num_relations: int) -> Tower:
    torch.manual_seed(0)
    settings = ModelSettings(gnn=kind, gnn_layers=layers, hidden=8, entity_width=2)
    return Tower(MAX_ENTITIES, 2 * num_relations, TEXT_WIDTH, settings).eval()


@cache
def head_of(num_relations: int) -> RelationHead:
    torch.manual_seed(0)
    return RelationHead(num_relations, TEXT_WIDTH).eval()


@pytest.mark.parametrize("kind", ["gcn", "sage", "gat", "rgcn", "compgcn"])
@given(case=asked_edges(), layers=st.integers(1, 2))
def test_the_tower_encodes_a_seed_as_if_the_asked_edge_did_not_exist(
    kind: Gnn, case: tuple[KnowledgeGraph, IntArray], layers: int
) -> None:
    graph, triple = case
    tower = tower_of(kind, layers, graph.num_relations)
    seeds, asked = ends_of(graph, triple)
    smaller, text = without(graph, triple), text_for(graph)
    with torch.no_grad():
        with_edge = tower.encode(gather(graph, seeds, asked, FANOUT, layers, seed=0), text)
        without_edge = tower.encode(tree_without(smaller, seeds, asked, layers), text)
    assert torch.isfinite(with_edge).all()
    torch.testing.assert_close(with_edge, without_edge)


@given(asked_edges())
def test_pair_inputs_leave_the_asked_edge_out_of_counts_and_links(case: tuple[KnowledgeGraph, IntArray]) -> None:
    graph, triple = case
    head, relation, tail = triple[:, None]
    seen = pair_inputs(graph, head, tail, relation)
    fair = pair_inputs(without(graph, triple), head, tail, np.array([-1]))
    assert torch.equal(seen.context, fair.context)
    assert torch.equal(seen.links, fair.links)


@given(asked_edges())
def test_no_rule_uses_the_asked_edge(case: tuple[KnowledgeGraph, IntArray]) -> None:
    graph, triple = case
    head, relation, tail = triple[:, None]
    rules = mine_rules(graph, 2)
    seen = rules.pairs(graph, head, tail, relation)
    np.testing.assert_array_equal(seen, rules.pairs(without(graph, triple), head, tail, np.array([-1])))


@given(asked_edges())
def test_no_feature_of_a_relation_query_sees_the_asked_edge(case: tuple[KnowledgeGraph, IntArray]) -> None:
    graph, triple = case
    head, relation, tail = triple[:, None]
    torch.manual_seed(0)
    count = graph.num_entities
    members = Members(
        graph=graph,
        text=text_for(graph),
        rules=mine_rules(graph, 2),
        structure=ComplEx(count, 2 * graph.num_relations, 2),
        tower=None,
        encoded=torch.zeros(count, 8),
        settings=ModelSettings(),
        trained=count,
    )
    relation_head = head_of(graph.num_relations)
    seen = relation_features(members, relation_head, head, tail, relation)
    fair = relation_features(replace(members, graph=without(graph, triple)), relation_head, head, tail)
    np.testing.assert_array_equal(seen, fair)
