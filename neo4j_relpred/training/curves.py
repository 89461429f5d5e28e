"""How the loss of each stage fell: a few hundred points of it, however many epochs there were."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from neo4j_relpred.data.folder import write_text

__all__ = ["Curve", "Curves", "Point"]

MOST = 200  # points of a stage; twice as many for a moment


class Point(NamedTuple):
    """The mean loss of an epoch, and when it ended: seconds since the curves began."""

    epoch: int
    seconds: float
    loss: float


@dataclass
class Curve:
    """The points of one stage. Once there are too many, every other one goes, and so does every other one to come."""

    points: list[Point] = field(default_factory=list)
    epochs: int = 0
    stride: int = 1

    def add(self, seconds: float, loss: float) -> None:
        """One more epoch; a loss that is no number leaves a gap."""
        if self.epochs % self.stride == 0 and math.isfinite(loss):
            self.points.append(Point(self.epochs, round(seconds, 3), loss))
        self.epochs += 1
        if len(self.points) > 2 * MOST:
            self.stride *= 2
            self.points = [point for point in self.points if point.epoch % self.stride == 0]


@dataclass
class Curves:
    """Curves by stage."""

    stages: dict[str, Curve] = field(default_factory=dict)
    began: float = field(default_factory=time.time)

    def add(self, stage: str, loss: float) -> None:
        """The mean loss of an epoch that has just ended."""
        self.stages.setdefault(stage, Curve()).add(time.time() - self.began, loss)

    def to_json(self) -> dict[str, list[Point]]:
        """Points as [epoch, seconds, loss], by stage."""
        return {stage: curve.points for stage, curve in self.stages.items() if curve.points}

    def write(self, file: Path) -> None:
        """For the process that started this one."""
        write_text(file, json.dumps({"began": self.began, "stages": self.to_json()}))

    def read(self, file: Path) -> None:
        """Adds what another process wrote; nothing where it wrote nothing."""
        if file.is_file():
            found = json.loads(file.read_text(encoding="utf-8"))
            later = found["began"] - self.began
            for stage, points in found["stages"].items():
                self.stages[stage] = Curve([Point(epoch, later + at, loss) for epoch, at, loss in points])
