"""Time as a budget that stages draw on."""

from __future__ import annotations

import time
from dataclasses import dataclass

__all__ = ["Budget"]


@dataclass(frozen=True)
class Budget:
    """A span of wall-clock time: seconds from `started`."""

    seconds: float
    started: float

    @classmethod
    def minutes(cls, minutes: float) -> Budget:
        """A budget that starts now."""
        return cls(minutes * 60, time.monotonic())

    @property
    def used(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.seconds - self.used)

    @property
    def fraction(self) -> float:
        """Share used, from 0 to 1."""
        return min(1.0, self.used / self.seconds) if self.seconds > 0 else 1.0

    def part(self, seconds: float) -> Budget:
        """A budget of its own that starts now and never outlasts this one."""
        return Budget(min(seconds, self.left), time.monotonic())
