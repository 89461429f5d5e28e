"""Tuning: what is tried, what counts as better, and what is kept when something goes wrong."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neo4j_relpred.api import RelationPredictor, tuning
from neo4j_relpred.api.sampler import Sampler
from neo4j_relpred.api.search_space import SPACE, Choice, changed, value_of, with_values
from neo4j_relpred.api.training import split_snapshot
from neo4j_relpred.api.tuning import Judged, Plan, Tried, Tuning, tune
from neo4j_relpred.api.workspace import Workspace, silent
from neo4j_relpred.config import EvaluationSettings, Settings, TextSettings, TrainingSettings
from neo4j_relpred.data.snapshot import Node, Snapshot
from neo4j_relpred.errors import DependencyMissing, InvalidSettings, TooLittleData
from neo4j_relpred.evaluation.ranking import summarize
from neo4j_relpred.evaluation.trial import try_out
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.text.vectors import Vectors
from neo4j_relpred.triples import Triple
from tests.synthetic import BRIEF_TRAINING, TINY_MODEL, World, family

NAMES = ("PARENT", "CHILD", "GRANDPARENT", "SIBLING")
PLAN = Plan(6, 60.0)
Judge = Callable[[Settings], tuple[float, float]]


def snapshot(edges: int | None = None) -> Snapshot:
    nodes = [Node(f"p{number:02}", f"4:{number}", ("Person",), {"name": f"P {number % 7}"}) for number in range(60)]
    triples = family().graph.triples[:edges].tolist()
    return Snapshot.of(
        nodes, [Triple(f"p{head:02}", NAMES[relation], f"p{tail:02}") for head, relation, tail in triples]
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(
        Settings(
            home=tmp_path,
            text=TextSettings(encoder=""),
            model=TINY_MODEL,
            training=BRIEF_TRAINING,
            evaluation=EvaluationSettings(test_share=0.15),
        )
    )


@pytest.fixture
def judged_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[Judge], list[Settings]]:
    """Replaces the training of a trial by a rule: settings to entity MRR and Hits@1. Returns what is asked for."""

    def replace_by(rule: Judge) -> list[Settings]:
        asked: list[Settings] = []

        def judge(bench: tuning._Bench, settings: Settings) -> Judged:
            asked.append(settings)
            mrr, hits = rule(settings)
            noise = np.random.default_rng(0).normal(0, 0.01, len(bench.test))
            return Judged(bench.test, mrr + noise, np.full(len(bench.test), hits))

        monkeypatch.setattr(tuning._Bench, "judge", judge)
        return asked

    return replace_by


def wider_is_better(settings: Settings) -> tuple[float, float]:
    return settings.model.neighbors / 50, 0.5


# the plan and the space


def test_as_many_trials_fit_as_have_a_quarter_minute_beside_two_to_confirm() -> None:
    assert Plan.of(3.0) == Plan(10, 15.0)
    assert Plan.of(0.1).trials == 2
    assert Plan.of(600.0).trials == tuning.MOST_TRIALS
    assert Plan.of(10.0, 8) == Plan(8, 60.0)


@pytest.mark.parametrize(("minutes", "trials"), [(0.0, None), (-1.0, 5), (10.0, 1)])
def test_a_plan_that_compares_nothing_is_refused(minutes: float, trials: int | None) -> None:
    with pytest.raises(InvalidSettings, match="compare nothing"):
        Plan.of(minutes, trials)


def test_the_space_holds_the_defaults_and_every_end_of_it_can_be_set() -> None:
    settings = Settings()
    for name, dimension in SPACE.items():
        default = value_of(settings, name)
        ends = dimension.values if isinstance(dimension, Choice) else (dimension.low, dimension.high)
        assert default is None or dimension.around(default) == dimension, name
        for end in ends:
            assert value_of(with_values(settings, {name: end}), name) == end


def test_a_value_in_force_outside_the_space_widens_it(world: World) -> None:
    settings = Settings(model=TINY_MODEL)
    sampler = Sampler(settings, world.graph, 0.5)
    drawn = [sampler.ask().params for _ in range(30)]
    assert {row["model.structure_rank"] for row in drawn} == {8, 64, 128, 256}
    assert min(row["model.neighbors"] for row in drawn) < 6


def test_numbers_are_short_enough_to_be_read() -> None:
    settings = with_values(Settings(), {"training.bce_weight": 0.123456, "model.neighbors": 8})
    assert changed(settings, Settings()) == {"training.bce_weight": 0.123, "model.neighbors": 8}


def test_the_same_seed_and_the_same_figures_give_the_same_settings_to_try(world: World) -> None:
    def drawn(seed: int, figure: float) -> list[dict[str, Any]]:
        sampler = Sampler(Settings(training=TrainingSettings(seed=seed)), world.graph, 0.5)
        rows = []
        for number in range(12):
            trial = sampler.ask()
            rows.append(trial.params)
            sampler.tell(trial, None if number == 3 else figure * trial.params["model.unknown_share"])
        return rows

    assert drawn(0, 1.0) == drawn(0, 1.0)
    assert drawn(0, 1.0) != drawn(1, 1.0)
    assert drawn(0, 1.0) != drawn(0, -1.0)  # it learns from what it is told


# what is compared


def test_trials_are_paired_triple_by_triple(world: World, trained: TrainedModel) -> None:
    test = world.split.test
    entities, relations = try_out(trained, test, world.graph, (), float("inf"))
    found = tuning._judged(entities, relations, 4)
    np.testing.assert_array_equal(found.triples, test[np.lexsort(test.T[::-1])])
    assert found.entity_mrr == pytest.approx(summarize(entities.ranks()).mrr)
    assert found.relation_hits == pytest.approx(summarize(relations.ranks()).hits_at(1))
    assert found.figure == pytest.approx((found.entity_mrr + found.relation_hits) / 2)
    one, others = try_out(trained, found.triples[5:6], world.graph, (), float("inf"))
    alone = tuning._judged(one, others, 4)
    np.testing.assert_allclose(alone.each, found.each[5:6])


def test_better_is_what_leads_by_more_than_noise() -> None:
    rng = np.random.default_rng(0)
    triples, luck = np.zeros((400, 3), np.int64), rng.normal(0, 0.3, 400)
    before = Judged(triples, np.full(400, 0.5), np.zeros(400))
    assert not Judged(triples, 0.5 + luck, np.zeros(400)).beats(before)
    assert Judged(triples, 0.6 + luck, np.zeros(400)).beats(before)
    assert not before.beats(before)


def test_the_edges_of_the_report_are_kept_away_from_all_trials(workspace: Workspace) -> None:
    data = snapshot()
    bench = tuning._Bench.of(workspace, data, PLAN, silent)
    reported = {tuple(row) for row in split_snapshot(workspace, data)[0].test.tolist()}
    parts = [
        {tuple(row) for row in part.tolist()} for part in (bench.lesson.train.triples, bench.lesson.holdout, bench.test)
    ]
    assert reported
    assert all(part and not part & reported for part in parts)
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(data.triples) - len(reported)


def test_texts_are_encoded_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, judged_by: Any) -> None:
    calls: list[Workspace] = []

    def encode(asked: Workspace, *_: Any) -> Vectors:
        calls.append(asked)
        return np.zeros((60, 0), np.float32)

    monkeypatch.setattr(Workspace, "encode", encode)
    judged_by(wider_is_better)
    assert len(tune(workspace, snapshot(), PLAN, silent).trials) == PLAN.trials
    assert len(calls) == 1


# what is found


def test_the_best_settings_are_confirmed_with_another_seed(workspace: Workspace, judged_by: Any) -> None:
    asked = judged_by(wider_is_better)
    found = tune(workspace, snapshot(), PLAN, silent)
    assert asked[0] == workspace.settings
    assert found.trials[0].values == {}
    assert len(found.trials) == PLAN.trials
    best = max(found.trials[1:], key=lambda tried: tried.values.get("model.neighbors", 4))
    assert found.values == best.values
    assert (found.confirmed, found.stopped) == (True, False)
    assert [settings.training.seed for settings in asked[-2:]] == [1, 1]
    assert changed(asked[-1], workspace.settings) == dict(best.values)
    assert found.after.figure > found.before.figure
    assert found.to_json()["best"] == dict(best.values)


def test_the_luckiest_is_not_better_if_it_does_not_lead_again(workspace: Workspace, judged_by: Any) -> None:
    judged_by(lambda settings: (0.5, 0.5) if settings.training.seed else wider_is_better(settings))
    found = tune(workspace, snapshot(), PLAN, silent)
    assert found.confirmed
    assert found.values == {}


def test_nothing_is_confirmed_where_the_settings_in_force_are_the_best(workspace: Workspace, judged_by: Any) -> None:
    asked = judged_by(lambda settings: (1.0 if settings == workspace.settings else 0.5, 0.5))
    found = tune(workspace, snapshot(), PLAN, silent)
    assert len(asked) == PLAN.trials
    assert (found.values, found.confirmed) == ({}, False)


@pytest.mark.parametrize("error", [MemoryError("no room"), TooLittleData("too few"), RuntimeError("diverged")])
def test_a_trial_that_fails_costs_only_itself(error: Exception, workspace: Workspace, judged_by: Any) -> None:
    tries: Iterator[int] = iter(range(100))

    def rule(settings: Settings) -> tuple[float, float]:
        if next(tries) == 2:
            raise error
        return wider_is_better(settings)

    judged_by(rule)
    found = tune(workspace, snapshot(), PLAN, silent)
    failed = found.trials[2]
    assert failed.judged is None
    assert failed.failure == f"{type(error).__name__}: {error}"
    assert failed.to_json()["figure"] is None
    assert found.values
    assert [tried.number for tried in found.trials] == [1, 2, 3, 4, 5, 6]


def test_settings_in_force_that_cannot_be_trained_raise_what_training_would(
    workspace: Workspace, judged_by: Any
) -> None:
    def rule(settings: Settings) -> tuple[float, float]:
        raise TooLittleData("too few")

    judged_by(rule)
    with pytest.raises(TooLittleData, match="too few"):
        tune(workspace, snapshot(), PLAN, silent)
    with pytest.raises(TooLittleData, match="too few"):
        tune(workspace, snapshot(edges=4), PLAN, silent)


def test_a_confirmation_that_fails_leaves_the_figures_of_the_search(workspace: Workspace, judged_by: Any) -> None:
    def rule(settings: Settings) -> tuple[float, float]:
        if settings.training.seed:
            raise MemoryError
        return wider_is_better(settings)

    judged_by(rule)
    found = tune(workspace, snapshot(), PLAN, silent)
    assert found.values
    assert not found.confirmed


@pytest.mark.parametrize("trained", [2, 4, 7])
def test_stopping_keeps_what_was_found(trained: int, workspace: Workspace, judged_by: Any) -> None:
    tries: Iterator[int] = iter(range(100))

    def rule(settings: Settings) -> tuple[float, float]:
        if next(tries) == trained:
            raise KeyboardInterrupt
        return wider_is_better(settings)

    judged_by(rule)
    found = tune(workspace, snapshot(), PLAN, silent)
    assert (found.stopped, found.confirmed) == (True, False)
    assert len(found.trials) == min(trained, PLAN.trials)
    best = max(found.trials, key=lambda tried: tried.judged.figure if tried.judged else 0.0)
    assert found.values == (best.values if best.number > 1 else {})


def test_no_trial_begins_that_would_leave_no_time_to_confirm(workspace: Workspace, judged_by: Any) -> None:
    judged_by(wider_is_better)
    assert len(tune(workspace, snapshot(), replace(PLAN, seconds=0.0), silent).trials) == 1


def test_fewer_trials_fit_where_one_takes_longer_than_its_slot(
    workspace: Workspace, judged_by: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def rule(settings: Settings) -> tuple[float, float]:
        clock[0] += 2 * PLAN.seconds
        return wider_is_better(settings)

    judged_by(rule)
    found = tune(workspace, snapshot(), PLAN, silent)
    assert [tried.seconds for tried in found.trials] == [120.0, 120.0]
    assert found.confirmed


def test_a_missing_extra_is_named_before_the_graph_is_asked(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DependencyMissing) as caught:
        RelationPredictor(workspace.settings).tune(1.0)
    assert "pip install 'neo4j_relpred[tune]'" in caught.value.hint


def test_a_tuning_trains_on_the_latest_snapshot_and_changes_no_version(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real trainings, with the budget of a plan that is never used up."""
    monkeypatch.setattr(tuning, "LEAST_SECONDS", 1e9)
    data = snapshot()
    workspace.snapshots.add(data)
    small = {"model.hidden": 16, "model.neighbors": 4, "model.structure_rank": 8, "model.candidates": 20}
    monkeypatch.setattr("neo4j_relpred.api.sampler.SPACE", {name: Choice((value,)) for name, value in small.items()})
    predictor = RelationPredictor(workspace.settings)
    found: Tuning = predictor.tune(1e9, trials=2)
    assert found.snapshot == data.content_hash
    assert [tried.failure for tried in found.trials] == ["", ""]
    for tried in found.trials:
        assert isinstance(tried, Tried)
        assert tried.judged is not None
        assert 0 < tried.judged.entity_mrr <= 1
    assert predictor.models() == []
