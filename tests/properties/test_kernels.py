"""The compiled kernels: the same as uncompiled, and indifferent to the names of entities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.model import applying, kernels
from neo4j_relpred.model.rules import Rules, arrays_of, mine_rules
from neo4j_relpred.model.sampling import sample_neighbors
from tests.synthetic import family, graph_of, graphs


def both_ways(kernel: Any, make: Callable[[], tuple[Any, ...]]) -> None:
    """Runs a kernel compiled and uncompiled on fresh arguments; results and filled arrays must agree."""
    compiled, plain = make(), make()
    results = kernel(*compiled), kernel.py_func(*plain)
    assert type(results[0]) is type(results[1])
    told = [one if isinstance(one, tuple) else (one or 0,) for one in results]
    for left, right in zip((*compiled, *told[0]), (*plain, *told[1]), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-6)


@pytest.mark.parametrize("fanout", [2, 50])
@given(graph=graphs())
@hypothesis_settings(max_examples=hypothesis_settings().max_examples // 3)
def test_compiled_kernels_give_what_the_plain_code_gives(graph: KnowledgeGraph, fanout: int) -> None:
    arrays, width, count = arrays_of(graph), 2 * graph.num_relations, graph.num_entities
    rules = mine_rules(graph, 2)
    anchors = np.arange(count)
    heads, tails = (grid.ravel() for grid in np.meshgrid(anchors, anchors))
    hidden = np.full(len(heads), 0)
    by_neighbor = np.lexsort((graph.edge_relations, graph.edge_tails, graph.edges[:, 0])).astype(np.int64)
    zeros = np.zeros
    half = graph.num_relations
    tables = rules.tables(0)

    def mined() -> tuple[Any, ...]:
        found = zeros(4 * 50 * 50 * (count + 1), np.int64)
        mark = np.full(count, -1)
        return (*arrays, by_neighbor, width, fanout, 0, 1, zeros(width * width, np.int64), found, mark)

    both_ways(kernels.mine_pairs, mined)
    both_ways(applying.apply_cyclic, lambda: (*arrays, anchors, *tables, fanout, anchors))
    both_ways(applying.apply_forward, lambda: (*arrays, anchors, 0, half, fanout, anchors))
    both_ways(applying.apply_backward, lambda: (*arrays, anchors, 0, half, fanout, anchors))
    grouped = (rules.offsets, rules.head, rules.confidence)
    out = (len(heads), width)
    both_ways(
        kernels.relation_paths,
        lambda: (*arrays, heads, tails, hidden, hidden - 1, *grouped, fanout, zeros(out, np.float32)),
    )
    both_ways(
        kernels.best_path,
        lambda: (*arrays, heads, tails, *tables, np.full((len(heads), 3), -1), zeros(len(heads), np.float32)),
    )
    barred = np.full((count, 2), -1)
    wide = 50  # with fewer, each way draws at random
    both_ways(sample_neighbors, lambda: (*arrays, anchors, barred, wide, 1, np.zeros((count, wide), np.int64)))


@pytest.mark.parametrize("most", [applying.MOST, 3])
@given(graph=graphs(max_triples=30), relation=st.integers(0, 2))
def test_facts_are_counted_as_if_each_were_the_only_one(graph: KnowledgeGraph, relation: int, most: int) -> None:
    """Lists that are shared by facts and by anchors change nothing; where they are too long some facts are left out."""
    relation %= 2 * graph.num_relations
    count, half = graph.num_entities, graph.num_relations
    place, found = np.arange(count), np.zeros((count, count, 3), np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(applying, "MOST", most)  # the plain code reads it anew
        told = applying.apply_forward.py_func(*arrays_of(graph), place, relation, half, 50, place)
    found[np.repeat(place, np.diff(told[0])), told[1]] = told[2]
    edges = {tuple(edge) for edge in graph.edges.tolist()}
    for anchor in range(count):
        confidences: dict[int, list[float]] = {node: [] for node in range(count)}
        for _, fact, constant in (edge for edge in edges if edge[0] == anchor):
            bearers = [node for node in range(count) if (node, fact, constant) in edges]
            for node in range(count):
                hits = sum((bearer, relation, node) in edges for bearer in bearers if bearer != anchor)
                if hits:
                    confidences[node].append(hits / (len(bearers) + 5.0))
        for node, values in confidences.items():
            if most == applying.MOST:
                best = sorted(values)[-applying.BEST :]
                expected = (1 - np.prod(1 - np.array(best)), max(values, default=0.0), np.log1p(len(values)))
                np.testing.assert_allclose(found[anchor, node], expected, rtol=1e-5)
            else:
                assert found[anchor, node, 1] <= max(values, default=0.0) + 1e-6
                assert np.expm1(found[anchor, node, 2]) <= len(values) + 1e-4


def renamed(graph: KnowledgeGraph, names: IntArray) -> KnowledgeGraph:
    triples = graph.triples.copy()
    triples[:, [0, 2]] = names[triples[:, [0, 2]]]
    return graph_of(graph.num_entities, graph.num_relations, triples)


def columns(rules: Rules) -> list[tuple[int, int, float, int]]:
    rows = zip(rules.body.tolist(), rules.head.tolist(), rules.confidence.tolist(), rules.support.tolist(), strict=True)
    return sorted(rows)


@given(graphs(), st.data())
def test_renaming_entities_renames_rule_features(graph: KnowledgeGraph, data: st.DataObject) -> None:
    names = np.array(data.draw(st.permutations(range(graph.num_entities))))
    other = renamed(graph, names)
    rules, others = mine_rules(graph, 2), mine_rules(other, 2)
    assert columns(rules) == columns(others)
    anchors = np.arange(graph.num_entities)
    for relation in range(2 * graph.num_relations):
        before = np.stack(rules.features(graph, anchors, relation))
        after = np.stack(others.features(other, names, relation))
        np.testing.assert_allclose(before, after[:, :, names], atol=1e-6)


@given(graphs(), st.integers(1, 2))
def test_a_relation_without_edges_changes_no_rule_feature(graph: KnowledgeGraph, more: int) -> None:
    """Inverses stand behind the relations, so an unused relation moves them all."""
    half, wider = graph.num_relations, graph.num_relations + more
    other = graph_of(graph.num_entities, wider, graph.triples)
    anchors = np.arange(graph.num_entities)
    for relation in range(2 * half):
        moved = relation if relation < half else relation - half + wider
        before = mine_rules(graph, 2).features(graph, anchors, relation)
        after = mine_rules(other, 2).features(other, anchors, moved)
        np.testing.assert_allclose(before, after, atol=1e-6)


def test_mining_finds_the_rules_of_a_family() -> None:
    """Symmetry, inversion and composition were put into the family; mining must name them."""
    graph = family().graph
    rules = mine_rules(graph, 2)
    width = rules.width
    confidence = {(b, h): c for b, h, c, _ in columns(rules)}
    parent, child, grandparent, sibling = range(4)
    assert confidence[sibling, sibling + 4] > 0.9  # SIBLING is its own inverse
    assert confidence[child, parent + 4] > 0.9
    assert confidence[width + parent * width + parent, grandparent] > 0.8
    assert (sibling, grandparent) not in confidence


def test_counts_of_pair_bodies_are_exact_on_a_graph_small_enough_to_count_by_hand() -> None:
    graph = graph_of(6, 3, [(0, 0, 1), (1, 1, 2), (0, 2, 2), (3, 0, 4), (4, 1, 5), (3, 2, 5), (3, 0, 5)])
    rules = mine_rules(graph, 2)
    body = 6 + 0 * 6 + 1
    [(support, confidence)] = [(s, c) for b, h, c, s in columns(rules) if (b, h) == (body, 2)]
    assert support == 2
    assert confidence == pytest.approx(2 / 7)


@given(graphs(), st.integers(1, 4), st.integers(0, 5))
def test_sampled_neighbours_are_edges_of_their_node_and_never_barred(
    graph: KnowledgeGraph, fanout: int, barred_node: int
) -> None:
    nodes = np.arange(graph.num_entities)
    barred = np.full((graph.num_entities, 2), -1)
    barred[:, 0] = barred_node % graph.num_entities
    out = np.zeros((graph.num_entities, fanout), np.int64)
    sample_neighbors(*arrays_of(graph), nodes, barred, fanout, 3, out)
    for node in nodes:
        drawn = out[node][out[node] >= 0]
        assert (graph.edges[drawn, 0] == node).all()
        assert (graph.edges[drawn, 2] != barred[node, 0]).all()
        allowed = (graph.edges[:, 0] == node) & (graph.edges[:, 2] != barred[node, 0])
        if graph.degrees[node] <= 4 * fanout:
            assert len(set(drawn.tolist())) == len(drawn) == min(fanout, allowed.sum())


@given(graphs())
def test_rules_without_pairs_need_no_table_of_pairs(graph: KnowledgeGraph) -> None:
    """Of thousands of relations such a table would take hundreds of megabytes for each."""
    rules, count = mine_rules(graph, 1), graph.num_entities
    heads, _, tails = np.ascontiguousarray(graph.triples.T)
    for relation in range(rules.width):
        single, none = rules.tables(relation)
        assert none.shape == (0, 0)
        scored, paths = [], []
        for double in (none, np.zeros((rules.width, rules.width), np.float32)):
            every = np.arange(count)
            told = applying.apply_cyclic(*arrays_of(graph), every, single, double, 50, every)
            found, confidence = np.full((len(heads), 3), -1), np.zeros(len(heads), np.float32)
            kernels.best_path(*arrays_of(graph), heads, tails, single, double, found, confidence)
            scored.append(told)
            paths.append((found, confidence))
        for left, right in (*zip(*scored, strict=True), *zip(*paths, strict=True)):
            np.testing.assert_array_equal(left, right)


@given(graphs())
def test_the_best_path_is_the_most_confident_body_that_leads_from_head_to_tail(graph: KnowledgeGraph) -> None:
    rules = mine_rules(graph, 2)
    heads, _, tails = np.ascontiguousarray(graph.triples.T)
    single, double = rules.tables(0)
    found, confidence = np.full((len(heads), 3), -1), np.zeros(len(heads), np.float32)
    kernels.best_path(*arrays_of(graph), heads, tails, single, double, found, confidence)
    edges = {(h, r, t) for h, r, t in graph.edges.tolist()}
    for head, tail, (first, middle, second), value in zip(heads, tails, found.tolist(), confidence, strict=True):
        if value > 0 and middle >= 0:
            assert {(head, first, middle), (middle, second, tail)} <= edges
            assert value == double[first, second]
        elif value > 0:
            assert (head, first, tail) in edges
            assert value == single[first]
