"""Paths of rules as Cypher, whatever the types are called."""

from __future__ import annotations

import pytest

from neo4j_relpred.data.explanation import FiredRule, NamedNode, Step
from neo4j_relpred.errors import InvalidSettings
from neo4j_relpred.graph.patterns import pattern_of

ELEMENT_IDS = {"town": "4:b0c1-22:17", "evil": "4:1') RETURN 1 //"}


def rule(*steps: Step, path: str, constant: int | None = None) -> FiredRule:
    nodes = tuple(NamedNode(name, name) for name in path.split())
    return FiredRule("", steps, constant, (nodes,), 1, 0.5)


def written(fired: FiredRule) -> str:
    return pattern_of(fired, ELEMENT_IDS.__getitem__)


OUT, IN, EITHER = Step("A", "out"), Step("B", "in"), Step("C", "either")


def test_steps_go_along_their_edges_against_them_or_either_way() -> None:
    assert written(rule(OUT, path="h t")) == "(h)-[:`A`]->(t)"
    assert written(rule(OUT, IN, path="h x t")) == "(h)-[:`A`]->(x1)<-[:`B`]-(t)"
    assert written(rule(EITHER, OUT, IN, path="h x y t")) == "(h)-[:`C`]-(x1)-[:`A`]->(x2)<-[:`B`]-(t)"


def test_the_node_that_a_rule_names_is_bound_by_its_element_id_or_is_an_end() -> None:
    named = "(x1 WHERE elementId(x1) = '4:b0c1-22:17')"
    assert written(rule(OUT, IN, OUT, path="h town x t", constant=1)) == f"(h)-[:`A`]->{named}<-[:`B`]-(x2)-[:`A`]->(t)"
    assert written(rule(OUT, IN, OUT, path="h t x t", constant=1)) == "(h)-[:`A`]->(t)<-[:`B`]-(x2)-[:`A`]->(t)"
    assert written(rule(OUT, IN, OUT, path="h h x t", constant=1)) == "(h)-[:`A`]->(h)<-[:`B`]-(x2)-[:`A`]->(t)"


def test_no_name_breaks_out() -> None:
    hostile = Step("A`]->() DETACH DELETE h //\\u0060", "out")
    assert written(rule(hostile, path="h t")) == "(h)-[:`A``]->() DETACH DELETE h //\\u005Cu0060`]->(t)"
    with pytest.raises(InvalidSettings, match="no element id"):
        written(rule(OUT, IN, OUT, path="h evil x t", constant=1))
