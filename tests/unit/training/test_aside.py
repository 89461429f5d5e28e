"""Two cores: members that learn side by side, and questions that are asked side by side, give the same numbers."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from neo4j_relpred.config import TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.evaluation.trial import try_out
from neo4j_relpred.model.chunks import ask_by_relation
from neo4j_relpred.model.members import Members
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.training import aside as module
from neo4j_relpred.training import fit as fitting
from neo4j_relpred.training.cores import workers_for
from neo4j_relpred.training.holdout import Questions, entity_data
from neo4j_relpred.training.memory import Size
from neo4j_relpred.training.unfinished import Unfinished, read_state
from tests.synthetic import TINY_MODEL, TINY_TRAINING, World, fitted

ROOT = Path(__file__).parents[3]
BRIEF = TINY_TRAINING.model_copy(update={"max_epochs": 2})
TWO = BRIEF.model_copy(update={"workers": 2})


@pytest.fixture
def worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even of so small a graph."""
    monkeypatch.setattr(fitting, "WORTH_TRIPLES", 1)
    monkeypatch.setattr(fitting, "WORTH_SECONDS", 0.0)
    monkeypatch.setattr(logging.getLogger(module.__name__), "disabled", False)


@pytest.fixture(scope="module")
def alone(world: World) -> TrainedModel:
    return train(world, BRIEF.model_copy(update={"workers": 1}))


def train(world: World, training: TrainingSettings, unfinished: Unfinished | None = None) -> TrainedModel:
    return fitted(world.train, world.split.holdout, world.text, TINY_MODEL, training, unfinished=unfinished)


def same(first: TrainedModel, second: TrainedModel) -> bool:
    """Members and reasoners, bit by bit."""
    pairs = [
        (first.members.structure, second.members.structure),
        (first.members.tower, second.members.tower),
        (first.head, second.head),
        (first.entity_reasoner, second.entity_reasoner),
        (first.relation_reasoner, second.relation_reasoner),
    ]
    return all(
        torch.equal(weight, other.state_dict()[name])
        for one, other in pairs
        if one is not None and other is not None
        for name, weight in one.state_dict().items()
    )


@pytest.mark.slow
@pytest.mark.usefixtures("worth_it")
def test_a_member_that_learns_in_another_process_learns_the_same(
    world: World, alone: TrainedModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unfinished = Unfinished(tmp_path / "state")
    assert same(train(world, TWO, unfinished), alone)
    assert not caplog.records
    assert read_state(tmp_path / "state", "structure")[1].about["done"]  # a kill would find it


@pytest.mark.slow
@pytest.mark.usefixtures("worth_it")
def test_where_no_process_can_be_had_the_member_learns_here(
    world: World, alone: TrainedModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that fails, and one that the system does not give."""
    broken = 'import sys; print("no torch to be had"); sys.exit(1)'
    monkeypatch.setattr(module, "COMMAND", ["-c", broken])
    assert same(train(world, TWO), alone)
    assert "could not be fitted in a process of its own" in caplog.text
    assert "no torch to be had" in caplog.text
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert same(train(world, TWO), alone)
    assert "No such file" in caplog.text


@pytest.mark.slow
def test_the_process_ends_with_the_one_that_started_it() -> None:
    code = (
        "import time\n"
        "from neo4j_relpred.training.aside import Aside\n"
        "from neo4j_relpred.training.budget import Budget\n"
        "from neo4j_relpred.training.unfinished import Unfinished\n"
        "from tests.synthetic import TINY_TRAINING, family\n"
        "endless = TINY_TRAINING.model_copy(update={'max_epochs': 10**9})\n"
        "aside = Aside(family().train, 4, endless, Budget.minutes(60), None, Unfinished())\n"
        "print(aside.process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.send_signal(signal.SIGKILL)
    for _ in range(600):
        if not alive(child):
            break
        time.sleep(0.1)
    assert not alive(child)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_questions_asked_side_by_side_get_the_same_numbers(trained: TrainedModel, world: World) -> None:
    for one, two in zip(
        *(try_out(trained, world.split.test, world.graph, (), 1e6, workers=workers) for workers in (1, 2)), strict=True
    ):
        np.testing.assert_array_equal(two.queries(), one.queries())
        np.testing.assert_array_equal(two.ranks().realistic, one.ranks().realistic)
    questions = Questions.of_entities(world.split.holdout, world.graph.num_relations, np.random.default_rng(0))
    one_held, two_held = (entity_data(trained.members, questions, workers=workers) for workers in (1, 2))
    np.testing.assert_array_equal(two_held.features, one_held.features)
    np.testing.assert_array_equal(two_held.labels, one_held.labels)


def test_each_relation_is_asked_by_one_worker_in_order(trained: TrainedModel) -> None:
    relations = np.random.default_rng(0).integers(8, size=3_000)

    def ask(members: Members, relation: int, rows: IntArray) -> tuple[int, int, int]:
        return id(members), relation, int(rows[0])

    found = list(ask_by_relation(ask, relations, trained.graph.num_entities, trained.members, 2))
    np.testing.assert_array_equal(np.sort(np.concatenate([rows for rows, _ in found])), np.arange(3_000))
    asked = [(relation, first) for _, (_, relation, first) in found]
    assert asked == sorted(asked)
    workers = {relation: {worker for _, (worker, same, _) in found if same == relation} for relation in range(8)}
    assert all(len(those) == 1 for those in workers.values())
    assert id(trained.members) not in set.union(*workers.values())


def test_an_error_of_a_worker_is_told(trained: TrainedModel) -> None:
    def fail(_members: Members, relation: int, _rows: IntArray) -> None:
        raise RuntimeError(f"relation {relation}")

    with pytest.raises(RuntimeError, match="relation 1"):
        list(ask_by_relation(fail, np.array([1, 1]), trained.graph.num_entities, trained.members, 2))


@pytest.mark.parametrize(("free", "workers", "expected"), [(None, None, 2), (10**12, 3, 3), (10**8, 3, 1), (0, 1, 1)])
def test_as_much_is_done_at_once_as_cores_and_memory_allow(
    free: int | None, workers: int | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neo4j_relpred.training.memory.free_memory", lambda: free)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    settings = TrainingSettings(workers=workers)
    assert workers_for(Size(10_000, 100_000, 20, 384), TINY_MODEL, settings) == expected


def test_one_core_does_one_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert workers_for(Size(100, 1_000, 4), TINY_MODEL, TrainingSettings()) == 1
