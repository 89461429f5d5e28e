"""Which nodes may say something else than they did in the last snapshot. Three ways, one question.

Structure is always read whole, since that costs little, so deletions and new nodes are never late. What a way saves is
reading texts again. Whatever it answers, two snapshots compared (data.changes) are what says what changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import neo4j.time
import numpy as np

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.data.verbalize import shown_properties
from neo4j_relpred.errors import GraphQueryFailed, InvalidSettings
from neo4j_relpred.graph.client import GraphClient
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.graph.selection import IntArray

__all__ = ["ChangeSource", "Known", "change_source"]

# A transaction may stamp its nodes long before it commits: what is stamped shortly before the last look is read again.
OVERLAP_MINUTES = 10
MOST_EVENTS = 100_000  # beyond, reading everything is quicker than following every event
TEMPORAL: dict[str, Any] = {"DateTime": neo4j.time.DateTime, "Date": neo4j.time.Date}


@dataclass(frozen=True)
class Known:
    """What is known already. texts: the last snapshot and the sorted ids of nodes to read again; None for all.

    about: what the next look needs, kept in the manifest of the snapshot that is being read.
    """

    texts: tuple[Snapshot, IntArray] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)


class ChangeSource(Protocol):
    """A way of noticing changes."""

    def since(self, client: GraphClient, before: Snapshot | None) -> Known:
        """What may be taken from the snapshot `before`. Asked before reading, so that nothing falls in between."""
        ...


class Scan:
    """Reads everything again. Works everywhere and misses nothing."""

    def since(self, client: GraphClient, before: Snapshot | None) -> Known:
        """Nothing is taken over."""
        return Known()


class Watermark:
    """Trusts a property that every writer raises when it changes a node: a time, a number, or text that sorts."""

    def __init__(self, settings: GraphSettings) -> None:
        if not settings.watermark:
            raise InvalidSettings(
                'graph.changes = "watermark" needs a property.', hint="Name it in graph.watermark, e.g. updatedAt."
            )
        self._settings = settings

    def since(self, client: GraphClient, before: Snapshot | None) -> Known:
        """Nodes whose watermark is at or above the highest one of the last look."""
        name = quoted(self._settings.watermark)
        (row,) = client.read(f"MATCH (n) WHERE n.{name} IS NOT NULL RETURN max(n.{name}) AS last")
        about = {"watermark": [self._settings.watermark, *_written(row["last"])]}
        mark = _mark(before, self._settings)
        if before is None or mark is None:
            return Known(about=about)
        # nodes without the property are read again each time: nobody says whether they changed
        rows = client.read(
            f"MATCH (n) WHERE n.{name} IS NULL OR n.{name} >= $mark RETURN collect(id(n)) AS ids", mark=mark
        )
        return Known((before, np.array(sorted(rows[0]["ids"]), np.int64)), about)


class ChangeCapture:
    """Asks `db.cdc.query`, which Enterprise and Aura offer where it is switched on."""

    def __init__(self, settings: GraphSettings) -> None:
        self._settings = settings

    def since(self, client: GraphClient, before: Snapshot | None) -> Known:
        """Nodes that an event names. A cursor that the server no longer knows means reading everything."""
        try:
            (row,) = client.read("CALL db.cdc.current() YIELD id RETURN id")
        except GraphQueryFailed as error:
            raise InvalidSettings(
                "This server captures no changes (db.cdc.current is missing or switched off).",
                hint='Set graph.changes to "scan", or switch txLogEnrichment on (Enterprise and Aura).',
            ) from error
        about = {"cdc": row["id"]}
        cursor = before.about.get("cdc") if before is not None else None
        if before is None or cursor is None or not _same_columns(before, self._settings):
            return Known(about=about)
        try:
            rows = client.read(
                "CALL db.cdc.query($cursor, [{select: 'n'}]) YIELD event WITH DISTINCT event.elementId AS element "
                "LIMIT $most OPTIONAL MATCH (n) WHERE elementId(n) = element "
                "RETURN count(*) AS events, collect(id(n)) AS ids",
                cursor=cursor,
                most=MOST_EVENTS,
            )
        except GraphQueryFailed:  # the log was pruned, or the store is another one
            return Known(about=about)
        if rows[0]["events"] >= MOST_EVENTS:
            return Known(about=about)
        return Known((before, np.array(sorted(rows[0]["ids"]), np.int64)), about)


def change_source(settings: GraphSettings) -> ChangeSource:
    """The way that the settings choose. Raises InvalidSettings for a watermark without a property."""
    if settings.changes == "watermark":
        return Watermark(settings)
    return ChangeCapture(settings) if settings.changes == "cdc" else Scan()


def _same_columns(before: Snapshot, settings: GraphSettings) -> bool:
    """Whether the last snapshot holds the properties that are wanted now, no more and no less."""
    return set(before.property_names) == set(shown_properties(settings))


def _mark(before: Snapshot | None, settings: GraphSettings) -> Any:
    """The watermark of the last look, less what may have been on its way; None where it says nothing for now."""
    name, kind, value = (before.about.get("watermark") if before is not None else None) or ("", "none", None)
    if before is None or name != settings.watermark or not _same_columns(before, settings):
        return None
    if kind not in TEMPORAL:
        return value
    read: Any = TEMPORAL[kind].from_iso_format(value)
    return read if kind == "Date" else read - neo4j.time.Duration(minutes=OVERLAP_MINUTES)


def _written(value: Any) -> tuple[str, Any]:
    """A watermark as JSON can hold it."""
    if isinstance(value, bool) or value is None:
        return "none", None
    if isinstance(value, int | float):
        return "number", value
    if isinstance(value, str):
        return "text", value
    kind = type(value).__name__
    return (kind, value.iso_format()) if kind in TEMPORAL else ("none", None)
