"""What of the machine a training uses: cores, and how torch is set on each."""

from __future__ import annotations

import os

import torch
from threadpoolctl import threadpool_limits

from neo4j_relpred.config import ModelSettings, TrainingSettings
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.training.memory import Size, fits_beside, limit_caches

__all__ = ["prepare_torch", "workers_asking", "workers_for", "workers_wanted"]

MOST = 2  # workers, unless the settings say more: members that learn side by side are two


def prepare_torch(settings: TrainingSettings) -> None:
    """Threads of a matrix product as the settings say; denormals count as zero (they slow training eightfold)."""
    limit_caches()
    torch.set_num_threads(settings.threads)
    threadpool_limits(settings.threads, "blas")  # numpy's: where two work at once, each with threads, they wait in turn
    torch.set_flush_denormal(True)


def workers_for(size: Size, model: ModelSettings, settings: TrainingSettings) -> int:
    """How many things are done at once: as the settings say, or as cores allow, one where memory is scarce."""
    workers = workers_wanted(settings)
    return workers if workers == 1 or fits_beside(size, model, settings) else 1


def workers_wanted(settings: TrainingSettings) -> int:
    """The same where memory is no matter."""
    if settings.workers is not None:
        return settings.workers
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MOST, there // settings.threads))


def workers_asking(model: TrainedModel, settings: TrainingSettings) -> int:
    """The same for asking a trained model many questions."""
    graph, members = model.graph, model.members
    size = Size(
        graph.num_entities,
        len(graph.triples),
        graph.num_relations,
        members.text.shape[1],
        words=members.words is not None,
    )
    return workers_for(size, members.settings, settings)
