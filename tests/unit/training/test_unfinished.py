"""A training that was killed goes on, and ends with the weights that it would have had."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neo4j_relpred.config import TrainingSettings
from neo4j_relpred.model.checkpoint import Checkpoint, save_checkpoint
from neo4j_relpred.model.grown import grown
from neo4j_relpred.model.relation_head import RelationHead
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.training import budget as budgets
from neo4j_relpred.training import fit as fitting
from neo4j_relpred.training import plan as plans
from neo4j_relpred.training import reasoner as fitting_reasoner
from neo4j_relpred.training import relation_head as fitting_head
from neo4j_relpred.training import structure as fitting_structure
from neo4j_relpred.training import tower as fitting_tower
from neo4j_relpred.training import unfinished as module
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.lesson import Lesson, fingerprint
from neo4j_relpred.training.plan import Plan, plan_training
from neo4j_relpred.training.relation_head import fit_relation_head
from neo4j_relpred.training.structure import fit_structure
from neo4j_relpred.training.tower import fit_tower
from neo4j_relpred.training.unfinished import Place, State, Unfinished, pause_after
from tests.synthetic import ENDLESS, TINY_MODEL, World, fitted, text_for

ROOT = Path(__file__).parents[3]
TRAINING = TrainingSettings(minutes=ENDLESS, max_epochs=2, batch_size=128)
MODEL = TINY_MODEL.model_copy(update={"candidates": 20})
Stage = Callable[[World, Budget, Callable[[float], None], Place], nn.Module]
Learnt = tuple[Mapping[str, Tensor], list[float]]


class Killed(Exception):
    """Stands for the end of the process."""


def killing(after: int) -> Callable[[float], float]:
    """Keeps a state at every step, and kills once so many are kept."""
    saved = itertools.count()  # the first call is that of the place, before any

    def pause(_cost: float) -> float:
        if next(saved) == after:
            raise Killed
        return 0.0

    return pause


def always(_cost: float) -> float:
    """Keeps a state at every step."""
    return 0.0


def structure(world: World, budget: Budget, report: Callable[[float], None], place: Place) -> nn.Module:
    return fit_structure(world.train, 4, TRAINING, budget, None, report, place)


def tower(world: World, budget: Budget, report: Callable[[float], None], place: Place) -> nn.Module:
    return fit_tower(world.train, world.text, MODEL, TRAINING, budget, None, report, place)


def head(world: World, budget: Budget, report: Callable[[float], None], place: Place) -> nn.Module:
    torch.manual_seed(0)
    return fit_relation_head(RelationHead(4, 8), world.train, world.text, TRAINING, budget, report, place)


@pytest.fixture(params=["structure", "structure of a large graph", "tower", "tower of a large graph", "head"])
def stage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Stage:
    if "large" in request.param:
        monkeypatch.setattr(fitting_structure, "EXACT_ENTITIES", 10)
        monkeypatch.setattr(fitting_structure, "SHARED_NEGATIVES", 30)
        monkeypatch.setattr(fitting_tower, "DENSE_ENTITIES", 10)
    return {"structure": structure, "tower": tower, "head": head}[request.param.split()[0]]


@pytest.fixture(scope="module")
def earlier() -> dict[str, Learnt]:
    return {}


@pytest.fixture
def undisturbed(stage: Stage, request: pytest.FixtureRequest, world: World, earlier: dict[str, Learnt]) -> Learnt:
    """The weights and losses of a stage that nobody kills; learnt once, for all tests of it."""
    name: str = request.node.callspec.params["stage"]
    if name not in earlier:
        losses: list[float] = []
        earlier[name] = run(stage, world, Unfinished(), losses.append), losses
    return earlier[name]


def run(
    stage: Stage, world: World, unfinished: Unfinished, report: Callable[[float], None] = lambda loss: None
) -> Mapping[str, Tensor]:
    budget = unfinished.begin(lambda: "one", ENDLESS)
    place = Place(unfinished, "stage", budget)
    return stage(world, place.budget, report, place).state_dict()


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


def test_a_stage_that_is_killed_at_every_step_learns_the_same(
    stage: Stage, undisturbed: Learnt, world: World, tmp_path: Path
) -> None:
    whole, whole_losses = undisturbed
    losses: list[float] = []
    for kills in itertools.count():
        torch.manual_seed(kills)  # whatever chance was in the process before
        try:
            found = run(stage, world, Unfinished(tmp_path, killing(1)), losses.append)
        except Killed:
            continue
        break
    assert kills >= 5
    assert same(whole, found)
    assert losses == whole_losses
    assert same(whole, run(stage, world, Unfinished(tmp_path)))  # what is done is not done again


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_steps_after_the_last_state_are_made_again(
    stage: Stage, undisturbed: Learnt, kept: int, world: World, tmp_path: Path
) -> None:
    pauses = itertools.chain([0.0] * kept, itertools.repeat(math.inf))

    def killed(_loss: float) -> None:
        if next(pauses) == math.inf:
            raise Killed

    with pytest.raises(Killed):
        run(stage, world, Unfinished(tmp_path, lambda cost: next(pauses)), killed)
    assert same(undisturbed[0], run(stage, world, Unfinished(tmp_path)))


def test_nothing_is_kept_before_it_is_time(world: World, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(tower, world, Unfinished(tmp_path, lambda cost: 3600.0), raising)
    assert list(tmp_path.iterdir()) == []


def raising(_loss: float) -> None:
    raise Killed


# the whole training


@pytest.fixture(scope="module")
def whole(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, str]:
    """A training that nothing interrupts."""
    return saved(train(world, None), tmp_path_factory.mktemp("whole"))


def train(
    world: World, unfinished: Unfinished | None, training: TrainingSettings = TRAINING, **more: Any
) -> TrainedModel:
    return fitted(world.train, world.split.holdout, world.text, MODEL, training, unfinished=unfinished, **more)


def saved(model: TrainedModel, folder: Path) -> tuple[bytes, str]:
    """Every tensor and every number of the model."""
    save_checkpoint(Checkpoint(model, (), (), {}), folder / "model")
    return (folder / "model" / "weights.safetensors").read_bytes(), (folder / "model" / "model.json").read_text()


def test_a_training_that_is_killed_again_and_again_ends_with_the_same_model(
    world: World, whole: tuple[bytes, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = itertools.count()

    def planning(*given: Any) -> Plan:
        next(planned)
        return plan_training(*given)

    monkeypatch.setattr(fitting, "plan_training", planning)
    for kills in itertools.count():
        try:
            model = train(world, Unfinished(tmp_path / "state", killing(9)))
        except Killed:
            continue
        assert kills >= 2
        break
    assert next(planned) == 1
    assert saved(model, tmp_path) == whole


def killed_at(where: str) -> Callable[[str, float], None]:
    def progress(stage: str, _share: float) -> None:
        if stage == where:
            raise Killed

    return progress


def test_kills_before_a_stage_has_a_state_change_nothing(
    world: World, whole: tuple[bytes, str], tmp_path: Path
) -> None:
    for number, where in enumerate(("rules", "reasoner", "relation head", "relation reasoner")):
        torch.manual_seed(number)
        with pytest.raises(Killed):
            train(world, Unfinished(tmp_path / "state"), progress=killed_at(where))
    torch.manual_seed(9)
    assert saved(train(world, Unfinished(tmp_path / "state")), tmp_path) == whole


@pytest.mark.slow
def test_a_process_that_is_killed_while_it_writes_goes_on_from_the_state_before(
    world: World, whole: tuple[bytes, str], tmp_path: Path
) -> None:
    """Half of the third state of the tower is on the disk when the process dies."""
    code = (
        "import itertools, os, signal, sys, pathlib\n"
        "from neo4j_relpred.training import unfinished\n"
        "from tests.synthetic import family\n"
        "from tests.unit.training.test_unfinished import always, train\n"
        "real, saves = unfinished.save_file, itertools.count(1)\n"
        "def save(tensors, aside, header):\n"
        "    real(tensors, aside, header)\n"
        "    if aside.name.startswith('.tower') and next(saves) == 3:\n"
        "        os.truncate(aside, aside.stat().st_size // 2)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "unfinished.save_file = save\n"
        "train(family(), unfinished.Unfinished(pathlib.Path(sys.argv[1]), always))\n"
    )
    folder = tmp_path / "state"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT, env=os.environ, check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL
    left = [".tower.safetensors.tmp", "plan.safetensors", "structure.safetensors", "tower.safetensors"]
    assert sorted(path.name for path in folder.iterdir()) == left
    unfinished = Unfinished(folder)
    assert saved(train(world, unfinished), tmp_path) == whole
    assert not list(folder.glob(".*"))
    assert unfinished.earlier > 0


# what is not trusted


def kept(folder: Path, name: str = "one") -> Unfinished:
    unfinished = Unfinished(folder)
    unfinished.begin(lambda: name, ENDLESS)
    return unfinished


def with_two_states(folder: Path) -> list[Path]:
    unfinished = kept(folder)
    unfinished.write("first", State({"a": torch.arange(6.0)}, {"step": 1}))
    unfinished.write("second", State({"b": torch.tensor(1), "c": torch.zeros(0, 3)}, {"step": 2}))
    return sorted(folder.iterdir())


def test_states_are_read_as_they_were_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with_two_states(tmp_path)
    unfinished = kept(tmp_path)
    assert "goes on after 0 seconds (first, second)" in caplog.text
    first, second = unfinished.take("first"), unfinished.take("second")
    assert first
    assert second
    assert torch.equal(first.tensors["a"], torch.arange(6.0))
    assert (second.tensors["b"].item(), second.tensors["c"].shape) == (1, (0, 3))
    assert (first.about["step"], second.about["step"]) == (1, 2)
    assert unfinished.take("first") is None
    unfinished.clear()
    assert not tmp_path.exists()


def test_a_state_that_is_not_as_it_was_written_is_thrown_away_with_all_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "state"
    whole = with_two_states(folder)[0].read_bytes()
    flipped = (whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in range(0, len(whole), 11))
    for damaged in (b"", whole[:7], whole[:-1], whole[: len(whole) // 2], *flipped):
        caplog.clear()
        with_two_states(folder)[0].write_bytes(damaged)
        assert kept(folder).take("first") is None
        assert not folder.exists()
        assert "thrown away, the training begins anew" in caplog.text


def test_the_state_of_another_training_is_thrown_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with_two_states(tmp_path / "state")
    assert kept(tmp_path / "state", "two").take("first") is None
    assert "is of other data, settings or versions" in caplog.text


def test_whatever_decides_the_weights_is_in_the_fingerprint(
    world: World, trained: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from neo4j_relpred.model.words import Words

    names = [f"person {number}" for number in range(60)]
    words = Words.of(names, names)
    start = grown(trained, np.arange(60), np.arange(4))
    lesson = Lesson(world.train, world.split.holdout, world.text, words)
    other = Words.of([*names[1:], "nobody"], names)

    def variants() -> Iterator[str]:
        yield fingerprint(lesson, MODEL, TRAINING, None)
        yield fingerprint(Lesson(world.graph, *list(vars(lesson).values())[1:]), MODEL, TRAINING, None)
        yield fingerprint(Lesson(world.train, world.split.test, world.text, words), MODEL, TRAINING, None)
        yield fingerprint(Lesson(world.train, world.split.holdout, text_for(world.graph), words), MODEL, TRAINING, None)
        yield fingerprint(Lesson(world.train, world.split.holdout, world.text), MODEL, TRAINING, None)
        yield fingerprint(Lesson(world.train, world.split.holdout, world.text, other), MODEL, TRAINING, None)
        yield fingerprint(lesson, TINY_MODEL, TRAINING, None)
        yield fingerprint(lesson, MODEL, TRAINING.model_copy(update={"seed": 1}), None)
        yield fingerprint(lesson, MODEL, TRAINING, start)
        yield fingerprint(lesson, MODEL, TRAINING, grown(trained, np.arange(60), np.arange(4)[::-1]))
        monkeypatch.setattr("neo4j_relpred.training.lesson.__version__", "another")
        yield fingerprint(lesson, MODEL, TRAINING, None)

    found = list(variants())
    assert len(set(found)) == len(found)
    monkeypatch.undo()
    assert fingerprint(lesson, MODEL, TRAINING, None) == found[0]


def test_a_training_that_cannot_be_kept_goes_on_and_says_so(
    tmp_path: Path, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    assert run(structure, world, Unfinished(tmp_path / "file" / "state", always))
    assert "cannot be kept" in caplog.text


# time


class Clock:
    """Time that passes at every look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tick: float) -> None:
        self.now, self.tick = 1000.0, tick
        for place in (budgets, module, plans):
            monkeypatch.setattr(place, "time", SimpleNamespace(monotonic=self.look))

    def look(self) -> float:
        self.now += self.tick
        return self.now


