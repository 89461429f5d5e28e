"""Writes around what other transactions hold locked: their nodes and edges are found and left out, the rest is written.

Which one a statement waits for, the server does not say. So they are locked one by one, in a transaction that changes
nothing and answers what it has locked so far: the first that is missing from the answer is the one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from neo4j_relpred.graph.client import GraphClient
from neo4j_relpred.graph.failures import TimedOut

__all__ = ["AroundLocks"]

T = TypeVar("T")
Ends = Mapping[str, tuple[str, str]]

# Who has waited for one whole deadline waits for that share of it from then on, and for less where nothing but locks
# are taken. The server looks every other second only for transactions that are over their time.
SHARE, LONGEST_LOOK = 4, 2.0

log = logging.getLogger(__name__)


class AroundLocks:
    """What one publication found locked, and how long it has waited for that.

    The first batch waits for the whole deadline, since most locks are gone by then. All that comes after waits for at
    most one more, together.
    """

    def __init__(self, client: GraphClient, deadline: float, still_allowed: Callable[[], None]) -> None:
        self._client, self._deadline, self._still_allowed = client, deadline, still_allowed
        self._waited = 0.0
        self._met = False
        self._nodes: set[str] = set()
        self._edges: set[str] = set()

    def write(
        self,
        batch: Mapping[str, T],
        ends: Callable[[Sequence[str]], Ends],
        act: Callable[[Sequence[T], float | None], None],
        lock: Callable[[Sequence[str], float], None] | None = None,
    ) -> set[str]:
        """Has `act` write a batch, by key; gives back the keys of those that had to be left out.

        `ends` knows the element ids of the ends of edges, by their keys. `lock` locks edges that are there. Raises
        TimedOut when the time for waiting is used up, what `still_allowed` raises, and what `act` raises.
        """
        left: set[str] = set()
        known: Ends = {}
        while True:
            if self._met:
                known = known or ends(list(batch))
                left = {key for key in batch if key in self._edges or not self._nodes.isdisjoint(known.get(key, ()))}
            part = [item for key, item in batch.items() if key not in left]
            if not part:
                return left
            within = self._deadline / SHARE if self._met else None
            started = time.monotonic()
            try:
                act(part, within)
                return left
            except TimedOut as error:
                self._still_allowed()  # or the lock is that of the lease, which somebody else has taken
                if self._met:
                    self._spend(started, error)
                self._met = True
            known = known or ends(list(batch))
            keys = [key for key in batch if key not in left]
            self._find(list(dict.fromkeys(end for key in keys for end in known.get(key, ()))), self._lock, self._nodes)
            if lock is not None:
                free = [key for key in keys if self._nodes.isdisjoint(known.get(key, ()))]
                self._find(free, lock, self._edges)

    def _find(self, wanted: Sequence[str], lock: Callable[[Sequence[str], float], None], found: set[str]) -> None:
        while wanted:
            started = time.monotonic()
            try:
                lock(wanted, min(LONGEST_LOOK, self._deadline / SHARE))
                return
            except TimedOut as error:
                reached = len(error.rows)
                log.warning("another transaction holds a lock; what needs it is left out")
                found.add(wanted[reached])
                wanted = wanted[reached + 1 :]
                self._spend(started, error)

    def _lock(self, nodes: Sequence[str], within: float) -> None:
        # the slotted runtime answers row by row; others would lock many nodes before the first answer
        self._client.write(
            "runtime=slotted UNWIND $nodes AS node OPTIONAL MATCH (n) WHERE elementId(n) = node SET n += {} "
            "RETURN node",
            within=within,
            nodes=list(nodes),
        )

    def _spend(self, started: float, error: TimedOut) -> None:
        self._waited += time.monotonic() - started
        if self._waited > self._deadline:
            raise TimedOut(
                "Other transactions hold more locked than a publication can wait for.",
                hint="Publish again when they have ended: SHOW TRANSACTIONS names them.",
            ) from error
