"""The report: the same ranks as by hand, rivals beside us, and no loss on the way through JSON."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pytest

from neo4j_relpred.data.knowledge_graph import IntArray, both_directions
from neo4j_relpred.evaluation.report import Report, evaluate
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
    names |= {"structure only", "text and graph only"}
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
