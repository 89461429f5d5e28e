"""The difference between the predicted edges in the graph and those that a target set wants. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from neo4j_relpred.data.target_set import TargetEdge

__all__ = ["Difference", "PresentEdge", "difference"]


@dataclass(frozen=True, slots=True)
class PresentEdge:
    """What of an edge in the graph decides whether it must be written again."""

    key: str
    probability: float
    rank: int
    model: str
    evidence: str


@dataclass(frozen=True)
class Difference:
    """New and changed edges in the order of the target, keys of the gone ones sorted, the number of the equal ones."""

    new: tuple[TargetEdge, ...]
    changed: tuple[TargetEdge, ...]
    gone: tuple[str, ...]
    unchanged: int

    @property
    def writes(self) -> int:
        """How many edges have to be touched."""
        return len(self.new) + len(self.changed) + len(self.gone)


def difference(present: Iterable[PresentEdge], target: Iterable[TargetEdge], tolerance: float) -> Difference:
    """What has to be done so that `present` says what `target` says.

    An edge has changed when its probability moved by more than `tolerance`, or its rank, model or evidence is another.
    """
    wanted = {edge.key: edge for edge in target}
    changed: set[str] = set()
    gone: list[str] = []
    met: set[str] = set()
    for edge in present:
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
    )


def _differs(edge: PresentEdge, goal: TargetEdge, tolerance: float) -> bool:
    """Evidence is worded anew with every change of a share, so it is written along and never a change by itself."""
    if (edge.rank, edge.model) != (goal.rank, goal.model):
        return True
    return not abs(edge.probability - goal.probability) <= tolerance  # so that NaN counts as changed
