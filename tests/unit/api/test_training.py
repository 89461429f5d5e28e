"""From a snapshot to a version: a training that was interrupted is taken up, and what was kept of it goes away."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neo4j_relpred.api import training as training_module
from neo4j_relpred.api.predictor import RelationPredictor
from neo4j_relpred.config import Settings, TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.data.snapshot import Node, Snapshot
from neo4j_relpred.data.splits import Split
from neo4j_relpred.model.checkpoint import load_checkpoint
from neo4j_relpred.model.grown import Start
from neo4j_relpred.model.unasked import Unasked
from neo4j_relpred.scoring.scorer import Scorer
from neo4j_relpred.training import unfinished
from neo4j_relpred.training.fit import fit
from neo4j_relpred.training.lesson import Lesson
from neo4j_relpred.triples import Triple
from tests.synthetic import ENDLESS, TINY_MODEL, World

TYPES = ("PARENT", "CHILD", "GRANDPARENT", "SIBLING")


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def _logger_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever configures logging in this process may have switched off the loggers that were there."""
    monkeypatch.setattr(logging.getLogger(unfinished.__name__), "disabled", False)


@pytest.fixture(scope="module")
def snapshot(world: World) -> Snapshot:
    nodes = nodes_of(f"{person:02}" for person in range(60))
    return Snapshot.of(nodes, [Triple(f"{h:02}", TYPES[r], f"{t:02}") for h, r, t in world.graph.triples.tolist()])


def nodes_of(people: Iterable[str]) -> list[Node]:
    return [Node(person, f"4:{person}", ("Person",), {"name": f"p{person}"}) for person in people]


def opened(home: Path, **changed: dict[str, Any]) -> RelationPredictor:
    training = {"minutes": ENDLESS, "max_epochs": 1, "batch_size": 256}
    sections = {"model": TINY_MODEL.model_dump(), "training": training, "evaluation": {"baseline_minutes": 0}}
    for name, values in changed.items():
        sections[name] = {**sections[name], **values}
    return RelationPredictor(Settings.model_validate({"home": home, "text": {"encoder": ""}, **sections}))


