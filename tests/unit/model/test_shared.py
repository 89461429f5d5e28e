"""A served model as a folder that is mapped into memory: it answers alike, lies in the file, and damage is noticed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neo4j_relpred.data.knowledge_graph import KnowledgeGraph
from neo4j_relpred.errors import CheckpointCorrupt
from neo4j_relpred.model.checkpoint import Checkpoint
from neo4j_relpred.model.rough import RoughTable
from neo4j_relpred.model.shared import read_shared, write_shared
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.model.words import Words

ENTITIES = tuple(f"person {row}" for row in range(60))
RELATIONS = ("PARENT", "CHILD", "GRANDPARENT", "SIBLING")
ANCHORS = np.array([4, 9, 17])
ROOM = 1_000_000


@pytest.fixture(scope="module")
def served(trained: TrainedModel) -> TrainedModel:
    """A model that has worked out what questions share."""
    graph = KnowledgeGraph.of(60, 4, trained.graph.triples, {3})
    members = replace(trained.members, graph=graph, words=Words.of(ENTITIES, ENTITIES), room=ROOM)
    model = replace(trained, members=members)
    model.answer_entities(0, ANCHORS)
    model.answer_relations(ANCHORS, ANCHORS[::-1])
    return model


@pytest.fixture
def folder(served: TrainedModel, tmp_path: Path) -> Path:
    write_shared(Checkpoint(served, ENTITIES, RELATIONS, {"poison": [3]}), tmp_path / "served")
    return tmp_path / "served"


def symmetric(relations: Sequence[str]) -> list[int]:
    return [relations.index("SIBLING")]


def worked_out(owner: Any) -> dict[str, object]:
    return {k: v for k, v in vars(owner).items() if k not in {one.name for one in fields(owner)}}


def test_it_answers_alike_and_works_out_nothing_again(served: TrainedModel, folder: Path) -> None:
    found = read_shared(folder, symmetric, ROOM)
    again = found.model
    assert (found.entities, found.relations, found.about) == (ENTITIES, RELATIONS, {"poison": [3]})
    assert (again.graph.symmetric, again.members.room) == (served.graph.symmetric, ROOM)
    for old, new in ((served.graph, again.graph), (served.members, again.members)):
        for name, value in worked_out(old).items():
            if isinstance(value, np.ndarray):
                there = worked_out(new)[name]
                assert isinstance(there, np.ndarray)
                np.testing.assert_array_equal(value, there)
                assert value.flags.c_contiguous == there.flags.c_contiguous  # or loops would be compiled anew
            elif isinstance(value, torch.Tensor | RoughTable):
                assert isinstance(worked_out(new)[name], type(value))
    for relation in (0, 7):
        first, second = (model.answer_entities(relation, ANCHORS) for model in (served, again))
        np.testing.assert_array_equal(first.candidates, second.candidates)
        np.testing.assert_allclose(first.probabilities, second.probabilities, rtol=1e-5)
    grown = again.with_node(torch.ones(8), np.array([[4, 0, 60]]), "somebody", "new")
    assert grown.answer_entities(0, np.array([60])).real.any()


def test_its_tables_lie_in_the_file(folder: Path) -> None:
    model = read_shared(folder, symmetric, ROOM).model
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    mapped = [line.split()[0].split("-") for line in lines if str(folder) in line]
    places = [(int(begin, 16), int(end, 16)) for begin, end in mapped]
    members = model.members
    assert members.structure is not None
    for tensor in (members.text, members.encoded, members.structure.entity, members.lengths):
        assert any(begin <= tensor.data_ptr() < end for begin, end in places)


def test_damage_is_noticed(folder: Path) -> None:
    for name in ("worked.safetensors", "weights.safetensors"):
        file = folder / name
        whole = file.read_bytes()
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(CheckpointCorrupt):
            read_shared(folder, symmetric, ROOM)
        file.write_bytes(whole)
    (folder / "worked.safetensors").unlink()
    with pytest.raises(CheckpointCorrupt):
        read_shared(folder, symmetric, ROOM)
