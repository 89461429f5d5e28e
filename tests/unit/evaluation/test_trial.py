"""Ranking within a time, and rivals that are better."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.evaluation import trial
from neo4j_relpred.evaluation.report import evaluate
from neo4j_relpred.evaluation.trial import try_out
from neo4j_relpred.model.features import FEATURE_NAMES
from neo4j_relpred.model.reasoner import Reasoner, Reasoners
from neo4j_relpred.model.trained import TrainedModel
from tests.synthetic import World

NAMES = ("PARENT", "CHILD", "GRANDPARENT", "SIBLING")


class Oracle:
    """A rival that has read the answers."""

    name = "oracle"

    def __init__(self, graph: KnowledgeGraph) -> None:
        self._graph = graph

    def entity_scores(self, relation: int, anchors: IntArray) -> npt.NDArray[np.float64]:
        scores = np.zeros((len(anchors), self._graph.num_entities))
        scores[self._graph.answers(anchors, np.full(len(anchors), relation))] = 1
        return scores

    def relation_scores(self, heads: IntArray, tails: IntArray) -> npt.NDArray[np.float64]:
        scores = np.zeros((len(heads), 8))
        scores[self._graph.linking_relations(heads, tails)] = 1
        return scores[:, :4]


class Worst(Oracle):
    """A rival that has read them and says the opposite."""

    name = "worst"

    def entity_scores(self, relation: int, anchors: IntArray) -> npt.NDArray[np.float64]:
        return -super().entity_scores(relation, anchors)

    def relation_scores(self, heads: IntArray, tails: IntArray) -> npt.NDArray[np.float64]:
        return -super().relation_scores(heads, tails)


def test_no_time_still_ranks_a_random_part_and_the_report_says_so(
    trained: TrainedModel, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "PILOT", 6)
    report = evaluate(trained, world.split.test, world.graph, NAMES, minutes=0.0)
    assert report.triples == 6
    assert report.entities.queries == 12
    assert report.relations.queries == 6
    assert any(f"6 of {len(world.split.test)}" in warning for warning in report.warnings)


def test_enough_time_ranks_every_triple_once(
    trained: TrainedModel, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "PILOT", 6)
    entities, relations = try_out(trained, world.split.test, world.graph, (), 1e6)
    np.testing.assert_array_equal(np.unique(relations.queries(), axis=0), world.split.test)
    assert len(relations.queries()) == len(world.split.test)
    assert len(np.unique(entities.queries(), axis=0)) == 2 * len(world.split.test)


def test_a_report_warns_of_a_rival_that_is_better_beyond_noise(trained: TrainedModel, world: World) -> None:
    untaught = replace(trained, entity_reasoner=Reasoners([Reasoner("mlp", len(FEATURE_NAMES), 8)]).eval())
    report = evaluate(untaught, world.split.test, world.graph, NAMES, (Worst(world.graph), Oracle(world.graph)))
    assert any("'oracle' ranks entities better" in warning for warning in report.warnings)
    assert not any("worst" in warning for warning in report.warnings)


def test_a_report_is_silent_about_rivals_that_are_worse(trained: TrainedModel, world: World) -> None:
    report = evaluate(trained, world.split.test, world.graph, NAMES, (Worst(world.graph),))
    assert not any("better than the model" in warning for warning in report.warnings)


def test_a_report_on_few_triples_says_that_they_are_few(trained: TrainedModel, world: World) -> None:
    report = evaluate(trained, world.split.test[:9], world.graph, NAMES)
    assert any("There are 9 test triples" in warning for warning in report.warnings)