@pytest.fixture(scope="module")
def first(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one version, learnt from the snapshot."""
    home = tmp_path_factory.mktemp("first")
    opened(home).fit(snapshot)
    return home


def killed_at(where: str, stages: list[str]) -> Callable[[str, float], None]:
    def progress(stage: str, _share: float) -> None:
        stages.append(stage)
        if stage == where:
            raise Killed

    return progress


def weights(home: Path, version: int) -> bytes:
    return (home / "models" / "default" / str(version) / "weights.safetensors").read_bytes()


def test_an_interrupted_training_is_taken_up_unless_it_is_to_be_fresh(
    snapshot: Snapshot, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stages: list[str] = []
    state = tmp_path / "models" / "default" / "unfinished"
    with pytest.raises(Killed):
        opened(tmp_path).fit(snapshot, killed_at("evaluate", stages))
    assert {"structure", "tower", "relation head"} <= set(stages)
    assert sorted(path.stem for path in state.iterdir()) == [
        "entities", "head", "plan", "relations", "structure", "tower"]  # fmt: skip
    assert opened(tmp_path).models() == []

    stages.clear()
    version, report = opened(tmp_path).fit(snapshot, killed_at("never", stages))
    assert version.live
    assert "structure" not in stages
    assert "An interrupted training goes on" in caplog.text
    assert report.seconds > 0
    assert not state.exists()

    with pytest.raises(Killed):
        opened(tmp_path).fit(snapshot, killed_at("reasoner", stages))
    stages.clear()
    caplog.clear()
    opened(tmp_path).fit(snapshot, killed_at("never", stages), fresh=True)
    assert "structure" in stages
    assert caplog.text == ""
    assert weights(tmp_path, 1) == weights(tmp_path, 2)
    assert not state.exists()


def test_a_trial_without_the_held_out_edges_goes_into_the_version(
    snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[tuple[int, int, int, float]] = []

    def tried_out(scorer: Scorer, hidden: KnowledgeGraph, apart: KnowledgeGraph, seconds: float, seed: int) -> Unasked:
        known = scorer.serving.model.graph
        for graph in (hidden, apart):
            assert not known.holds(graph.triples).any()
        tried.append((len(known.triples), len(hidden.triples), len(apart.triples), seconds))
        return Unasked(np.array([0.5, 2.0]), np.full((len(TYPES), 2), -1.0))

    monkeypatch.setattr(training_module, "tried_out", tried_out)
    predictor = opened(tmp_path)
    version, _ = predictor.fit(snapshot)
    ((known, hidden, apart, seconds),) = tried
    assert known + hidden + apart == len(snapshot.triples)
    assert min(known, hidden, apart) > 0
    assert seconds == pytest.approx(60 * training_module.TRIAL_SHARE * ENDLESS)
    unasked = load_checkpoint(tmp_path / "models" / "default" / str(version.version)).model.unasked
    np.testing.assert_array_equal(unasked.slope, [0.5, 2.0])
    assert (unasked.offset == -1).all()


# a refresh


def grown_by(world: World, seed: int) -> Snapshot:
    """The family with another sixth of its edges gone, somebody gone, and newcomers who stand first."""
    rng = np.random.default_rng(seed)
    triples = world.graph.triples
    kept = triples[(rng.random(len(triples)) > 0.15) & (triples[:, [0, 2]] != 59).all(1)]
    named = [Triple(f"{h:02}", TYPES[r], f"{t:02}") for h, r, t in kept.tolist()]
    named += [Triple(f"{person:02}", TYPES[1], f"00-{person % 3}") for person in range(3, 30)]
    named += [Triple(f"00-{number}", "KNOWS", f"{person:02}") for number in range(3) for person in range(6)]
    people = [*(f"00-{number}" for number in range(3)), *(f"{person:02}" for person in range(59))]
    return Snapshot.of(nodes_of(people), named)


def learnt_from(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Lesson, Start | None, TrainingSettings]]:
    """What every training is given from now on."""
    given: list[tuple[Lesson, Start | None, TrainingSettings]] = []

    def spy(lesson: Lesson, model: Any, settings: TrainingSettings, progress: Any, start: Any, *others: Any) -> Any:
        given.append((lesson, start, settings))
        return fit(lesson, model, settings, progress, start, *others)

    monkeypatch.setattr(training_module, "fit", spy)
    return given


def test_a_refresh_of_a_graph_that_changed_goes_on_from_the_live_version_in_less_time(
    world: World, snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = learnt_from(monkeypatch)
    predictor = opened(tmp_path)
    predictor.fit(snapshot, go_on=True)  # nothing to go on from
    later = grown_by(world, 0)
    version, report = predictor.fit(later, go_on=True)
    (_, nothing, whole), (lesson, start, settings) = given
    assert nothing is None
    assert start is not None
    assert start.structure is not None
    assert len(start.structure.entity) == 62
    assert lesson.train.num_relations == 5
    assert settings.minutes == pytest.approx(0.3 * whole.minutes)
    assert settings.selfsupervised_share > whole.selfsupervised_share
    assert version.about["refreshOf"] == "default@1"
    assert version.about["minutes"] == pytest.approx(0.3 * ENDLESS)  # with the trial
    assert not any("scratch" in warning for warning in report.warnings)


def test_a_refresh_is_judged_on_nothing_that_its_weights_have_learnt(
    snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, judged = learnt_from(monkeypatch), []

    def spy(workspace: Any, model: Any, data: Snapshot, split: Split, progress: Any) -> Any:
        judged.append(named(data, split.test))
        return evaluated(workspace, model, data, split, progress)

    evaluated = training_module._evaluate
    monkeypatch.setattr(training_module, "_evaluate", spy)
    opened(tmp_path).fit(snapshot)
    gone = named(snapshot, given[0][0].holdout) | judged[0]  # so that others are drawn in their places
    kept = [Triple(*names) for names in sorted(named(snapshot, snapshot.triples) - set(sorted(gone)[::3]))]
    later = Snapshot.of(nodes_of(f"{person:02}" for person in range(60)), kept)
    opened(tmp_path).fit(later, go_on=True)
    opened(tmp_path, training={"seed": 1}).fit(snapshot, go_on=True)
    for number, data in ((1, later), (2, snapshot)):
        learnt = set().union(*(named(d, given[n][0].train.triples) for n, d in ((0, snapshot), (1, later))[:number]))
        held, test = named(data, given[number][0].holdout), judged[number]
        assert held
        assert test
        assert not learnt & (held | test)
        assert named(data, given[number][0].train.triples) | held | test == named(data, data.triples)


def named(data: Snapshot, triples: IntArray) -> set[tuple[str, str, str]]:
    return {(data.ids[h], data.relations[r], data.ids[t]) for h, r, t in triples.tolist()}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"model": {"hidden": 8, "structure_rank": 4}}, "another shape (hidden, structure_rank)"),
        ({"training": {"holdout_share": 0.3}}, "nearly all edges"),
    ],
)
def test_weights_that_are_of_no_use_are_not_gone_on_with(
    changed: dict[str, dict[str, Any]],
    reason: str,
    snapshot: Snapshot,
    first: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(first, tmp_path, dirs_exist_ok=True)
    given = learnt_from(monkeypatch)
    _, report = opened(tmp_path, **changed).fit(snapshot, go_on=True)
    ((_, start, settings),) = given
    assert start is None
    assert settings.minutes == (1 - training_module.TRIAL_SHARE) * ENDLESS
    assert any(reason in warning and "default@1" in warning for warning in report.warnings)


@pytest.mark.slow
def test_a_refresh_that_was_interrupted_goes_on_and_one_of_another_version_does_not(
    world: World, first: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(first, tmp_path, dirs_exist_ok=True)
    later, stages = grown_by(world, 2), list[str]()
    with pytest.raises(Killed):
        opened(tmp_path).fit(later, killed_at("evaluate", stages), go_on=True)
    stages.clear()
    opened(tmp_path).fit(later, killed_at("never", stages), go_on=True)
    assert "structure" not in stages
    assert "An interrupted training goes on" in caplog.text
    with pytest.raises(Killed):
        opened(tmp_path).fit(later, killed_at("evaluate", stages), go_on=True)
    opened(tmp_path).promote(1)
    stages.clear()
    opened(tmp_path).fit(later, killed_at("never", stages), go_on=True)
    assert "structure" in stages
    assert "of other data, settings or versions" in caplog.text
