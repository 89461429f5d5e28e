"""Event files for TensorBoard, where the package `tensorboard` is installed (the extra of that name)."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

from neo4j_relpred.training.curves import Point

__all__ = ["write_events"]


def write_events(
    folder: Path, curves: Mapping[str, Sequence[Point]], figures: Mapping[str, float], began: float
) -> bool:
    """Losses by epoch and the figures of the report; whether they were written. began: seconds since 1970."""
    if importlib.util.find_spec("tensorboard") is None:
        return False
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for stage, points in curves.items():
            for epoch, seconds, loss in points:
                writer.add_scalar(f"loss/{stage}", loss, epoch, began + seconds)
        for name, value in figures.items():
            writer.add_scalar(f"report/{name}", value, 0)
    return True
