"""The course of a training: batches of rows, epoch by epoch in a new order, to be taken up at any step.

It knows nothing of what is learnt; who learns says which parts of it change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from neo4j_relpred.config import TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.training.budget import Budget, Schedule
from neo4j_relpred.training.unfinished import Place, State

__all__ = ["Course", "Part"]

Part = nn.Module | Optimizer | Tensor
CHANCE = "torch"  # the state of torch's generator, beside the parts


class Course:
    """Ends after `max_epochs`, or with the budget once `least` steps are made.

    loss: the sum so far of the epoch, which the learner adds to. `report` gets the mean per step after each epoch.
    """

    def __init__(
        self,
        rows: int,
        size: int,
        settings: TrainingSettings,
        budget: Budget,
        rng: np.random.Generator,
        report: Callable[[float], None],
        least: int = 0,
    ) -> None:
        """`rng` draws the order of each epoch; the learner may draw from it, too."""
        self._rows, self._size, self._rng, self._report = rows, size, rng, report
        self._steps = -(-rows // size)  # of an epoch
        self._schedule = Schedule(settings.max_epochs * self._steps, least, budget)
        self._step, self._epoch = 0, rng.bit_generator.state
        self.loss = 0.0

    @property
    def progress(self) -> float:
        """How far it is, from 0 to 1, by what will end it."""
        return self._schedule.progress(self._step)

    def batches(self, place: Place | None, **parts: Part) -> Iterator[IntArray]:
        """The rows (size,) of each step; goes on from what `place` holds, and keeps there what becomes of the parts."""
        order = np.empty(0, np.int64)
        if place is not None and place.state is not None:
            if place.finished:
                _restore(_learnt(parts), place.state)
                return
            order = self._take_up(place.state, parts)
        while not self._schedule.over(self._step):
            first = self._step % self._steps * self._size
            if first == 0:
                self._epoch, self.loss = self._rng.bit_generator.state, 0.0
                order = self._rng.permutation(self._rows)
            yield order[first : first + self._size]
            self._step += 1
            if self._step % self._steps == 0:
                self._report(self.loss / self._steps)
            if place is not None and place.due:
                place.keep({**_tensors(parts), CHANCE: torch.get_rng_state()}, self._about())
        if place is not None:
            place.keep(_tensors(_learnt(parts)), {"done": True})

    def _about(self) -> dict[str, Any]:
        """An epoch's order is drawn again from how the generator was before it."""
        chance = {"epoch": self._epoch, "now": self._rng.bit_generator.state}
        return {"done": False, "step": self._step, "loss": self.loss, "chance": chance}

    def _take_up(self, state: State, parts: Mapping[str, Part]) -> IntArray:
        """Puts everything back to how it was; the order of the epoch."""
        _restore(parts, state)
        torch.set_rng_state(state.tensors[CHANCE])
        self._step, self.loss = state.about["step"], state.about["loss"]
        self._epoch = state.about["chance"]["epoch"]
        self._rng.bit_generator.state = self._epoch
        order = self._rng.permutation(self._rows)
        self._rng.bit_generator.state = state.about["chance"]["now"]
        return order


def _learnt(parts: Mapping[str, Part]) -> dict[str, Part]:
    """What stays when all is learnt."""
    return {name: part for name, part in parts.items() if isinstance(part, nn.Module)}


def _tensors(parts: Mapping[str, Part]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, part in parts.items():
        values: Mapping[str, Tensor] = {"": part} if isinstance(part, Tensor) else part.state_dict()
        if isinstance(part, Optimizer):
            states = part.state_dict()["state"]
            entries = ((f"{number}.{key}", value) for number, state in states.items() for key, value in state.items())
            values = {key: torch.as_tensor(value) for key, value in entries}  # of some optimizers the step is an int
        found |= {f"{name}/{key}": value for key, value in values.items()}
    return found


def _restore(parts: Mapping[str, Part], state: State) -> None:
    for name, part in parts.items():
        values = state.part(name)
        if isinstance(part, Tensor):
            part.copy_(values[""])
        elif isinstance(part, Optimizer):
            states: dict[int, dict[str, Any]] = defaultdict(dict)
            for key, value in values.items():
                number, _, word = key.partition(".")
                # a copy, for the optimizer goes on with these very tensors
                states[int(number)][word] = value.item() if value.dtype == torch.int64 else value.clone()
            part.load_state_dict({**part.state_dict(), "state": dict(states)})
        else:
            part.load_state_dict(values)
