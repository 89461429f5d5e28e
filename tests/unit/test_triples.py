"""The words that everything is written in."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.errors import InvalidQuery
from neo4j_relpred.triples import Query, Triple, edge_key

WORDS = st.text(max_size=5)
PARTS = st.tuples(WORDS, WORDS, WORDS)


@pytest.mark.parametrize(
    ("query", "target"),
    [
        (Query(relation="KNOWS", tail="b"), "head"),
        (Query(head="a", tail="b"), "relation"),
        (Query(head="a", relation="KNOWS"), "tail"),
    ],
)
def test_a_query_asks_for_the_part_that_it_leaves_out(query: Query, target: str) -> None:
    assert query.target == target


@pytest.mark.parametrize("parts", [{}, {"head": "a"}, {"head": "a", "relation": "R", "tail": "b"}])
def test_a_query_leaves_out_exactly_one_part(parts: dict[str, str]) -> None:
    with pytest.raises(InvalidQuery, match="Give two"):
        Query(**parts)


def test_an_empty_name_is_a_part_and_not_a_missing_one() -> None:
    assert Query(head="", relation="R").target == "tail"


def test_triples_do_not_change_and_sort_by_their_parts() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Triple("a", "R", "b").head = "c"  # type: ignore[misc]
    assert sorted([Triple("b", "A", "a"), Triple("a", "B", "a"), Triple("a", "A", "z")])[0] == Triple("a", "A", "z")


@given(PARTS, PARTS)
def test_edges_have_one_key_exactly_when_they_state_one_triple(
    first: tuple[str, str, str], second: tuple[str, str, str]
) -> None:
    assert (edge_key(*first) == edge_key(*second)) == (first == second)


def test_moving_a_letter_between_parts_changes_the_key() -> None:
    assert edge_key("ab", "c", "d") != edge_key("a", "bc", "d") != edge_key("a", "b", "cd")


def test_the_key_is_fixed_for_good_since_graphs_hold_it() -> None:
    assert edge_key("a", "KNOWS", "b") == "8a60967167ce95a1b549ae746aa5d8415854b9255ff43aa41b6918114238f39d"


def test_a_lone_surrogate_has_a_key_too() -> None:
    assert len(edge_key("\ud800", "R", "b")) == 64
