"""Our model beside PyKEEN's: figures of both, and what one reads without PyKEEN."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks import peers
from benchmarks.folders import DataSet
from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.evaluation.report import evaluate
from neo4j_relpred.model.trained import TrainedModel
from tests.synthetic import World

NAMES = ("PARENT", "CHILD", "GRANDPARENT", "SIBLING")


class Constant:
    name = "constant"

    def entity_scores(self, relation: int, anchors: IntArray) -> npt.NDArray[np.float64]:
        return np.zeros((len(anchors), 60))

    def relation_scores(self, heads: IntArray, tails: IntArray) -> None:
        return None


@pytest.fixture
def data(world: World) -> DataSet:
    ids, split = [str(number) for number in range(world.graph.num_entities)], world.split
    return DataSet(ids, ids, ids, NAMES, split.train, split.holdout, split.test, {})


def test_figures_stand_beside_each_other_and_as_a_ratio(trained: TrainedModel, world: World) -> None:
    report = evaluate(trained, world.split.test, world.graph, NAMES, (Constant(),))
    found = peers.figures(report)
    assert found["ours_entity_mrr"] == report.entities.mrr
    assert found["ratio_entity_mrr"] == pytest.approx(found["ours_entity_mrr"] / found["constant_entity_mrr"])
    assert "ours_relation_hits_at_1" in found
    assert not any(name.startswith(("constant_relation", "ratio_relation")) for name in found)


def test_without_pykeen_one_reads_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "pykeen" or name == "benchmarks.pykeen_models"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pykeen", None)
    with pytest.raises(SystemExit, match="PyKEEN is not installed: pip install"):
        peers.main([str(tmp_path)])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of PyKEEN's own libraries
def test_a_peer_answers_both_sides_and_relations(data: DataSet) -> None:
    pytest.importorskip("pykeen", reason="the extra `peers` is not installed")
    from benchmarks import pykeen_models

    for name in pykeen_models.MODELS:
        rival, costs = pykeen_models.train(name, data, 0.02, 0)
        assert costs["epochs"] >= 1
        heads, tails = data.test[:5, 0], data.test[:5, 2]
        relations = rival.relation_scores(heads, tails)
        assert relations.shape == (5, 4)
        for relation in range(4):
            forward, back = rival.entity_scores(relation, heads), rival.entity_scores(relation + 4, tails)
            np.testing.assert_allclose(forward[np.arange(5), tails], relations[:, relation], rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(back[np.arange(5), heads], relations[:, relation], rtol=1e-4, atol=1e-5)
