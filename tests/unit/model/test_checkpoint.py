"""Checkpoints: a model read back answers alike, and damage is noticed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from neo4j_relpred.errors import CheckpointCorrupt, InvalidQuery, ModelNotFound, VersionNotFound
from neo4j_relpred.model.checkpoint import FORMAT, Checkpoint, load_checkpoint, save_checkpoint
from neo4j_relpred.model.registry import Registry
from neo4j_relpred.model.trained import TrainedModel
from tests.synthetic import BRIEF_TRAINING, TINY_MODEL, World, fitted

ENTITIES = tuple(f"person {row}" for row in range(60))
RELATIONS = ("PARENT", "CHILD", "GRANDPARENT", "SIBLING")
ANCHORS = np.array([4, 9, 17])


@pytest.fixture(scope="module")
def checkpoint(trained: TrainedModel) -> Checkpoint:
    return Checkpoint(trained, ENTITIES, RELATIONS, {"seed": 0, "note": "ü"})


def assert_answers_alike(left: TrainedModel, right: TrainedModel) -> None:
    for relation in (0, 7):
        first, second = left.answer_entities(relation, ANCHORS), right.answer_entities(relation, ANCHORS)
        for name in ("candidates", "logits", "probabilities", "real", "base"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    pairs = left.answer_relations(ANCHORS, ANCHORS[::-1]), right.answer_relations(ANCHORS, ANCHORS[::-1])
    np.testing.assert_array_equal(pairs[0].probabilities, pairs[1].probabilities)
    assert left.base_rate == right.base_rate


def test_a_model_read_back_answers_bit_by_bit_alike(checkpoint: Checkpoint, tmp_path: Path) -> None:
    again = load_checkpoint(save_checkpoint(checkpoint, tmp_path / "1"))
    assert_answers_alike(checkpoint.model, again.model)
    assert (again.entities, again.relations, again.about) == (ENTITIES, RELATIONS, {"seed": 0, "note": "ü"})


def test_a_model_read_back_takes_a_new_node_alike(checkpoint: Checkpoint, tmp_path: Path) -> None:
    again = load_checkpoint(save_checkpoint(checkpoint, tmp_path / "1")).model
    edges = np.array([[4, 0, 60]])
    assert_answers_alike(checkpoint.model.with_node(torch.ones(8), edges), again.with_node(torch.ones(8), edges))


@pytest.mark.parametrize(
    ("changes", "width"),
    [({"structure_rank": 0, "rule_length": 0}, 8), ({"reasoner": "transformer", "gnn": "gat", "gnn_layers": 2}, 0)],
)
def test_models_of_other_shapes_can_be_kept_too(
    changes: dict[str, object], width: int, world: World, tmp_path: Path
) -> None:
    settings = TINY_MODEL.model_copy(update={"candidates": 20, **changes})
    model = fitted(world.train, world.split.holdout, world.text[:, :width], settings, BRIEF_TRAINING)
    saved = save_checkpoint(Checkpoint(model, ENTITIES, RELATIONS, {}), tmp_path / "1")
    assert_answers_alike(model, load_checkpoint(saved).model)


@pytest.mark.parametrize("name", ["weights.safetensors", "model.json"])
def test_a_flipped_byte_is_noticed(checkpoint: Checkpoint, name: str, tmp_path: Path) -> None:
    folder = save_checkpoint(checkpoint, tmp_path / "1")
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(CheckpointCorrupt, match="relpred train"):
        load_checkpoint(folder)


def test_a_checkpoint_of_another_format_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = save_checkpoint(checkpoint, tmp_path / "1")
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"format": {FORMAT}', '"format": 1'))
    with pytest.raises(CheckpointCorrupt, match="another format"):
        load_checkpoint(folder)


def test_nothing_in_a_checkpoint_is_a_pickle(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = save_checkpoint(checkpoint, tmp_path / "1")
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "model.json", "weights.safetensors"]
    assert json.loads((folder / "model.json").read_text())["settings"]["hidden"] == 16
    header = (folder / "weights.safetensors").read_bytes()
    assert json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])


def test_versions_are_numbered_and_one_of_them_is_live(checkpoint: Checkpoint, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models", "default")
    assert registry.versions() == []
    with pytest.raises(ModelNotFound, match="relpred train"):
        registry.load()
    first = registry.save(checkpoint)
    second = registry.save(replace(checkpoint, about={"seed": 1}))
    assert (first.label, second.label) == ("default@1", "default@2")
    assert registry.live_version() is None
    registry.promote(2)
    registry.promote(1)
    assert [(v.version, v.live) for v in registry.versions()] == [(1, True), (2, False)]
    version, loaded = registry.load()
    assert (version.label, version.about["seed"]) == ("default@1", 0)
    assert_answers_alike(loaded.model, checkpoint.model)
    assert registry.get(2).about == {"seed": 1}
    assert registry.load(2)[0].live is False


def test_a_version_that_is_not_there_cannot_be_promoted(checkpoint: Checkpoint, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models", "default")
    registry.save(checkpoint)
    with pytest.raises(VersionNotFound, match="Known versions: 1"):
        registry.promote(7)
    assert registry.live_version() is None


def test_rolling_back_goes_the_way_that_promoting_came(checkpoint: Checkpoint, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models", "default")
    for _ in range(3):
        registry.save(checkpoint)
    for version in (1, 2, 2, 3):
        registry.promote(version)
    assert [registry.rollback(), registry.rollback()] == [2, 1]
    with pytest.raises(VersionNotFound, match="before this one"):
        registry.rollback()
    assert registry.live_version() == 1


def test_a_dropped_version_is_gone_and_its_number_is_not_given_again(checkpoint: Checkpoint, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models", "default")
    for _ in range(2):
        registry.save(checkpoint)
    registry.promote(2)
    registry.promote(1)
    registry.drop(2)
    assert [one.version for one in registry.versions()] == [1]
    assert registry.save(checkpoint).version == 3
    with pytest.raises(VersionNotFound, match="before this one"):
        registry.rollback()
    with pytest.raises(VersionNotFound, match="Known versions: 1, 3"):
        registry.drop(2)


def test_the_live_version_cannot_be_dropped(checkpoint: Checkpoint, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models", "default")
    registry.save(checkpoint)
    registry.promote(1)
    with pytest.raises(InvalidQuery, match="is live"):
        registry.drop(1)
    assert registry.load()[0].version == 1


def test_a_damaged_record_of_the_live_version_is_told(checkpoint: Checkpoint, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models", "default")
    registry.save(checkpoint)
    (tmp_path / "models" / "live.json").write_text("{")
    with pytest.raises(CheckpointCorrupt, match="relpred model promote"):
        registry.load()
    registry.promote(1)
    assert registry.load()[0].live
