"""Curves stay small, keep their ends, and come back from another process."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.training.curves import MOST, Curve, Curves


@pytest.mark.parametrize("epochs", [1, 7, 2 * MOST, 5_000])
def test_a_curve_keeps_a_few_hundred_points_evenly(epochs: int) -> None:
    curve = Curve()
    for epoch in range(epochs):
        curve.add(epoch / 10, 1 / (1 + epoch))
    at = [point.epoch for point in curve.points]
    assert at[0] == 0
    assert len(at) <= 2 * MOST
    assert epochs - at[-1] <= max(1, 2 * epochs // MOST)
    assert {later - earlier for earlier, later in pairwise(at)} <= {curve.stride}
    assert all(point.loss == 1 / (1 + point.epoch) for point in curve.points)


def test_a_loss_that_is_no_number_leaves_a_gap_and_valid_json() -> None:
    curves = Curves()
    for loss in (1.0, float("nan"), float("inf"), 0.5):
        curves.add("tower", loss)
    assert [(epoch, loss) for epoch, _, loss in curves.to_json()["tower"]] == [(0, 1.0), (3, 0.5)]
    json.dumps(curves.to_json(), allow_nan=False)


def test_what_another_process_saw_joins_what_this_one_saw(tmp_path: Path) -> None:
    here, there = Curves(began=100.0), Curves(began=103.0)
    there.add("structure", 2.0)
    there.write(tmp_path / "curves.json")
    here.add("tower", 1.0)
    here.read(tmp_path / "curves.json")
    here.read(tmp_path / "missing.json")
    assert set(here.to_json()) == {"structure", "tower"}
    seconds = there.stages["structure"].points[0].seconds
    (point,) = here.to_json()["structure"]
    assert (point.epoch, point.loss) == (0, 2.0)
    assert point.seconds == pytest.approx(seconds + 3)


def test_every_stage_of_a_training_leaves_a_curve_that_falls(learnt: tuple[TrainedModel, Curves]) -> None:
    found = learnt[1].to_json()
    stages = {"structure", "tower", "relation head", "reasoner of entities", "reasoner of relations"}
    assert set(found) == stages
    for stage in stages:
        assert found[stage][-1].loss < found[stage][0].loss, stage
