"""How the members are weighed when they choose candidates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from neo4j_relpred.model.members import Weights
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.training import weights as weighing
from neo4j_relpred.training.weights import LEAST, MOST, RIVALS, _fitted, weigh
from tests.synthetic import World


def test_a_member_that_knows_nothing_counts_least() -> None:
    rows = torch.randn(400, 11, 3, generator=torch.Generator().manual_seed(0))  # the answer first
    rows[:, 0] += torch.tensor([2.0, 0.0, 0.7])
    much, nothing, some = _fitted(rows, np.array([True, True, True]))
    assert much > some > nothing
    assert nothing < 3 * LEAST
    assert _fitted(rows, np.array([False, True, True]))[0] == 0


def test_weights_stay_within_bounds(trained: TrainedModel, world: World) -> None:
    found = weigh(trained.members, world.split.holdout)
    assert all(LEAST <= weight <= MOST for weight in (*found.known, *found.new[1:]))


def test_weights_are_the_same_each_time(trained: TrainedModel, world: World) -> None:
    assert weigh(trained.members, world.split.holdout) == weigh(trained.members, world.split.holdout)


def test_few_answers_change_no_weight(trained: TrainedModel, world: World) -> None:
    assert weigh(trained.members, world.split.holdout[:5]) == trained.members.weights


def test_a_member_that_is_not_there_is_passed_over(trained: TrainedModel, world: World) -> None:
    alone = replace(trained.members, structure=None)
    weights = weigh(alone, world.split.holdout)
    assert weights.known[0] == weights.new[0] == 0
    anchors = np.array([7, 8])
    proposal = replace(alone, weights=weights).propose(0, anchors, (np.empty(0, np.int64),) * 2)
    assert np.isfinite(proposal.base).all()


def test_a_new_anchor_is_weighed_as_new(trained: TrainedModel) -> None:
    """Members that know no entity propose by the second set of weights, whatever the first one is."""
    nothing = (np.empty(0, np.int64),) * 2
    orders = [
        replace(trained.members, weights=Weights(known, new)).as_new().propose(0, np.array([7]), nothing).base
        for known, new in (((1, 1, 1, 1), (0, 1, 9, 1)), ((9, 9, 0, 0), (0, 1, 9, 1)), ((1, 1, 1, 1), (0, 9, 1, 1)))
    ]
    assert np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])


def test_answers_without_rivals_change_no_weight(
    trained: TrainedModel, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weighing, "_standings", lambda *_: torch.zeros(0, 1 + RIVALS, 4))
    assert weigh(trained.members, world.split.holdout) == trained.members.weights
