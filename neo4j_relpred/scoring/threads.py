"""A sweep in several threads: who asks what, and how far they are together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from neo4j_relpred.scoring.sweep import Questions

__all__ = ["Course", "shared_out"]


def shared_out(asked: Sequence[Questions], workers: int) -> list[list[int]]:
    """Places of the questions that each of some workers asks, in their order; all of a relation go to one of them.

    So what is worked out for a relation is worked out once, and no answer depends on how many workers there are.
    """
    sizes: dict[int, int] = {}
    for questions in asked:
        sizes[questions.relation] = sizes.get(questions.relation, 0) + len(questions.heads)
    loads, owner = [0] * min(workers, len(sizes)), dict[int, int]()
    for relation in sorted(sizes, key=lambda relation: (-sizes[relation], relation)):
        owner[relation] = loads.index(min(loads))
        loads[owner[relation]] += sizes[relation]
    return [
        [place for place, questions in enumerate(asked) if owner[questions.relation] == one]
        for one in range(len(loads))
    ]


class Course:
    """How far a sweep is, whichever of its threads asks: `over` when the time is, or when one of them failed."""

    def __init__(self, total: int, ends: float, progress: Callable[[int, int], None]) -> None:
        self.done, self.total = 0, total
        self._ends, self._progress, self._lock, self._stopped = ends, progress, threading.Lock(), False

    @property
    def over(self) -> bool:
        """Whether nothing more is to be asked."""
        return self._stopped or time.monotonic() >= self._ends

    def more(self, number: int) -> None:
        """So many more questions were asked."""
        with self._lock:
            self.done += number
            self._progress(self.done, self.total)

    @contextmanager
    def stops(self) -> Iterator[None]:
        """Stops the others where this one fails: who waits for them would wait for all that they have left to do."""
        try:
            yield
        except BaseException:
            self._stopped = True
            raise
