"""What a refresh goes on from: the live version's weights over the present graph, and nothing of what it holds out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from neo4j_relpred.api.workspace import Workspace
from neo4j_relpred.config import Settings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.model.checkpoint import Checkpoint
from neo4j_relpred.model.grown import Start, grown
from neo4j_relpred.model.registry import ModelVersion
from neo4j_relpred.training.tower import with_entity_width

__all__ = ["Beginning", "beginning", "learnt_by"]

ENOUGH = 0.5  # of the edges to hold out, that the weights have not learnt
SHAPE = {"gnn", "gnn_layers", "hidden", "entity_width", "gate", "structure_rank"}  # settings that weights go by


@dataclass(frozen=True)
class Beginning:
    """How a training begins: its settings, weights to go on from, what is recorded and warned of.

    learnt: edges that those weights know, and that must not be held out.
    """

    settings: Settings
    start: Start | None = None
    learnt: KnowledgeGraph | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def beginning(
    workspace: Workspace, data: Snapshot, vectors: Tensor, before: tuple[ModelVersion, Checkpoint] | None
) -> Beginning:
    """A refresh of the version before, or a training from scratch where there is none or its weights are of no use."""
    settings = workspace.settings
    if before is None:
        return Beginning(settings)
    version, checkpoint = before
    learnt = learnt_by(workspace, data, checkpoint)
    if unlike := _unlike(workspace, vectors, version, checkpoint) or _too_much(settings, data, learnt):
        return Beginning(settings, warnings=(f"{version.label} {unlike}: this training began from scratch.",))
    entities, relations = _places(data.ids, checkpoint.entities), _places(data.relations, checkpoint.relations)
    start = grown(checkpoint.model, entities, relations, settings.training.seed)
    return Beginning(settings.refreshing(), start, learnt, {"refreshOf": version.label})


def _unlike(workspace: Workspace, vectors: Tensor, version: ModelVersion, checkpoint: Checkpoint) -> str:
    """Why the weights of a version cannot be gone on with; empty where they can."""
    settings, members = workspace.settings, checkpoint.model.members
    encoder = workspace.encoder.fingerprint if settings.text.encoder else "none"
    if version.about["encoder"] != encoder or members.text.shape[1] != vectors.shape[1]:
        return "has learnt from another text encoder"
    wanted = with_entity_width(settings.model, vectors)
    now, then = (shape.model_dump(include=SHAPE) for shape in (wanted, members.settings))
    return "" if now == then else f"has another shape ({', '.join(name for name in now if now[name] != then[name])})"


def learnt_by(workspace: Workspace, data: Snapshot, checkpoint: Checkpoint) -> KnowledgeGraph | None:
    """The edges that a version learnt from, as far as they are in the graph now; None where it does not say."""
    if checkpoint.learnt is None:
        return None
    heads, relations, tails = checkpoint.model.graph.triples[checkpoint.learnt].T
    nodes, types = _places(checkpoint.entities, data.ids), _places(checkpoint.relations, data.relations)
    moved = np.stack([nodes[heads], types[relations], nodes[tails]], axis=1)
    return workspace.graph(data, moved[(moved >= 0).all(1)])


def _too_much(settings: Settings, data: Snapshot, learnt: KnowledgeGraph | None) -> str:
    """Why what a version learnt leaves too little to hold out: it would be praised for what it knows; or empty."""
    if learnt is None:
        return "does not say what it has learnt from"
    evaluation = settings.evaluation
    share = settings.training.holdout_share + (evaluation.test_share if evaluation.test_file is None else 0)
    unseen = np.count_nonzero(~learnt.holds(data.triples))
    return "has learnt from nearly all edges" if unseen < ENOUGH * share * len(data.triples) else ""


def _places(names: Sequence[str], there: Sequence[str]) -> IntArray:
    """(names,): the row of each name in another list, -1 where it is not."""
    rows = {name: row for row, name in enumerate(there)}
    return np.array([rows.get(name, -1) for name in names], np.int64)
