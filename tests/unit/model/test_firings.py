"""The rules that are told are those that the features count, with paths that are in the graph."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.model import firings
from neo4j_relpred.model.applying import BEST
from neo4j_relpred.model.firings import PATHS, Firing, fired_rules
from neo4j_relpred.model.rules import FANOUT, Rules, mine_rules
from tests.synthetic import asked_edges, graph_of, without

BORN, PART, CITIZEN, SPEAKS = range(4)
LANDS, TOWNS, PEOPLE = 3, 9, 60


def people() -> KnowledgeGraph:
    """Everybody is a citizen of the land that the town of birth is part of; a person lacks that for each town."""
    town, person = LANDS, LANDS + TOWNS
    triples = [(town + i, PART, i % LANDS) for i in range(TOWNS)]
    triples += [(person + i, BORN, town + i % TOWNS) for i in range(PEOPLE)]
    triples += [(person + i, CITIZEN, i % TOWNS % LANDS) for i in range(TOWNS, PEOPLE)]
    return graph_of(LANDS + TOWNS + PEOPLE, 4, triples)


FIRST = LANDS + TOWNS  # born in the first town, which is part of the first land


def kind_of(firing: Firing) -> int:
    """Cyclic, forward, backward: in the order of the features."""
    return {None: 0, 1: 1, 2: 2}[firing.constant]


def edges_of(graph: KnowledgeGraph, firing: Firing) -> IntArray:
    """(paths * steps, 3): what the paths go over."""
    rows = [
        (start, step, end)
        for path in firing.paths.tolist()
        for step, (start, end) in zip(firing.steps, pairwise(path), strict=True)
    ]
    return np.array([(h, r, t) if r < graph.num_relations else (t, r - graph.num_relations, h) for h, r, t in rows])


@given(asked_edges())
def test_the_best_of_each_kind_is_what_the_feature_says_and_its_paths_are_in_the_graph(
    case: tuple[KnowledgeGraph, IntArray],
) -> None:
    graph, triple = without(*case), case[1]
    head, relation, tail = triple.tolist()
    rules = mine_rules(case[0], 2)
    found = fired_rules(rules, graph, head, relation, tail)
    features = [part[0, tail, 1] for part in rules.features(graph, np.array([head]), relation)]
    assert [firing.confidence for firing in found] == sorted((f.confidence for f in found), reverse=True)
    for kind, best in enumerate(features):
        of_kind = [firing for firing in found if kind_of(firing) == kind]
        assert len(of_kind) <= BEST
        told = max((firing.confidence for firing in of_kind), default=0.0)
        assert told <= best + 1e-6
        if not degenerate(graph, head, tail):
            assert told == pytest.approx(best)
    for firing in found:
        assert 1 <= len(firing.paths) <= PATHS
        assert graph.holds(edges_of(graph, firing)).all()
        assert (firing.paths[:, 0] == head).all()
        assert (firing.paths[:, -1] == tail).all()
        assert not (edges_of(graph, firing) == triple).all(1).any()


def degenerate(graph: KnowledgeGraph, head: int, tail: int) -> bool:
    """Self-loops, over which a path may go twice; nobody can show such a path."""
    return head == tail or bool((graph.triples[:, 0] == graph.triples[:, 2]).any())


def test_the_rule_that_made_the_world_is_told_with_its_path() -> None:
    graph = people()
    rules = mine_rules(graph, 2)
    best = fired_rules(rules, graph, FIRST, CITIZEN, 0)[0]
    assert best.steps == (BORN, PART)
    assert best.constant is None
    assert best.paths.tolist() == [[FIRST, LANDS, 0]]
    assert best.support == PEOPLE - TOWNS
    assert best.confidence == pytest.approx(best.support / (PEOPLE + 5))


def test_a_fact_that_others_share_is_told_with_those_who_have_the_tail() -> None:
    graph = people()
    found = [one for one in fired_rules(mine_rules(graph, 2), graph, FIRST, CITIZEN, 0) if one.constant == 1]
    (fact,) = found  # born in the first town
    others = [FIRST + i for i in range(TOWNS, PEOPLE, TOWNS)]
    assert fact.steps == (BORN, BORN + 4, CITIZEN)
    assert (fact.support, fact.looked) == (len(others), len(others))
    assert fact.confidence == pytest.approx(len(others) / (len(others) + 1 + 5))
    assert {tuple(path) for path in fact.paths.tolist()} <= {(FIRST, LANDS, other, 0) for other in others}


def test_a_tail_like_those_that_the_head_has_is_told_with_them() -> None:
    """Somebody speaks three of four languages of one family."""
    speaker, family = 0, 1
    languages = [2, 3, 4, 5]
    triples = [(language, PART, family) for language in languages]
    triples += [(speaker, SPEAKS, language) for language in languages[:3]]
    graph = graph_of(6, 4, triples)
    (alike,) = [one for one in fired_rules(mine_rules(graph, 2), graph, speaker, SPEAKS, 5) if one.constant == 2]
    assert alike.steps == (SPEAKS, PART, PART + 4)
    assert (alike.support, alike.looked) == (3, 4)
    assert alike.confidence == pytest.approx(3 / (4 + 5))
    assert {tuple(path) for path in alike.paths.tolist()} == {(speaker, known, family, 5) for known in languages[:3]}


def test_a_symmetric_step_is_told_once_and_walked_either_way() -> None:
    married, lives = 0, 1
    pairs = [(2 * i, 2 * i + 1) for i in range(10)]
    town = 20
    triples = [(a, married, b) for a, b in pairs] + [(a, lives, town + i % 2) for i, (a, _) in enumerate(pairs)]
    triples += [(b, lives, town + i % 2) for i, (_, b) in enumerate(pairs[1:], start=1)]
    graph = graph_of(22, 2, triples, symmetric=[married])
    mined = [one for one in fired_rules(mine_rules(graph, 2), graph, 1, lives, 20) if one.constant is None]
    assert [one.steps for one in mined if one.paths.tolist() == [[1, 0, 20]]] == [(married, lives)]


def test_at_a_hub_no_more_is_looked_at_than_the_features_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A head with thousands of facts, each shared by thousands: the columns that are worked on stay short."""
    head, tail, hubs, crowd = 0, 1, 200, 2_000
    fans = np.arange(2 + hubs, 2 + hubs + crowd)
    own = [(head, BORN, 2 + hub) for hub in range(hubs)]
    shared = np.stack([np.repeat(fans, 5), np.full(5 * crowd, BORN), 2 + np.arange(5 * crowd) % hubs], 1)
    graph = graph_of(2 + hubs + crowd, 4, np.concatenate([own, shared, [(fan, CITIZEN, tail) for fan in fans]]))
    rules = mine_rules(graph, 2)
    longest = 0
    among = firings._among

    def watched(values: IntArray, known: IntArray) -> object:
        nonlocal longest
        longest = max(longest, len(values))
        return among(values, known)

    monkeypatch.setattr(firings, "_among", watched)
    found = fired_rules(rules, graph, head, CITIZEN, tail)
    assert len([one for one in found if one.constant == 1]) == BEST
    assert all(len(one.paths) == PATHS for one in found)
    assert 0 < longest <= hubs * FANOUT
    feature = rules.features(graph, np.array([head]), CITIZEN)[1][0, tail, 1]
    assert max(one.confidence for one in found if one.constant == 1) == pytest.approx(feature)


def test_without_mined_rules_there_are_no_mined_firings() -> None:
    graph = people()
    empty: Rules = mine_rules(graph, 0)
    assert all(one.constant for one in fired_rules(empty, graph, FIRST, CITIZEN, 0))
