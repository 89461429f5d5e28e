"""Which entities can answer: kinds told by edges, everybody where that tells nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neo4j_relpred.data.knowledge_graph import KnowledgeGraph
from neo4j_relpred.model import pools
from neo4j_relpred.model.pools import Pool, answer_pool
from neo4j_relpred.model.trained import TrainedModel
from tests.synthetic import PARENT, graph_of

LIVES_IN, KNOWS, IN_COUNTRY = range(3)
PEOPLE, CITIES, COUNTRIES, LONELY = range(10), range(10, 14), range(14, 16), 16


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "WHOLE", 0)
    monkeypatch.setattr(pools, "LEAST", 1)


@pytest.fixture
def town() -> KnowledgeGraph:
    """People know each other and all but one live in a city; city 13 has a country and nobody who lives there."""
    lives = [(person, LIVES_IN, 10 + person % 3) for person in PEOPLE if person != 9]
    knows = [(person, KNOWS, (person + 1) % 10) for person in PEOPLE]
    countries = [(city, IN_COUNTRY, 14 + city % 2) for city in CITIES]
    return graph_of(17, 3, [*lives, *knows, *countries])


@pytest.mark.usefixtures("strict")
def test_a_pool_holds_nodes_that_touch_what_answers_touch_and_those_that_touch_nothing(town: KnowledgeGraph) -> None:
    assert answer_pool(town, LIVES_IN).entities.tolist() == [*CITIES, LONELY]
    assert answer_pool(town, LIVES_IN + 3).entities.tolist() == [*PEOPLE, LONELY]
    assert answer_pool(town, IN_COUNTRY).entities.tolist() == [*COUNTRIES, LONELY]


def test_a_small_graph_leaves_nobody_out(town: KnowledgeGraph) -> None:
    assert answer_pool(town, LIVES_IN).whole


@pytest.mark.usefixtures("strict")
def test_a_relation_without_edges_leaves_nobody_out(town: KnowledgeGraph) -> None:
    wider = KnowledgeGraph(town.num_entities, 4, town.triples)
    assert answer_pool(wider, 3).whole


@pytest.mark.usefixtures("strict")
def test_a_pool_has_a_least_number_of_entities(town: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "LEAST", 8)
    pool = answer_pool(town, LIVES_IN)
    assert len(pool.entities) == 8
    assert {*CITIES, LONELY} < set(pool.entities.tolist())


def test_places_are_those_in_the_sorted_entities() -> None:
    pool = Pool.of(np.array([1, 4]), 6).with_entities(np.array([4, 2]))
    assert pool.entities.tolist() == [1, 2, 4]
    assert pool.place.tolist() == [-1, 0, 1, -1, 2, -1]
    assert pool.with_entities(np.array([1])) is pool


def test_entities_outside_the_pool_tie_below_those_inside(trained: TrainedModel) -> None:
    whole = trained.answer_entities(PARENT, np.array([5]))
    inside = np.arange(0, 60, 2)
    part = replace(whole, candidates=inside[None, :5], logits=whole.logits[:, :5], probabilities=whole.probabilities)
    part = replace(part, real=np.ones((1, 5), bool), base=np.zeros((1, 30), np.float32), pool=Pool.of(inside, 60))
    scores = part.full_scores()[0]
    outside = np.setdiff1d(np.arange(60), inside)
    assert len(set(scores[outside].tolist())) == 1
    assert scores[outside].max() < scores[inside].min()


@pytest.mark.usefixtures("strict")
def test_a_wanted_entity_is_a_candidate_wherever_it_belongs(trained: TrainedModel) -> None:
    fresh = replace(trained, members=replace(trained.members))  # nothing is kept of other tests' questions
    answers = fresh.answer_entities(PARENT, np.array([5, 6]), wanted=np.array([[59], [3]]))
    assert 59 in answers.candidates[0]
    assert 3 in answers.candidates[1]
