"""Splits: disjoint, repeatable, and fair to what they leave."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.data.splits import Split, draw_lots, split_by_time, split_triples
from tests.synthetic import family, graphs

SHARES = st.floats(0, 0.45)


def split_of(triples: IntArray, holdout: float, test: float, seed: int = 0) -> Split:
    return split_triples(triples, holdout, test, np.random.default_rng(seed).permutation(len(triples)))


def rows(triples: IntArray) -> list[tuple[int, ...]]:
    return [tuple(row) for row in triples.tolist()]


@given(graphs(), SHARES, SHARES)
def test_every_triple_is_in_exactly_one_part(graph: KnowledgeGraph, holdout: float, test: float) -> None:
    split = split_of(graph.triples, holdout, test)
    assert sorted(rows(split.train) + rows(split.holdout) + rows(split.test)) == rows(graph.triples)
    assert len(split.holdout) <= round(holdout * len(graph.triples))
    assert len(split.test) <= round(test * len(graph.triples))


@given(graphs(), SHARES, SHARES)
def test_the_same_seed_gives_the_same_split(graph: KnowledgeGraph, holdout: float, test: float) -> None:
    first, second = split_of(graph.triples, holdout, test), split_of(graph.triples, holdout, test)
    for name in ("train", "holdout", "test"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@given(graphs(), SHARES, SHARES)
def test_no_relation_loses_its_last_edge(graph: KnowledgeGraph, holdout: float, test: float) -> None:
    split = split_of(graph.triples, holdout, test)
    assert set(split.train[:, 1]) == set(graph.triples[:, 1])


def test_another_seed_gives_another_split_of_the_wanted_size() -> None:
    triples = family().graph.triples
    first, second = split_of(triples, 0.1, 0.05, 0), split_of(triples, 0.1, 0.05, 1)
    assert len(first.holdout) == len(second.holdout) == round(0.1 * len(triples))
    assert len(first.test) == len(second.test) == round(0.05 * len(triples))
    assert rows(first.holdout) != rows(second.holdout)


def test_an_entity_keeps_its_last_edge_where_others_can_be_drawn() -> None:
    core = [(head, 0, tail) for head in range(12) for tail in range(12) if head != tail]
    leaves = [(leaf % 12, 0, leaf) for leaf in range(12, 60)]
    triples = np.array(core + leaves)
    split = split_of(triples, 0.2, 0.1)
    assert len(split.holdout) == round(0.2 * len(triples))
    assert set(split.train[:, [0, 2]].ravel()) == set(range(60))


@pytest.mark.parametrize("loops", [0, 1])
def test_a_tree_is_split_all_the_same(loops: int) -> None:
    triples = np.array([(0, 0, leaf) for leaf in range(1, 21)] + [(0, 0, 0)] * loops)
    assert len(split_of(triples, 0.2, 0.1).holdout) == 4


def test_no_triples_are_split_into_nothing() -> None:
    split = split_of(np.empty((0, 3), np.int64), 0.1, 0.1)
    assert [len(part) for part in (split.train, split.holdout, split.test)] == [0, 0, 0]


def test_by_time_the_newest_are_the_test_and_undated_ones_train() -> None:
    triples = np.array([(number, 0, number + 1) for number in range(10)])
    years = np.array([2009.0, np.nan, 2003, 2001, 2008, 2007, np.nan, 2005, 2004, 2002])
    as_text = np.array(["" if np.isnan(year) else f"{year:.0f}-01-01" for year in years], object)
    for times in (years, as_text):
        split = split_by_time(triples, times, 0.3, 0.2, np.random.default_rng(0).permutation(10))
        assert sorted(split.test[:, 0]) == [0, 4]
        assert sorted(split.holdout[:, 0]) == [5, 7, 8]
        assert sorted(split.train[:, 0]) == [1, 2, 3, 6, 9]


def test_a_graph_that_grew_holds_out_what_it_held_out_before() -> None:
    """Rows and numbers of nodes may all be others: the names decide."""
    rng = np.random.default_rng(0)
    names, types = [f"node {number}" for number in range(300)], ["KNOWS", "LIKES"]
    triples = np.unique(rng.integers((300, 2, 300), size=(4000, 3)), axis=0)
    order = rng.permutation(300)
    ids, place = [names[node] for node in order], np.argsort(order)
    grown = np.stack([place[triples[:, 0]], triples[:, 1], place[triples[:, 2]]], axis=1)

    def drawn(rows: IntArray, ids: list[str], salt: str = "0") -> tuple[set[tuple[str, int, str]], ...]:
        split = split_triples(rows, 0.1, 0.05, draw_lots(rows, ids, types, salt))
        return tuple({(ids[h], r, ids[t]) for h, r, t in part.tolist()} for part in (split.holdout, split.test))

    holdout, test = drawn(triples[:3600], names)
    later_holdout, later_test = drawn(grown, ids)
    assert len(test & later_test) > 0.8 * len(test)
    assert not test & later_holdout or len(test & later_holdout) < 0.1 * len(test)
    assert len(holdout & later_holdout) > 0.9 * len(holdout)
    assert len((later_holdout | later_test) & drawn(grown, ids, "1")[0]) < 0.3 * len(later_holdout)


def test_lots_of_many_relations_between_the_same_nodes_differ() -> None:
    triples = np.array([(0, relation, 1) for relation in range(50)] + [(1, relation, 0) for relation in range(50)])
    lots = draw_lots(triples, ["a", "b"], [str(relation) for relation in range(50)], "0")
    assert sorted(lots) == list(range(100))
    assert 30 < (lots[:50] < 50).sum() + 10 < 50


@given(graphs())
def test_twins_of_a_symmetric_relation_draw_the_same_lot(graph: KnowledgeGraph) -> None:
    ids = [str(number) for number in range(graph.num_entities)]
    names = [f"r{number}" for number in range(graph.num_relations)]
    lots = draw_lots(graph.triples, ids, names, "salt", graph.symmetric)
    drawn = [tuple(row) for row in graph.triples[lots].tolist() if row[1] in graph.symmetric and row[0] != row[2]]
    pairs = [frozenset((head, tail)) for head, _, tail in drawn]
    assert pairs[::2] == pairs[1::2]
    assert len(set(pairs)) == len(pairs) // 2