def test_a_state_is_kept_every_minute_and_costs_two_percent_at_most() -> None:
    assert pause_after(0.0) == pause_after(1.0) == 60
    assert pause_after(30.0) == 1500


def test_what_was_used_counts_when_a_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, 0.0)
    first = Unfinished(tmp_path)
    budget = first.begin(lambda: "one", 10)
    clock.now += 100
    place = Place(first, "tower", budget.part(200))
    clock.now += 50
    place.keep({}, {"done": False})
    clock.now += 7777  # nobody counts the time in which nothing ran
    second = Unfinished(tmp_path)
    assert (second.begin(lambda: "one", 10).used, second.earlier) == (150, 150)
    taken = Place(second, "tower", budget.part(10)).budget
    assert (taken.seconds, taken.used) == (200, 50)


def test_a_stage_that_has_no_state_gets_the_time_that_was_meant_for_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, given = Clock(monkeypatch, 0.1), []

    class Recorded(Place):
        def __init__(self, unfinished: Unfinished, stage: str, budget: Budget) -> None:
            super().__init__(unfinished, stage, budget)
            given.append((stage, self.budget.seconds))

    monkeypatch.setattr(fitting, "Place", Recorded)
    settings = TRAINING.model_copy(update={"minutes": 1.0})
    for _ in range(2):
        with pytest.raises(Killed):
            train(world, Unfinished(tmp_path), settings, progress=killed_at("tower"))
        clock.now += 1000
    assert [stage for stage, _ in given] == ["structure", "tower"] * 2
    assert given[:2] == given[2:]


@pytest.mark.slow
def test_a_training_that_its_budget_ends_takes_as_long_with_a_kill_as_without(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting_reasoner, "LEAST_STEPS", 3)
    monkeypatch.setattr(fitting_head, "LEAST_STEPS", 3)
    clock = Clock(monkeypatch, 0.25)
    settings = TRAINING.model_copy(update={"minutes": 1.0, "max_epochs": 1000})

    def seconds(unfinished: Unfinished) -> float:
        began = clock.now
        with contextlib.suppress(Killed):
            train(world, unfinished, settings)
        return clock.now - began

    alone = seconds(Unfinished(tmp_path / "alone", lambda cost: math.inf))
    before = seconds(Unfinished(tmp_path / "state", killing(10)))
    after = seconds(Unfinished(tmp_path / "state", lambda cost: math.inf))
    assert alone == pytest.approx(60, rel=0.2)
    assert 10 < before < 50
    assert before + after == pytest.approx(alone, rel=0.1)


@pytest.fixture(autouse=True)
def _logger_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever configures logging in this process may have switched off the loggers that were there."""
    monkeypatch.setattr(logging.getLogger(module.__name__), "disabled", False)
