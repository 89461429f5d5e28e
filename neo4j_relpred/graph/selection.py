"""Which nodes of the store are read: all, those of some labels, what is near given nodes, or what a query chooses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.errors import UnknownEntity, did_you_mean
from neo4j_relpred.graph.client import GraphClient, SnapshotClient
from neo4j_relpred.graph.identity import Identity
from neo4j_relpred.graph.names import quoted

__all__ = ["IntArray", "Positions", "Rows", "Selection", "pieces", "select"]

IntArray = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]
DENSE = 8  # places of a table per node that was read
PIECE = 1_000_000  # ids of one list in an answer
STEP_NODES = 1_000  # nodes whose neighbours are asked for at once
SMALL_SHARE = 0.2  # of all nodes: below it, edges are read node by node


@dataclass(frozen=True)
class Selection:
    """ids: those of the chosen nodes in the store, sorted; None for all from 0 to end. small: a small part of it."""

    end: int
    ids: IntArray | None = None
    small: bool = False

    def __len__(self) -> int:
        return self.end if self.ids is None else len(self.ids)


class Positions:
    """From ids of the store to the order in which nodes were read: a table where ids are dense, else by bisection."""

    def __init__(self, stored_ids: IntArray) -> None:
        self._order = np.argsort(stored_ids, kind="stable").astype(np.int32)
        self._ids = stored_ids[self._order]
        end = int(self._ids[-1]) + 1 if len(self._ids) else 0
        self._table: Rows | None = None
        if end <= DENSE * len(stored_ids):
            self._table = np.full(end + 1, -1, np.int32)  # one place more, for ids that are beyond the end
            self._table[self._ids] = self._order

    def of(self, stored_ids: IntArray) -> Rows:
        """(n,) to (n,): the row of each id, -1 for nodes that were not read."""
        if self._table is not None:
            return self._table[np.minimum(stored_ids, len(self._table) - 1)]
        place = np.minimum(np.searchsorted(self._ids, stored_ids), len(self._ids) - 1)
        return np.where(self._ids[place] == stored_ids, self._order[place], np.int32(-1))


def select(client: SnapshotClient, settings: GraphSettings) -> Selection:
    """Looks up which nodes the settings choose. Labels are a filter beside it, checked where a node is read.

    Raises UnknownEntity for a node of graph.around that is not there, InvalidSettings for a query that cannot be used.
    """
    (row,) = client.read("MATCH (n) RETURN max(id(n)) AS last, count(n) AS number")
    end = 0 if row["last"] is None else int(row["last"]) + 1
    if not settings.around and not settings.query:
        if not settings.labels:
            return Selection(end)
        return _of(end, row["number"], _with_labels(client, settings.labels))
    chosen = [np.empty(0, np.int64)]
    if settings.query:
        chosen.append(_stored_ids(client, client.chosen_nodes(settings.query)))
    if settings.around:
        chosen.append(_near(client, settings, _stored_ids(client, _around(client, settings))))
    return _of(end, row["number"], np.concatenate(chosen))


def pieces(ids: IntArray, size: int) -> Iterator[IntArray]:
    """The ids in portions."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _of(end: int, number: int, ids: IntArray) -> Selection:
    unique = np.unique(ids)
    return Selection(end, unique, small=len(unique) < SMALL_SHARE * number)


def _with_labels(client: GraphClient, labels: Sequence[str]) -> IntArray:
    """By the index of each label, which is there from the beginning."""
    found = [np.empty(0, np.int64)]
    for label in labels:
        rows = client.read(
            f"MATCH (n:{quoted(label)}) WITH id(n) AS i, id(n) / $piece AS piece RETURN piece, collect(i) AS ids",
            piece=PIECE,
        )
        found += [np.array(row["ids"], np.int64) for row in rows]
    return np.concatenate(found)


def _around(client: GraphClient, settings: GraphSettings) -> list[str]:
    resolution = Identity(settings).resolve(client, settings.around)
    for entity in settings.around:
        if entity not in resolution.found:
            raise UnknownEntity(
                f"There is no single node {entity!r} (graph.around).",
                hint=did_you_mean(entity, resolution.found) or "Nodes are named by their key property (graph.keys).",
            )
    return [node.element_id for node in resolution.found.values()]


def _stored_ids(client: GraphClient, element_ids: Sequence[str]) -> IntArray:
    found = [np.empty(0, np.int64)]
    for start in range(0, len(element_ids), PIECE // 100):
        (row,) = client.read(
            "UNWIND $elements AS element MATCH (n) WHERE elementId(n) = element RETURN collect(id(n)) AS ids",
            elements=element_ids[start : start + PIECE // 100],
        )
        found.append(np.array(row["ids"], np.int64))
    return np.concatenate(found)


def _near(client: GraphClient, settings: GraphSettings, start: IntArray) -> IntArray:
    """The nodes at most `hops` steps away, over relationships that are read, in either direction."""
    reached = frontier = np.unique(start)
    query = (
        "UNWIND $ids AS i MATCH (a) WHERE id(a) = i MATCH (a)-[r]-(b) "
        "WHERE NOT type(r) STARTS WITH $prefix AND (size($types) = 0 OR type(r) IN $types) "
        "AND (size($labels) = 0 OR any(l IN labels(b) WHERE l IN $labels)) RETURN collect(DISTINCT id(b)) AS ids"
    )
    wish: dict[str, Any] = {
        "prefix": settings.prefix,
        "types": list(settings.relations),
        "labels": list(settings.labels),
    }
    for _ in range(settings.hops):
        found = [np.empty(0, np.int64)]
        for part in pieces(frontier, STEP_NODES):
            (row,) = client.read(query, ids=part.tolist(), **wish)
            found.append(np.array(row["ids"], np.int64))
        frontier = np.setdiff1d(np.concatenate(found), reached)
        reached = np.union1d(reached, frontier)
    return reached
