"""Why a triple is scored as it is: over a family in which the rules are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.data.explanation import Explanation, FiredRule, Step
from neo4j_relpred.data.knowledge_graph import KnowledgeGraph
from neo4j_relpred.data.snapshot import Node
from neo4j_relpred.errors import UnknownEntity, UnknownRelation
from neo4j_relpred.scoring.evidence import ENTITY_COLUMNS
from neo4j_relpred.scoring.scorer import Scorer
from neo4j_relpred.scoring.serving import Serving
from neo4j_relpred.triples import Triple
from tests.synthetic import CHILD, GRANDPARENT, PARENT, SIBLING
from tests.unit.scoring.conftest import TYPES

BASE_RATE = 0.2


def triples_of(serving: Serving, relation: int, most: int) -> list[Triple]:
    graph = serving.model.graph
    rows = graph.triples[graph.triples[:, 1] == relation][:most]
    return [Triple(serving.entities[h], TYPES[r], serving.entities[t]) for h, r, t in rows.tolist()]


def test_it_is_the_score_that_is_explained(serving: Serving) -> None:
    scorer = Scorer(serving, BASE_RATE)
    strangers = [Triple("p01", "SIBLING", "p50"), Triple("p07", "PARENT", "p07"), Triple("p59", "CHILD", "p03")]
    for triple in [*strangers, *triples_of(serving, GRANDPARENT, 3)]:
        found, (scored,) = scorer.explain(triple).scored, scorer.score([triple])
        assert (found.triple, found.rank) == (triple, scored.rank)
        assert (found.score, found.probability) == pytest.approx((scored.score, scored.probability), rel=1e-4, abs=1e-5)


def test_every_kind_of_evidence_has_a_share_and_words(serving: Serving) -> None:
    for triple in triples_of(serving, GRANDPARENT, 5):
        found = Scorer(serving, BASE_RATE).explain(triple)
        shares = [clue.share for clue in found.clues]
        assert {clue.kind for clue in found.clues} == set(ENTITY_COLUMNS)
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1, abs=0.01)
        assert {clue.kind: clue.share for clue in found.clues} == found.scored.evidence.shares
        assert all(clue.text and not any(entity in clue.text for entity in serving.entities) for clue in found.clues)


def with_steps(found: Explanation, *steps: Step) -> FiredRule | None:
    return next((rule for rule in found.rules if rule.steps == steps and rule.constant is None), None)


def test_a_grandparent_is_told_by_the_parent_between_and_by_nothing_that_is_not_there(serving: Serving) -> None:
    graph, told = serving.model.graph, 0
    for triple in triples_of(serving, GRANDPARENT, 20):
        rule = with_steps(Scorer(serving, BASE_RATE).explain(triple), Step("PARENT", "out"), Step("PARENT", "out"))
        head, tail = serving.row(triple.head), serving.row(triple.tail)
        middle = np.intersect1d(
            graph.answers(np.array([head]), np.array([PARENT]))[1],
            graph.answers(np.array([tail]), np.array([PARENT + graph.num_relations]))[1],
        )
        assert (rule is None) == (len(middle) == 0)
        if rule is not None:
            told += 1
            between = serving.entities[middle[0]]
            assert [[node.id for node in path] for path in rule.bindings] == [[triple.head, between, triple.tail]]
            assert rule.confidence > 0.5
            assert rule.text.startswith("PARENT, then PARENT: such paths hold ")
            assert between not in rule.text
    assert told > 10


def test_the_triple_in_question_explains_nothing(serving: Serving) -> None:
    """With the edge in the graph and without it: word for word the same."""
    scorer = Scorer(serving, BASE_RATE)
    for triple in triples_of(serving, GRANDPARENT, 3) + triples_of(serving, CHILD, 3):
        row = np.array([[serving.row(triple.head), TYPES.index(triple.relation), serving.row(triple.tail)]])
        lacking = Scorer(replace(serving, model=serving.model.without(row)), BASE_RATE)
        assert lacking.explain(triple) == scorer.explain(triple)
        for rule in scorer.explain(triple).rules:
            for path in rule.bindings:
                steps = zip(path, rule.steps, path[1:], strict=False)
                assert all(
                    (a.id, step.relation, b.id) != (triple.head, triple.relation, triple.tail) for a, step, b in steps
                )


def test_a_rule_with_a_constant_names_it_and_nobody_else(serving: Serving) -> None:
    told = 0
    for triple in triples_of(serving, CHILD, 20):
        for rule in Scorer(serving, BASE_RATE).explain(triple).rules:
            if rule.constant is not None:
                told += 1
                constants = {path[rule.constant].id for path in rule.bindings}
                assert len(constants) == 1
                assert f"({constants.pop()})" in rule.text
    assert told > 10


def test_a_type_whose_direction_says_nothing_is_walked_either_way(serving: Serving) -> None:
    graph = serving.model.graph
    both = KnowledgeGraph.of(graph.num_entities, graph.num_relations, graph.triples, {SIBLING})
    serving = replace(serving, model=serving.model.over(both))
    steps = [
        step
        for triple in triples_of(serving, CHILD, 10) + triples_of(serving, SIBLING, 10)
        for rule in Scorer(serving, BASE_RATE).explain(triple).rules
        for step in rule.steps
    ]
    assert {step.direction for step in steps if step.relation == "SIBLING"} == {"either"}
    assert {step.direction for step in steps if step.relation != "SIBLING"} == {"in", "out"}


def test_a_node_that_came_after_the_training_is_explained(serving: Serving) -> None:
    grandchild = serving.model.graph.triples[serving.model.graph.triples[:, 1] == GRANDPARENT][0, 2]
    edges = np.array([[grandchild, PARENT, 60], [60, CHILD, grandchild]])
    vector = np.zeros(serving.model.members.text.shape[1], np.float32)
    wider = serving.with_node(Node("new", "4:x:60", ("Person",), {"name": "Eve"}), vector, edges, GraphSettings())
    parent = serving.model.graph.answers(np.array([grandchild]), np.array([PARENT + len(TYPES)]))[1]
    assert len(parent) == 1
    triple = Triple(serving.entities[parent[0]], "GRANDPARENT", "new")
    rule = with_steps(Scorer(wider, BASE_RATE).explain(triple), Step("PARENT", "out"), Step("PARENT", "out"))
    assert rule is not None
    assert [node.name for node in rule.bindings[0]] == [triple.head, serving.entities[grandchild], "Eve"]


def test_a_model_without_rules_tells_none(serving: Serving) -> None:
    members = serving.model.members
    members = replace(members, settings=members.settings.model_copy(update={"rule_length": 0}))
    plain = replace(serving, model=replace(serving.model, members=members))
    (triple,) = triples_of(serving, GRANDPARENT, 1)
    assert Scorer(serving, BASE_RATE).explain(triple).rules
    assert Scorer(plain, BASE_RATE).explain(triple).rules == ()


def test_what_is_not_known_is_named(serving: Serving) -> None:
    with pytest.raises(UnknownEntity, match="nobody"):
        Scorer(serving, BASE_RATE).explain(Triple("p01", "SIBLING", "nobody"))
    with pytest.raises(UnknownRelation, match="UNCLE"):
        Scorer(serving, BASE_RATE).explain(Triple("p01", "UNCLE", "p02"))
