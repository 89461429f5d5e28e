"""A training that has not ended, on disk: what it goes on from when it was killed.

A file for every stage that has begun, each whole or absent: tensors in safetensors, the rest as JSON in its header. No
pickle. It knows no stage: training.course says what a stage keeps, and training.fit which stages there are.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, uint8

from neo4j_relpred.data.folder import replace_file
from neo4j_relpred.training.budget import Budget

__all__ = ["Place", "State", "Unfinished", "pause_after", "read_state"]

SUFFIX = ".safetensors"
SECONDS = 60.0  # of training that a kill may cost
SHARE = 0.02  # of the time, that saving may take
BROKEN = OSError, SafetensorError, KeyError, ValueError

log = logging.getLogger(__name__)


def pause_after(cost: float) -> float:
    """Seconds until the next save, where the last one took `cost` seconds."""
    return max(SECONDS, cost / SHARE)


@dataclass(frozen=True)
class State:
    """How far a stage is: tensors, and beside them what JSON can hold."""

    tensors: Mapping[str, Tensor]
    about: Mapping[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors called name/..., without that."""
        prefix = f"{name}/"
        return {key.removeprefix(prefix): tensor for key, tensor in self.tensors.items() if key.startswith(prefix)}


class Unfinished:
    """The states of the stages of one training, in a folder; without a folder nothing is kept."""

    def __init__(self, folder: Path | None = None, pause: Callable[[float], float] = pause_after) -> None:
        """pause: seconds until the next save of a stage, by those that its last one took."""
        self.folder, self.pause = folder, pause
        self.earlier = 0.0  # seconds that the training had used when it was interrupted
        self._fingerprint, self.budget = "", Budget(0.0, 0.0)
        self._states: dict[str, State] = {}

    def begin(self, fingerprint: Callable[[], str], minutes: float) -> Budget:
        """Takes up the training of this fingerprint, or begins it: the budget, less what was used before.

        What lies there of another training, or is not as it was written, is thrown away.
        """
        if self.folder is not None:
            self._fingerprint = fingerprint()
            self._states = self._found(self.folder)
        self.earlier = max((state.about["used"] for state in self._states.values()), default=0.0)
        self.budget = Budget.resumed(minutes * 60, self.earlier)
        if self._states:
            stages = ", ".join(self._states)
            log.warning("An interrupted training goes on after %.0f seconds (%s).", self.earlier, stages)
        return self.budget

    def shared(self, folder: Path) -> Unfinished:
        """The same training with its states in another folder."""
        return self.joined(folder, self._fingerprint, self.budget)

    @classmethod
    def joined(cls, folder: Path, fingerprint: str, budget: Budget) -> Unfinished:
        """A training that another process began."""
        unfinished = cls(folder)
        unfinished._fingerprint, unfinished.budget = fingerprint, budget
        return unfinished

    def load(self, stage: str) -> bool:
        """Whether another process keeps this stage in the folder; then it is there to be taken."""
        if self.folder is None:
            return False
        try:
            fingerprint, state = read_state(self.folder, stage)
        except BROKEN:
            return False
        if fingerprint == self._fingerprint:
            self._states[stage] = state
        return fingerprint == self._fingerprint

    def take(self, stage: str) -> State | None:
        """The state to go on from; gone from memory afterwards."""
        return self._states.pop(stage, None)

    def write(self, stage: str, state: State) -> None:
        """Replaces what is kept of a stage. A training that cannot be kept goes on all the same, and says so."""
        if self.folder is None:
            return
        tensors = {name: tensor.detach().contiguous() for name, tensor in state.tensors.items()}
        about = json.dumps({**state.about, "used": self.budget.used})
        header = {"fingerprint": self._fingerprint, "about": about, "digest": _digest(tensors, about)}
        file = self.folder / f"{stage}{SUFFIX}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace_file(file, lambda aside: save_file(tensors, aside, header))
        except (OSError, SafetensorError) as error:
            log.warning("How far the training is cannot be kept in %s, a kill would cost it: %s", self.folder, error)

    def clear(self) -> None:
        """Forgets the training: it has ended, or is to begin anew."""
        self._states = {}
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _found(self, folder: Path) -> dict[str, State]:
        """The states by stage in the order in which they were written, all of them or none."""
        for left in folder.glob(".*"):  # by a kill while it was written
            left.unlink(missing_ok=True)
        found = {}
        for file in folder.glob(f"*{SUFFIX}"):
            stage = file.name.removesuffix(SUFFIX)
            try:
                fingerprint, state = read_state(folder, stage)
            except BROKEN as error:
                return self._nothing(f"is damaged ({file.name}: {error})")
            if fingerprint != self._fingerprint:
                return self._nothing("is of other data, settings or versions")
            found[stage] = state
        return dict(sorted(found.items(), key=lambda entry: float(entry[1].about["used"])))

    def _nothing(self, why: str) -> dict[str, State]:
        log.warning("The interrupted training in %s %s: thrown away, the training begins anew.", self.folder, why)
        self.clear()
        return {}


class Place:
    """Where one stage of a training is: the state that it goes on from, its budget, and when to keep a state next."""

    def __init__(self, unfinished: Unfinished, stage: str, budget: Budget) -> None:
        """`budget` is that of a stage which begins; one that goes on has what it had left."""
        self._unfinished, self._stage = unfinished, stage
        self.state = unfinished.take(stage)
        about = self.state.about if self.state else None
        self.budget = Budget.resumed(about["seconds"], about["spent"]) if about else budget
        self._next = time.monotonic() + unfinished.pause(0.0)

    @property
    def finished(self) -> bool:
        """Whether the stage had ended before."""
        return self.state is not None and bool(self.state.about["done"])

    @property
    def due(self) -> bool:
        """Whether it is time to keep a state."""
        return self._unfinished.folder is not None and time.monotonic() >= self._next

    def keep(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Keeps the state of the stage."""
        started = time.monotonic()
        clock = {"seconds": self.budget.seconds, "spent": self.budget.used}
        self._unfinished.write(self._stage, State(tensors, {**about, **clock}))
        self._next = time.monotonic() + self._unfinished.pause(time.monotonic() - started)


def read_state(folder: Path, stage: str) -> tuple[str, State]:
    """Fingerprint and state of a stage. Raises one of BROKEN where it is not there, or damaged."""
    with safe_open(folder / f"{stage}{SUFFIX}", "pt") as opened:
        header = opened.metadata() or {}
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}
    about = header["about"]
    if header["digest"] != _digest(tensors, about):
        raise ValueError("its digest differs")
    return header["fingerprint"], State(tensors, json.loads(about))


def _digest(tensors: Mapping[str, Tensor], about: str) -> str:
    digest = hashlib.sha256(about.encode())
    for name in sorted(tensors):
        digest.update(f"\0{name}\0{tensors[name].dtype}\0{tuple(tensors[name].shape)}\0".encode())
        digest.update(tensors[name].reshape(-1).view(uint8).numpy().data)
    return digest.hexdigest()
