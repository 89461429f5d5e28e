"""The difference between the predicted edges in the graph and those that a target set wants. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from neo4j_relpred.data.target_set import TargetEdge

__all__ = ["Difference", "PresentEdge", "difference"]


class PresentEdge(NamedTuple):
    """What of an edge in the graph decides whether it must be written again."""

    key: str
    probability: float
    rank: int
    model: str


@dataclass(frozen=True)
class Difference:
    """New and changed edges in the order of the target, keys of the gone ones sorted, the number of the equal ones.

    models: how many edges of each model were found.
    """

    new: tuple[TargetEdge, ...]
    changed: tuple[TargetEdge, ...]
    gone: tuple[str, ...]
    unchanged: int
    models: Counter[str]

    @property
    def writes(self) -> int:
        """How many edges have to be touched."""
        return len(self.new) + len(self.changed) + len(self.gone)


def difference(present: Iterable[PresentEdge], target: Iterable[TargetEdge], tolerance: float) -> Difference:
    """What has to be done so that `present` says what `target` says.

    An edge has changed when its probability moved by more than `tolerance`, or its rank or model is another.

    Evidence is worded anew with every change of a share, so it is written along and never a change by itself.
    """
    wanted = {edge.key: edge for edge in target}
    changed: set[str] = set()
    gone: list[str] = []
    met: set[str] = set()
    models: Counter[str] = Counter()
    for edge in present:  # one at a time: hundreds of thousands at once keep the garbage collector busy
        models[edge.model] += 1
        goal = wanted.get(edge.key)
        if goal is None:
            gone.append(edge.key)
            continue
        met.add(edge.key)
        if _differs(edge, goal, tolerance):
            changed.add(edge.key)
    return Difference(
        new=tuple(edge for key, edge in wanted.items() if key not in met),
        changed=tuple(edge for key, edge in wanted.items() if key in changed),
        gone=tuple(sorted(set(gone))),
        unchanged=len(met) - len(changed),
        models=models,
    )


def _differs(edge: PresentEdge, goal: TargetEdge, tolerance: float) -> bool:
    if (edge.rank, edge.model) != (goal.rank, goal.model):
        return True
    return not abs(edge.probability - goal.probability) <= tolerance  # so that NaN counts as changed
