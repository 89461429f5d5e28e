"""Time as a budget that stages draw on."""

from __future__ import annotations

import time
from dataclasses import dataclass

__all__ = ["Budget", "Schedule"]


@dataclass(frozen=True)
class Budget:
    """A span of wall-clock time: seconds from `started`."""

    seconds: float
    started: float

    @classmethod
    def minutes(cls, minutes: float) -> Budget:
        """A budget that starts now."""
        return cls.resumed(minutes * 60, 0.0)

    @classmethod
    def resumed(cls, seconds: float, used: float) -> Budget:
        """A budget of which so many seconds are used already."""
        return cls(seconds, time.monotonic() - used)

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

    def rest(self) -> Budget:
        """What is left, as a budget of its own that starts now."""
        return self.part(self.left)

    def part(self, seconds: float) -> Budget:
        """A budget of its own that starts now and never outlasts this one."""
        return Budget(min(seconds, self.left), time.monotonic())


@dataclass(frozen=True)
class Schedule:
    """Steps of a training that ends with its steps or with its budget, but not before it has made the least of them.

    A part that learnt nothing spoils those that did, so a budget that others used up on a busy machine is overdrawn.
    """

    steps: int
    least: int
    budget: Budget

    def over(self, step: int) -> bool:
        """Whether this step, counted from 0, is one too many."""
        return step >= self.steps or (self.budget.left <= 0 and step >= self.least)

    def progress(self, step: int) -> float:
        """How far the training is, from 0 to 1, by what will end it."""
        return max(step / self.steps, min(self.budget.fraction, step / max(1, self.least)))
