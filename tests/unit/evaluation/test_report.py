"""The report: the same ranks as by hand, rivals beside us, and no loss on the way through JSON."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pytest

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, both_directions
from neo4j_relpred.evaluation.calibration import CalibrationReport
from neo4j_relpred.evaluation.report import Calibrated, Report, _artefact, evaluate
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.training.baselines import cheap_baselines
from tests.synthetic import TINY_TRAINING, World

NAMES = ("PARENT", "CHILD", "GRANDPARENT", "SIBLING")


class Constant:
    """A rival that knows nothing."""

    name = "constant"

    def entity_scores(self, relation: int, anchors: IntArray) -> npt.NDArray[np.float64]:
        return np.zeros((len(anchors), 60))

    def relation_scores(self, heads: IntArray, tails: IntArray) -> npt.NDArray[np.float64]:
        return np.zeros((len(heads), 4))


class Silent:
    """A rival without answers."""

    name = "silent"

    def entity_scores(self, relation: int, anchors: IntArray) -> None:
        return None

    def relation_scores(self, heads: IntArray, tails: IntArray) -> None:
        return None


@pytest.fixture(scope="module")
def report(trained: TrainedModel, world: World) -> Report:
    rivals = cheap_baselines(trained.members, TINY_TRAINING.model_copy(update={"max_epochs": 3}), 1.0)
    return evaluate(trained, world.split.test, world.graph, NAMES, (*rivals, Constant(), Silent()))


def test_every_cheap_rival_stands_beside_us(report: Report) -> None:
    names = {"frequency", "popularity", "context only", "text only", "rules only"}
    names |= {"structure only", "text and graph only", "walks only"}
    assert set(report.baselines) == names | {"constant", "silent"}
    assert report.entities.queries == 2 * report.triples
    assert report.relations.queries == report.triples


def test_we_beat_the_rivals_that_look_at_one_thing(report: Report) -> None:
    for name in ("frequency", "popularity", "context only", "text only", "structure only"):
        rival = report.baselines[name]
        assert rival.entities is None or report.entities.mrr > rival.entities.mrr


def test_a_rival_that_knows_nothing_ranks_in_the_middle(report: Report) -> None:
    constant = report.baselines["constant"]
    assert constant.entities is not None
    assert constant.entities.adjusted_mean_rank == pytest.approx(1)
    assert constant.relations is not None
    assert constant.relations.adjusted_mean_rank == pytest.approx(1)


def test_a_rival_without_answers_has_no_figures(report: Report) -> None:
    assert report.baselines["silent"].entities is None
    assert report.baselines["silent"].relations is None


def test_entity_ranks_are_those_counted_by_hand(report: Report, trained: TrainedModel, world: World) -> None:
    facts = {tuple(row) for row in world.graph.edges.tolist()}
    reciprocal = []
    for head, relation, tail in both_directions(world.split.test, 4).tolist():
        scores = trained.answer_entities(relation, np.array([head])).full_scores()[0]
        rivals = [s for c, s in enumerate(scores) if c != tail and (head, relation, c) not in facts]
        better, equal = sum(s > scores[tail] for s in rivals), sum(s == scores[tail] for s in rivals)
        reciprocal.append(1 / (1 + better + equal / 2))
    assert report.entities.mrr == pytest.approx(np.mean(reciprocal), abs=1e-3)


def test_the_mean_over_relations_weighs_to_the_whole(report: Report, world: World) -> None:
    counts = np.bincount(world.split.test[:, 1], minlength=4)
    parts = [report.per_relation[name] * count for name, count in zip(NAMES, counts, strict=True) if count]
    assert sum(parts) / counts.sum() == pytest.approx(report.entities.mrr)


def test_the_slices_of_each_kind_weigh_to_the_whole(report: Report) -> None:
    assert {"category", "degree", "half_link"} <= set(report.slices)
    for named in report.slices.values():
        assert sum(summary.queries for summary in named.values()) == report.entities.queries
        whole = sum(summary.mrr * summary.queries for summary in named.values()) / report.entities.queries
        assert whole == pytest.approx(report.entities.mrr)


def test_a_report_without_slices_is_read_as_one_that_has_none(report: Report) -> None:
    data = {key: value for key, value in report.to_json().items() if key != "slices"}
    assert Report.from_json(data).slices == {}


def test_a_report_survives_json(report: Report) -> None:
    assert Report.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_the_best_rival_is_named(report: Report) -> None:
    name, summary = report.best_baseline("entities")
    entities = [scores.entities.mrr for scores in report.baselines.values() if scores.entities]
    assert summary.mrr == max(entities)
    assert report.baselines[name].entities == summary


def test_first_answers_that_are_linked_already_are_measured_apart(
    report: Report, trained: TrainedModel, world: World
) -> None:
    unlinked = report.calibration.unlinked
    assert unlinked is not None
    asked = np.unique(both_directions(world.split.test, 4)[:, :2], axis=0)
    alone = 0
    for anchor, relation in asked.tolist():
        answers = trained.answer_entities(relation, np.array([anchor]))
        best = answers.candidates[0, answers.probabilities[0].argmax()]
        alone += not len(trained.graph.linking_relations(np.array([anchor]), best[None])[0])
    assert 0 < unlinked.count == alone < report.calibration.entities.count == len(asked)


def test_a_test_without_linked_pairs_cannot_judge_linked_answers() -> None:
    graph = KnowledgeGraph(200, 1, np.stack([np.arange(99), np.zeros(99, int), np.arange(1, 100)], axis=1))
    apart = np.stack([np.arange(100), np.zeros(100, int), np.arange(100, 200)], axis=1)
    every, others = (CalibrationReport(ece, 0.1, 0.1, count, ()) for ece, count in ((0.3, 100), (0.02, 80)))
    warned = _artefact(Calibrated(every, every, others), apart, graph)
    assert "20% of the first answers" in warned[0]
    assert "0.020" in warned[0]
    assert not _artefact(Calibrated(every, every, others), graph.triples, graph)  # the test has such pairs
    assert not _artefact(Calibrated(every, every, every), apart, graph)  # no answer is linked
    assert not _artefact(Calibrated(every, every), apart, graph)
