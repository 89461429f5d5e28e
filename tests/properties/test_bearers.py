"""The fact that speaks most for an answer, found by a compiled loop, is the one that plain sets find."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.data.knowledge_graph import KnowledgeGraph
from neo4j_relpred.model.bearers import best_fact
from neo4j_relpred.model.rules import SMOOTHING, arrays_of
from tests.synthetic import graphs


def confidence_of(graph: KnowledgeGraph, head: int, wanted: int, tail: int) -> float:
    """The best of all facts of the head, by sets."""
    half = graph.num_relations
    edges = {tuple(edge) for edge in graph.edges.tolist()}
    best = 0.0
    for _, step, constant in (edge for edge in edges if edge[0] == head and edge[1:] != (wanted, tail)):
        others = {node for node, relation, other in edges if (relation, other) == (step, constant)} - {head}
        right = {node for node in others if (node, wanted, tail) in edges}
        assert all((constant, (step + half) % (2 * half), node) in edges for node in others)
        best = max(best, len(right) / (len(others) + SMOOTHING))
    return best


@pytest.mark.parametrize("compiled", [True, False])
@given(graph=graphs(max_triples=30), data=st.data())
def test_the_best_fact_is_the_one_that_sets_find(compiled: bool, graph: KnowledgeGraph, data: st.DataObject) -> None:
    nodes = st.integers(0, graph.num_entities - 1)
    head, tail = data.draw(nodes), data.draw(nodes)
    wanted = data.draw(st.integers(0, 2 * graph.num_relations - 1))
    kernel = best_fact if compiled else best_fact.py_func
    asked = np.array([head, wanted, tail])
    place, support, looked = kernel(*arrays_of(graph), graph.num_relations, asked, 1_000)
    assert support / (looked + SMOOTHING) == pytest.approx(confidence_of(graph, head, wanted, tail))
    if support:
        assert graph.edges[place, 0] == head
        assert tuple(graph.edges[place, 1:]) != (wanted, tail)
    else:
        assert (place, looked) == (-1, 0)


def test_of_a_hub_with_many_facts_some_are_looked_at() -> None:
    triples = np.array([(0, 0, node) for node in range(1, 101)] + [(101, 0, 100), (101, 1, 102)])
    graph = KnowledgeGraph.of(103, 2, np.unique(triples, axis=0))
    asked = np.array([0, 1, 102])
    assert best_fact(*arrays_of(graph), 2, asked, 1_000)[1:] == (1, 1)  # who has a fact with 100, too, has this tail
    assert best_fact(*arrays_of(graph), 2, asked, 10)[1:] == (0, 0)  # every tenth: the last is not among them
