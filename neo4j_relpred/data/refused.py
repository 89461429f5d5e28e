"""Edges that the database would not take: kept beside the models, and tried again later and later, as bad texts are.

A constraint, an index or a trigger of somebody else on a predicted type may refuse one edge and take all others.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from neo4j_relpred.data.backoff import MOST_TRIES, PAUSE_SECONDS
from neo4j_relpred.data.folder import write_text
from neo4j_relpred.data.target_set import TargetEdge
from neo4j_relpred.triples import EntityId, Relation

__all__ = ["RefusedEdge", "RefusedEdges"]


@dataclass(frozen=True, slots=True)
class RefusedEdge:
    """An edge that could not be written. error: the code of the server, never its words, which may quote the data.

    tries: how often in a row, 0 where that was not counted yet. again_at: when a sync tries it again (ISO 8601); None
    when none does any more.
    """

    key: str
    head: EntityId
    relation: Relation
    tail: EntityId
    model: str
    error: str
    tries: int = 0
    again_at: str | None = None

    @classmethod
    def of(cls, edge: TargetEdge, error: str) -> RefusedEdge:
        """One that was refused just now."""
        return cls(edge.key, edge.head, edge.relation, edge.tail, edge.model, error)

    @property
    def name(self) -> str:
        """Which edge it is, for people."""
        return f"({self.head})-[{self.relation}]->({self.tail})"


@dataclass(frozen=True)
class RefusedEdges:
    """The file of one model. A damaged one counts as empty: all that is lost are pauses."""

    file: Path
    now: Callable[[], float] = time.time

    def known(self) -> dict[str, RefusedEdge]:
        """All of them, by key."""
        try:
            rows = json.loads(self.file.read_text(encoding="utf-8"))
            return {row["key"]: RefusedEdge(**row) for row in rows}
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return {}

    def waiting(self, target: Iterable[TargetEdge]) -> dict[str, RefusedEdge]:
        """Those of a target that a sync leaves alone for now, by key. What another version says of an edge is new."""
        known, now = self.known(), datetime.fromtimestamp(self.now(), UTC)
        if not known:
            return {}
        asked = ((edge, known[edge.key]) for edge in target if edge.key in known)
        return {
            edge.key: found
            for edge, found in asked
            if edge.model == found.model and (found.again_at is None or datetime.fromisoformat(found.again_at) > now)
        }

    def settle(self, relations: Collection[Relation], refused: Sequence[RefusedEdge]) -> tuple[RefusedEdge, ...]:
        """Takes down how a publication of these types ended, and gives back what it left out, with its next try.

        What waited stays as it was, what was refused again has to wait longer, and the others are struck off.
        """
        before = self.known()
        settled = tuple(self._counted(one, before.get(one.key)) for one in refused)
        after = [one for one in before.values() if one.relation not in relations]
        if before or settled:
            self._write([*after, *settled])
        return settled

    def forgive(self) -> int:
        """Lets all of them be tried again at once; how many there were."""
        known = self.known()
        if known:
            self._write([])
        return len(known)

    def _counted(self, one: RefusedEdge, before: RefusedEdge | None) -> RefusedEdge:
        if one.tries:
            return one
        tries = 1 if before is None or before.model != one.model else before.tries + 1
        if tries >= MOST_TRIES:
            return replace(one, tries=tries)
        again = datetime.fromtimestamp(self.now() + tries * PAUSE_SECONDS, UTC)
        return replace(one, tries=tries, again_at=again.isoformat(timespec="seconds"))

    def _write(self, rows: Sequence[RefusedEdge]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_text(self.file, json.dumps([asdict(row) for row in rows], ensure_ascii=False))
