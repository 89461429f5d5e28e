"""Slices of an evaluation: every question stands in one slice of a kind, and its figures are those of its ranks."""

from __future__ import annotations

import numpy as np
import pytest

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, both_directions
from neo4j_relpred.evaluation.ranking import Ranks, summarize
from neo4j_relpred.evaluation.slices import slices_of
from neo4j_relpred.model.words import Words
from tests.synthetic import graph_of

MARRIED, MOTHER_OF, BORN_IN, LIKES, NEVER = range(5)


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    """One relation of each category, over 130 entities; entity 0 has 100 edges and more, entity 129 has none."""
    triples = [(1, MARRIED, 2), (3, MARRIED, 4)]
    triples += [(0, MOTHER_OF, child) for child in range(1, 121)]
    triples += [(person, BORN_IN, 121 + person % 2) for person in range(1, 20)]
    triples += [(person, LIKES, thing) for person in (5, 6) for thing in (7, 8)]
    return graph_of(130, 5, triples)


def ranks_of(realistic: object) -> Ranks:
    ranks = np.array(realistic, float)
    return Ranks(ranks, ranks, ranks, np.full(len(ranks), 130))


def counts(asked: IntArray, graph: KnowledgeGraph, kind: str) -> dict[str, int]:
    found = slices_of(ranks_of(np.ones(len(asked))), asked, graph, None)
    return {name: summary.queries for name, summary in found[kind].items()}


def test_a_relation_is_named_by_how_many_answers_its_two_sides_have(graph: KnowledgeGraph) -> None:
    for relation, category in ((MARRIED, "1-1"), (MOTHER_OF, "1-N"), (BORN_IN, "N-1"), (LIKES, "N-N")):
        asked = both_directions(np.array([[9, relation, 10]]), graph.num_relations)
        assert counts(asked, graph, "category") == {category: 2}


def test_one_and_a_half_answers_on_average_are_many() -> None:
    graph = graph_of(4, 1, [(0, 0, 2), (0, 0, 3), (1, 0, 3)])
    assert counts(np.array([[0, 0, 1]]), graph, "category") == {"N-N": 1}
    graph = graph_of(5, 1, [(0, 0, 3), (0, 0, 4), (1, 0, 3), (2, 0, 4)])
    assert counts(np.array([[0, 0, 1]]), graph, "category") == {"N-1": 1}


def test_a_relation_without_edges_has_no_category(graph: KnowledgeGraph) -> None:
    assert counts(np.array([[1, NEVER, 2]]), graph, "category") == {}


def test_questions_stand_by_the_edges_of_their_anchor(graph: KnowledgeGraph) -> None:
    asked = np.array([[129, MARRIED, 1], [120, MARRIED, 1], [1, MARRIED, 4], [121, MARRIED, 3], [0, LIKES, 1]])
    assert graph.degrees[asked[:, 0]].tolist() == [0, 1, 3, 9, 120]
    assert counts(asked, graph, "degree") == {"0": 1, "1-2": 1, "3-10": 2, "more": 1}


def test_a_half_link_is_seen_in_its_direction_only(graph: KnowledgeGraph) -> None:
    asked = np.array([[0, MOTHER_OF, 125], [0, MOTHER_OF + graph.num_relations, 125], [1, MARRIED, 9]])
    assert counts(asked, graph, "half_link") == {"seen": 2, "unseen": 1}


def test_questions_stand_by_the_words_of_their_answer(graph: KnowledgeGraph) -> None:
    texts = [""] * 130
    texts[2], texts[3], texts[4] = "one", "a b c d e f f f", " ".join(map(str, range(40)))
    asked = np.array([[9, MARRIED, tail] for tail in (1, 2, 3, 4)])
    found = slices_of(ranks_of([1, 2, 3, 4]), asked, graph, Words.of(texts, texts))["text"]
    assert {name: summary.mrr for name, summary in found.items()} == pytest.approx(
        {"0": 1, "1-5": 1 / 2, "6-20": 1 / 3, "more": 1 / 4}
    )


def test_the_figures_of_a_slice_are_those_of_its_ranks(graph: KnowledgeGraph) -> None:
    asked = np.array([[0, MOTHER_OF, 125], [0, MOTHER_OF, 126], [1, LIKES, 9]])
    found = slices_of(ranks_of([1, 4, 50]), asked, graph, None)
    assert found["half_link"]["seen"] == summarize(ranks_of([1, 4]))
    assert found["half_link"]["unseen"] == summarize(ranks_of([50]))
