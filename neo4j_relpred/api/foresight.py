"""What a training would take, told before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neo4j_relpred.api.workspace import Workspace
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.size import graph_size
from neo4j_relpred.training.memory import Size, demand, free_memory

__all__ = ["TrainingEstimate", "training_estimate"]


@dataclass(frozen=True)
class TrainingEstimate:
    """nodes, relationships: what would be read. seconds: at most, besides reading and encoding texts.

    parts: bytes at the peak by what lowers them, see `training.memory`. least_bytes: of all, if no node had a text.
    free_bytes: what this machine has now; None where it does not say.
    """

    nodes: int
    relationships: int
    parts: Mapping[str, int]
    least_bytes: int
    free_bytes: int | None
    seconds: float

    @property
    def most_bytes(self) -> int:
        """All parts together."""
        return sum(self.parts.values())


def training_estimate(workspace: Workspace, client: Neo4jClient, minutes: float | None) -> TrainingEstimate:
    """See RelationPredictor.training_estimate."""
    settings = workspace.settings
    model, evaluation, training = settings.model, settings.evaluation, settings.training
    if minutes is not None:
        training = training.model_copy(update={"minutes": minutes})
    graph = graph_size(client, settings.graph)
    held_out = round(graph.relationships * training.holdout_share)
    width = workspace.encoder.width
    size = Size(graph.nodes, graph.relationships, graph.types, width, held_out, words=True)
    bare = Size(graph.nodes, graph.relationships, graph.types)
    judging = min(evaluation.baseline_minutes, training.minutes / 3) + evaluation.minutes
    return TrainingEstimate(
        nodes=graph.nodes,
        relationships=graph.relationships,
        parts={name: round(number) for name, number in demand(size, model, training).items()},
        least_bytes=round(sum(demand(bare, model, training).values())),
        free_bytes=free_memory(),
        seconds=60 * (training.minutes + judging),
    )
