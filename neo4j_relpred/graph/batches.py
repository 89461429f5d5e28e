"""One batch of a publication at a time: written around what is locked and what is refused, and counted.

What is left out is never lost: the edge is no part of the graph, or stays as it was, and the next difference has it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from neo4j_relpred.data.refused import RefusedEdge
from neo4j_relpred.data.target_set import TargetEdge
from neo4j_relpred.graph.decisions import MISSING
from neo4j_relpred.graph.identity import Found
from neo4j_relpred.graph.locks import AroundLocks
from neo4j_relpred.graph.predicted import PredictedType, Stamp
from neo4j_relpred.graph.refused import AroundRefusals
from neo4j_relpred.triples import EntityId, Relation

__all__ = ["REFUSED", "WAITING", "Batches", "LeftOut", "count_states"]

REAL = "already a relationship"
LOCKED = "locked by another transaction"
REFUSED = "refused by the database"
WAITING = "refused by the database before, not tried again yet"

log = logging.getLogger(__name__)


@dataclass
class LeftOut:
    """Edges of one type that were not created, and those that stayed as they were, by the reason.

    `codes` are those of the server, of all that was refused; `refused` are the edges of the target among it.
    """

    skipped: Counter[str] = field(default_factory=Counter)
    not_updated: Counter[str] = field(default_factory=Counter)
    not_removed: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    refused: list[RefusedEdge] = field(default_factory=list)


class Batches:
    """Writes batches, each in one transaction or in parts, and keeps what was left out of each type."""

    def __init__(
        self,
        types: Mapping[Relation, PredictedType],
        around: AroundLocks,
        stamp: Stamp,
        waiting: Mapping[str, RefusedEdge],
    ) -> None:
        self.left = {relation: LeftOut() for relation in types}
        self.refusals = AroundRefusals()
        self._types, self._around, self._stamp, self._waiting = types, around, stamp, waiting

    def create(self, relation: Relation, batch: Sequence[TargetEdge], nodes: Mapping[EntityId, Found]) -> None:
        """Creates edges whose nodes are known. Raises what `AroundLocks.write` and `AroundRefusals.write` raise."""
        type_, left = self._types[relation], self.left[relation]

        def ends(_: Sequence[str]) -> dict[str, tuple[str, str]]:
            return {e.key: (nodes[e.head].element_id, nodes[e.tail].element_id) for e in batch}

        def act(part: Sequence[TargetEdge], within: float | None) -> None:
            count_states(type_.create(part, nodes, self._stamp, within), left.skipped)

        def write(part: Sequence[TargetEdge]) -> None:
            left.skipped[LOCKED] += len(self._around.write({edge.key: edge for edge in part}, ends, act))

        self._write_what_can_be(batch, write, left, left.skipped)

    def update(self, relation: Relation, batch: Sequence[TargetEdge]) -> None:
        """Rewrites edges that are there. Raises what `create` raises."""
        type_, left = self._types[relation], self.left[relation]

        def act(part: Sequence[TargetEdge], within: float | None) -> None:
            type_.update(part, self._stamp, within)

        def write(part: Sequence[TargetEdge]) -> None:
            rows = {edge.key: edge for edge in part}
            left.not_updated[LOCKED] += len(self._around.write(rows, type_.ends, act, type_.lock))

        self._write_what_can_be(batch, write, left, left.not_updated)

    def remove(self, relation: Relation, keys: Sequence[str]) -> None:
        """Removes edges. Raises what `create` raises."""
        type_, left = self._types[relation], self.left[relation]

        def write(part: Sequence[str]) -> None:
            rows = dict(zip(part, part, strict=True))
            left.not_removed[LOCKED] += len(self._around.write(rows, type_.ends, type_.remove, type_.lock))

        refused = self.refusals.write(keys, write)
        left.not_removed[REFUSED] += len(refused)
        left.codes.update(code for _, code in refused)

    def tell_refused(self) -> None:
        """Says in the log what was refused, by type."""
        for relation, left in self.left.items():
            for code, number in left.codes.items():
                log.warning("the database refuses edges type=%s number=%d code=%s", relation, number, code)

    def _write_what_can_be(
        self,
        batch: Sequence[TargetEdge],
        write: Callable[[Sequence[TargetEdge]], None],
        left: LeftOut,
        reasons: Counter[str],
    ) -> None:
        """Without the edges that the database refuses, now or lately."""
        waiting = [self._waiting[edge.key] for edge in batch if edge.key in self._waiting]
        refused = self.refusals.write([edge for edge in batch if edge.key not in self._waiting], write)
        reasons.update({WAITING: len(waiting), REFUSED: len(refused)})
        left.codes.update(code for _, code in refused)
        left.refused += [*waiting, *(RefusedEdge.of(edge, code) for edge, code in refused)]


def count_states(states: Mapping[str, int], skipped: Counter[str]) -> None:
    """Adds what a statement said of rows that it did not write."""
    for state, reason in (("missing", MISSING), ("real", REAL)):
        if states.get(state):
            skipped[reason] += states[state]
