"""Walks: what the kernel counts is what powers of transition matrices give, and no walker is lost or left over."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.data.knowledge_graph import KnowledgeGraph
from neo4j_relpred.model.pools import Pool
from neo4j_relpred.model.walks import LEAST, WALKS, any_walk, walk_shares
from tests.synthetic import graph_of, graphs

Matrix = npt.NDArray[np.float64]


def transition(graph: KnowledgeGraph, relations: list[int]) -> Matrix:
    """(entities, entities): where a walker goes that takes an edge of these types."""
    steps = np.zeros((graph.num_entities, graph.num_entities))
    for head, relation, tail in graph.edges.tolist():
        steps[head, tail] += relation in relations
    shares: Matrix = steps / np.maximum(steps.sum(1, keepdims=True), 1)
    return shares


def every_share(graph: KnowledgeGraph, relation: int) -> npt.NDArray[np.float32]:
    return walk_shares(graph, np.arange(graph.num_entities), relation)


@given(graph=graphs(), data=st.data())
def test_walks_are_powers_of_transition_matrices(graph: KnowledgeGraph, data: st.DataObject) -> None:
    relation = data.draw(st.integers(0, 2 * graph.num_relations - 1))
    back = graph.inverse(relation)
    own, forth, home = (transition(graph, types) for types in ([relation, back], [relation], [back]))
    every = transition(graph, list(range(2 * graph.num_relations)))
    expected = np.stack([every @ every, own @ own, own @ own @ own, forth @ home @ forth], axis=2)
    np.testing.assert_allclose(every_share(graph, relation), expected, atol=1e-6)


@given(graph=graphs(), data=st.data())
def test_a_pool_has_the_shares_of_its_entities(graph: KnowledgeGraph, data: st.DataObject) -> None:
    inside = data.draw(st.sets(st.integers(0, graph.num_entities - 1), min_size=1))
    pool = Pool.of(np.array(sorted(inside)), graph.num_entities)
    anchors = np.arange(graph.num_entities)
    whole, part = every_share(graph, 0), walk_shares(graph, anchors, 0, pool)
    np.testing.assert_array_equal(part, whole[:, pool.entities])


def test_a_hub_sends_its_walkers_along_some_of_its_edges_and_loses_none() -> None:
    wheel = graph_of(2_001, 1, [(0, 0, spoke) for spoke in range(1, 2_001)])
    shares = walk_shares(wheel, np.array([1]), wheel.inverse(0))
    two = shares[0, :, WALKS.index("own_two")]
    assert 100 < np.count_nonzero(two) <= 300
    np.testing.assert_allclose(two.sum(), 1, rtol=1e-4)


def test_many_paths_over_quiet_nodes_count_more_than_one_over_a_hub() -> None:
    quiet = [(0, 0, 1), (0, 0, 2), (3, 0, 1), (3, 0, 2)]
    hub = [(0, 0, 4), (5, 0, 4), *((node, 0, 4) for node in range(6, 20))]
    graph = graph_of(20, 1, quiet + hub)
    shares = walk_shares(graph, np.array([0]), 0)
    for name in ("any_two", "own_two"):
        assert shares[0, 3, WALKS.index(name)] > 5 * shares[0, 5, WALKS.index(name)] > 0
    assert any_walk(shares)[0, 3] > any_walk(shares)[0, 5]


def test_who_is_alone_reaches_nobody() -> None:
    lonely = any_walk(walk_shares(graph_of(3, 1, [(0, 0, 1)]), np.array([2]), 0))
    np.testing.assert_allclose(lonely, np.log(LEAST))
