"""How long questions took lately, and a rough figure for those of which nothing is known."""

from __future__ import annotations

import threading
from collections import defaultdict, deque

from neo4j_relpred.triples import QuestionKind

__all__ = ["Pace"]

KEPT = 32  # requests of each kind
# What a question takes, most of it for the evidence of its answers, and what a candidate adds: on two cores, as found
# on small graphs.
ROUGH_SECONDS, ROUGH_SECONDS_EACH = 0.02, 2e-6


class Pace:
    """The latest requests of each kind: how many questions they were, and how many seconds they took.

    Any thread may note and ask.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: defaultdict[str, deque[tuple[int, float]]] = defaultdict(lambda: deque(maxlen=KEPT))

    def note(self, kind: QuestionKind, number: int, seconds: float) -> None:
        """Notes one request."""
        with self._lock:
            self._latest[kind].append((number, seconds))

    def seconds(self, kind: QuestionKind, number: int, candidates: int) -> tuple[float, bool]:
        """How long so many questions would take, and whether that comes from measured requests.

        Each of many at once takes less than one alone, so it is taken from the requests that are most like it in
        number; where that is not the same number, in proportion to it.
        """
        if not number:
            return 0.0, True
        with self._lock:
            latest = list(self._latest[kind])
        if not latest:
            return number * ROUGH_SECONDS + candidates * ROUGH_SECONDS_EACH, False
        nearest = min((max(had, number) / min(had, number) for had, _ in latest))
        alike = sorted(took / had for had, took in latest if max(had, number) / min(had, number) == nearest)
        return number * alike[len(alike) // 2], True
