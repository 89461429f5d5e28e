"""The difference between the predicted edges in the graph and those that a target set wants. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from neo4j_relpred.data.target_set import TargetEdge

__all__ = ["Difference", "PresentEdges", "difference"]


class PresentEdges(NamedTuple):
    """What of edges in the graph decides whether they must be written again, in columns."""

    keys: Sequence[str]
    probabilities: Sequence[float]
    ranks: Sequence[int]
    models: Sequence[str]
    due: Sequence[str] = ()  # keys of those that must be written whatever they say


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
    def present(self) -> int:
        """How many edges were found."""
        return self.models.total()

    @property
    def writes(self) -> int:
        """How many edges have to be touched."""
        return len(self.new) + len(self.changed) + len(self.gone)


def difference(present: Iterable[PresentEdges], target: Iterable[TargetEdge], tolerance: float) -> Difference:
    """What has to be done so that `present` says what `target` says.

    An edge has changed when its probability moved by more than `tolerance`, its rank or model is another, or it is due.

    Evidence is worded anew with every change of a share, so it is written along and never a change by itself.
    """
    wanted = {edge.key: edge for edge in target}
    missing = dict(wanted)
    changed: set[str] = set()
    gone: set[str] = set()
    models: Counter[str] = Counter()
    for page in present:  # no object for each of the hundreds of thousands of edges
        models.update(page.models)
        changed.update(page.due)
        for key, probability, rank, model in zip(*page[:4], strict=True):
            goal = missing.pop(key, None)
            if goal is None:
                if key not in wanted:
                    gone.add(key)
            elif rank != goal.rank or model != goal.model or not abs(probability - goal.probability) <= tolerance:
                changed.add(key)  # NaN counts as changed
    return Difference(
        new=tuple(missing.values()),
        changed=tuple(edge for key, edge in wanted.items() if key in changed) if changed else (),
        gone=tuple(sorted(gone)),
        unchanged=len(wanted) - len(missing) - len(changed - gone),
        models=models,
    )
