"""The graph as sorted arrays, with an inverse for each relation."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.data.knowledge_graph import KnowledgeGraph, both_directions, inverse, ranges
from tests.synthetic import graph_of, graphs


@given(graphs())
def test_every_triple_stands_there_with_its_inverse_in_order(graph: KnowledgeGraph) -> None:
    rows = [tuple(row) for row in graph.edges.tolist()]
    flipped = {(t, r + graph.num_relations, h) for h, r, t in graph.triples.tolist()}
    assert set(rows) == {tuple(row) for row in graph.triples.tolist()} | flipped
    assert rows == sorted(rows)
    assert len(rows) == 2 * len(graph.triples)


@given(graphs())
def test_offsets_and_keys_point_at_the_edges_of_a_node(graph: KnowledgeGraph) -> None:
    for node in range(graph.num_entities):
        assert (graph.edges[graph.offsets[node] : graph.offsets[node + 1], 0] == node).all()
    assert graph.offsets[-1] == len(graph.edges)
    assert (np.diff(graph.query_keys) >= 0).all()


@given(graphs())
def test_context_and_degree_count_each_type_and_direction(graph: KnowledgeGraph) -> None:
    for node in range(graph.num_entities):
        for relation in range(graph.num_relations):
            out = sum(h == node and r == relation for h, r, t in graph.triples.tolist())
            into = sum(t == node and r == relation for h, r, t in graph.triples.tolist())
            assert graph.context[node, relation] == out
            assert graph.context[node, relation + graph.num_relations] == into
    np.testing.assert_array_equal(graph.context.sum(1), graph.degrees)


@given(graphs())
def test_answers_are_those_of_the_triples_in_both_directions(graph: KnowledgeGraph) -> None:
    width = 2 * graph.num_relations
    anchors, relations = np.repeat(np.arange(graph.num_entities), width), np.tile(np.arange(width), graph.num_entities)
    rows, found = graph.answers(anchors, relations)
    answered = {(int(anchors[q]), int(relations[q]), int(tail)) for q, tail in zip(rows, found, strict=True)}
    assert answered == {tuple(row) for row in graph.edges.tolist()}
    assert len(found) == len(answered)


@given(graphs())
def test_linking_relations_are_all_that_lead_from_head_to_tail(graph: KnowledgeGraph) -> None:
    heads, tails = (grid.ravel() for grid in np.meshgrid(np.arange(graph.num_entities), np.arange(graph.num_entities)))
    rows, relations = graph.linking_relations(heads, tails)
    linked = {(int(heads[q]), int(r), int(tails[q])) for q, r in zip(rows, relations, strict=True)}
    assert linked == {tuple(row) for row in graph.edges.tolist()}


@given(graphs())
def test_more_triples_may_come_with_more_entities_and_never_twice(graph: KnowledgeGraph) -> None:
    count = graph.num_entities
    grown = graph.with_triples(np.array([[0, 0, count], graph.triples[0]]), count + 1)
    assert grown.num_entities == count + 1
    assert len(grown.triples) == len(graph.triples) + 1 + (0 in graph.symmetric)
    assert graph.with_triples(graph.triples).num_entities == count


@given(graphs())
def test_a_symmetric_relation_holds_both_ways_and_others_as_they_are(graph: KnowledgeGraph) -> None:
    held = {tuple(row) for row in graph.triples.tolist()}
    assert len(held) == len(graph.triples)
    assert {(t, r, h) for h, r, t in held if r in graph.symmetric} <= held
    plain = graph_of(graph.num_entities, graph.num_relations, graph.triples)
    np.testing.assert_array_equal(plain.triples, graph.triples)


def test_twins_are_added_to_symmetric_relations_only() -> None:
    stored = [(0, 0, 1), (2, 1, 1), (2, 1, 2), (1, 1, 0), (0, 1, 1)]
    graph = graph_of(3, 2, stored, {1})
    added = {tuple(row) for row in graph.triples.tolist()} - set(stored)
    assert added == {(1, 1, 2)}
    assert graph.has_twin(np.array([0, 1, 2, 3])).tolist() == [False, True, False, True]


@given(graphs())
def test_a_graph_holds_its_triples_and_no_others(graph: KnowledgeGraph) -> None:
    shape = graph.num_entities, graph.num_relations, graph.num_entities
    every = np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=1)
    own = {tuple(triple) for triple in graph.triples.tolist()}
    assert graph.holds(every).tolist() == [tuple(triple) in own for triple in every.tolist()]


@given(st.integers(1, 5), st.data())
def test_the_inverse_of_an_inverse_is_the_relation(num_relations: int, data: st.DataObject) -> None:
    relation = np.array(data.draw(st.integers(0, 2 * num_relations - 1)))
    other = inverse(relation, num_relations)
    assert other != relation
    assert inverse(other, num_relations) == relation


def test_both_directions_put_inverses_behind() -> None:
    assert both_directions(np.array([[1, 0, 2]]), 3).tolist() == [[1, 0, 2], [2, 3, 1]]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=6))
def test_ranges_are_listed_one_after_the_other(parts: list[tuple[int, int]]) -> None:
    starts = np.array([start for start, _ in parts], np.int64)
    ends = starts + np.array([size for _, size in parts], np.int64)
    rows, positions = ranges(starts, ends)
    assert positions.tolist() == [i for start, size in parts for i in range(start, start + size)]
    assert rows.tolist() == [row for row, (_, size) in enumerate(parts) for _ in range(size)]


def test_a_graph_without_edges_answers_nothing() -> None:
    graph = graph_of(3, 2, [])
    assert graph.answers(np.array([0, 1]), np.array([0, 3]))[1].tolist() == []
    assert graph.linking_relations(np.array([0]), np.array([1]))[1].tolist() == []
    assert graph.degrees.tolist() == [0, 0, 0]
