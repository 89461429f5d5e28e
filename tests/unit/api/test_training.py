"""From a snapshot to a version: a training that was interrupted is taken up, and what was kept of it goes away."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from neo4j_relpred.api.predictor import RelationPredictor
from neo4j_relpred.config import Settings
from neo4j_relpred.data.snapshot import Node, Snapshot
from neo4j_relpred.training import unfinished
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
    nodes = [Node(f"{person:02}", f"4:{person}", ("Person",), {"name": f"p{person}"}) for person in range(60)]
    return Snapshot.of(nodes, [Triple(f"{h:02}", TYPES[r], f"{t:02}") for h, r, t in world.graph.triples.tolist()])


def opened(home: Path) -> RelationPredictor:
    training = {"minutes": ENDLESS, "max_epochs": 1, "batch_size": 256}
    sections = {"model": TINY_MODEL.model_dump(), "training": training, "evaluation": {"baseline_minutes": 0}}
    return RelationPredictor(Settings.model_validate({"home": home, "text": {"encoder": ""}, **sections}))


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
