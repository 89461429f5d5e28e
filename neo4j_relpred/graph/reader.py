"""Reads a graph into a Snapshot, always without what we wrote ourselves.

Structure comes as collected columns, which is some fifty times faster than rows, and in pieces that neither side has
to hold for long. Ids of the store connect nodes and edges while reading; none of them leaves this module.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.data.snapshot import Node, Snapshot
from neo4j_relpred.errors import EmptyGraph, InvalidSettings
from neo4j_relpred.graph.client import GraphClient, Row
from neo4j_relpred.graph.identity import OWN_LABELS, Identity
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.graph.schema import relation_counts
from neo4j_relpred.graph.values import as_text
from neo4j_relpred.triples import EntityId, Relation

__all__ = ["NodeReader", "Progress", "read_snapshot"]

Progress = Callable[[str, int, int], None]
IntArray = npt.NDArray[np.int64]

NODE_RANGE = 10_000
EDGE_RANGE = 100_000
MOST_EDGES_AT_ONCE = 500_000  # of one type in one answer; a larger type is read in ranges
# collect() leaves nulls out, which would shift the columns; an empty list says as little as no value.
NOTHING: list[Any] = []

log = logging.getLogger(__name__)


def read_snapshot(client: GraphClient, settings: GraphSettings, progress: Progress | None = None) -> Snapshot:
    """Everything that the settings choose, as it stands in the graph now.

    `progress` is told the stage ("nodes" or "edges"), how much is done and how much there is. Raises EmptyGraph when
    there is no node or no relationship, InvalidSettings when two nodes share an id, and what `client.read` raises.
    """
    tell = progress or _silent
    nodes, stored_ids = _read_nodes(client, settings, tell)
    if not nodes:
        wish = f" with a label of {', '.join(settings.labels)}" if settings.labels else ""
        raise EmptyGraph(
            f"The database {settings.database!r} has no node{wish}.",
            hint="Load data, or check graph.database and graph.labels.",
        )
    _refuse_shared_ids(nodes, settings)
    table = Snapshot.of(nodes, ()).nodes
    by_id = {entity: row for row, entity in enumerate(table["id"].to_pylist())}
    rows = np.array([by_id[node.id] for node in nodes], np.int64)
    relations, triples = _read_edges(client, settings, _Positions(stored_ids, rows), tell)
    if not len(triples):
        wish = f" of the types {', '.join(settings.relations)}" if settings.relations else ""
        raise EmptyGraph(
            f"The database {settings.database!r} has no relationship{wish} between the nodes that were read.",
            hint="Load data, or check graph.relations and graph.labels.",
        )
    return Snapshot(table, relations, triples)


class NodeReader:
    """Which nodes count, which of their properties are wanted, and how a row becomes a Node."""

    def __init__(self, settings: GraphSettings) -> None:
        self._identity = Identity(settings)
        self._shown = tuple(dict.fromkeys((*settings.names, *settings.texts)))
        self.labels = list(settings.labels)
        self.properties = list(dict.fromkeys((*self._shown, *self._identity.properties)))

    def wanted(self, labels: Iterable[str]) -> bool:
        """Whether a node with these labels is read at all."""
        carried = set(labels)
        if any(label.startswith(OWN_LABELS) for label in carried):
            return False
        return not self.labels or not carried.isdisjoint(self.labels)

    def entity_id(self, labels: Sequence[str], element_id: str, values: Mapping[str, Any]) -> EntityId:
        """The entity id of a node, by the one rule."""
        return self._identity.entity_id(labels, values, element_id)

    def node(self, labels: Sequence[str], element_id: str, values: Mapping[str, Any]) -> Node:
        """A node with its naming and describing properties as text. Raises InvalidSettings for a key that is none."""
        texts = {name: as_text(values.get(name)) for name in self._shown}
        shown = {name: text for name, text in texts.items() if text}
        return Node(self.entity_id(labels, element_id, values), element_id, tuple(sorted(labels)), shown)


class _Positions:
    """From ids of the store to rows of the snapshot."""

    def __init__(self, stored_ids: IntArray, rows: IntArray) -> None:
        order = np.argsort(stored_ids, kind="stable")
        self._ids, self._rows = stored_ids[order], rows[order]

    def of(self, stored_ids: IntArray) -> IntArray:
        """(n,) to (n,): the row of each id, -1 for nodes that were not read."""
        place = np.minimum(np.searchsorted(self._ids, stored_ids), len(self._ids) - 1)
        return np.where(self._ids[place] == stored_ids, self._rows[place], -1)


def _silent(_stage: str, _done: int, _total: int) -> None:
    return


def _read_nodes(client: GraphClient, settings: GraphSettings, tell: Progress) -> tuple[list[Node], IntArray]:
    """The nodes in the order of the store, and their ids there."""
    reader = NodeReader(settings)
    values = "".join(
        f", collect(coalesce(n.{quoted(name)}, $nothing)) AS v{number}" for number, name in enumerate(reader.properties)
    )
    query = (
        "UNWIND range($low, $high) AS i MATCH (n) WHERE id(n) = i AND none(l IN labels(n) WHERE l STARTS WITH $own) "
        "AND (size($labels) = 0 OR any(l IN labels(n) WHERE l IN $labels)) "
        "RETURN collect(i) AS ids, collect(elementId(n)) AS elements, collect(labels(n)) AS labels" + values
    )
    end = _end(client.read("MATCH (n) RETURN max(id(n)) AS last"))
    nodes: list[Node] = []
    ids: list[int] = []
    for low in range(0, end, NODE_RANGE):
        high = min(low + NODE_RANGE, end) - 1
        chosen = {"own": OWN_LABELS, "labels": reader.labels, "nothing": NOTHING}
        (row,) = client.read(query, low=low, high=high, **chosen)
        columns = [row[f"v{number}"] for number in range(len(reader.properties))]
        for place, (labels, element) in enumerate(zip(row["labels"], row["elements"], strict=True)):
            held = {name: column[place] for name, column in zip(reader.properties, columns, strict=True)}
            known = {name: value for name, value in held.items() if value != NOTHING}
            nodes.append(reader.node(labels, element, known))
        ids.extend(row["ids"])
        tell("nodes", high + 1, end)
    return nodes, np.array(ids, np.int64)


def _end(rows: Sequence[Row]) -> int:
    """One more than the highest id; 0 when there is nothing."""
    last = rows[0]["last"]
    return 0 if last is None else int(last) + 1


def _refuse_shared_ids(nodes: Sequence[Node], settings: GraphSettings) -> None:
    seen: set[EntityId] = set()
    for node in nodes:
        if node.id in seen:
            keys = ", ".join(f"{label}.{name}" for label, name in settings.keys.items())
            raise InvalidSettings(
                f"Two nodes have the same id {node.id!r} by graph.keys ({keys}).",
                hint="Choose a property that is unique for the label, or correct the data; a uniqueness constraint "
                "in Neo4j finds such values.",
            )
        seen.add(node.id)


def _read_edges(
    client: GraphClient, settings: GraphSettings, positions: _Positions, tell: Progress
) -> tuple[tuple[Relation, ...], IntArray]:
    """The types that have edges between nodes that were read, and the triples (n, 3), sorted and unique."""
    counts = relation_counts(client, settings)
    if settings.relations:
        counts = {name: count for name, count in counts.items() if name in settings.relations}
    pieces: dict[Relation, list[IntArray]] = {name: [] for name in counts}
    total, done, lost = sum(counts.values()), 0, 0
    for name, heads, tails in _edge_columns(client, counts):
        ends = np.stack([positions.of(heads), positions.of(tails)], axis=1)
        kept = ends[(ends >= 0).all(axis=1)]
        pieces[name].append(kept)
        done, lost = done + len(ends), lost + len(ends) - len(kept)
        tell("edges", min(done, total), total)
    if lost:
        log.info("left out %d of %d relationships: an end is not among the nodes that are read", lost, done)
    found = {name: np.concatenate(parts) for name, parts in pieces.items() if sum(map(len, parts))}
    relations = tuple(sorted(found))
    columns = [
        np.insert(found[name], 1, number, axis=1)  # (n, 2) of head, tail to (n, 3) of head, relation, tail
        for number, name in enumerate(relations)
    ]
    triples = np.unique(np.concatenate(columns), axis=0) if columns else np.empty((0, 3), np.int64)
    return relations, triples


def _edge_columns(client: GraphClient, counts: Mapping[Relation, int]) -> Iterable[tuple[Relation, IntArray, IntArray]]:
    """Type, ids of heads, ids of tails; several times for a large type.

    A type that fits is one query over the index of its edges (fastest). The others share one pass over the ids of
    all edges, so that no answer grows with the graph.
    """
    large = [name for name, count in counts.items() if count > MOST_EDGES_AT_ONCE]
    for name in counts:
        if name in large:
            continue
        rows = client.read(
            f"MATCH (a)-[r:{quoted(name)}]->(b) WITH id(a) AS a, id(b) AS b, id(r) / $step AS piece "
            "RETURN piece, collect(a) AS heads, collect(b) AS tails",
            step=EDGE_RANGE,
        )
        for row in rows:
            yield name, np.array(row["heads"], np.int64), np.array(row["tails"], np.int64)
    if not large:
        return
    end = _end(client.read("MATCH ()-[r]->() RETURN max(id(r)) AS last"))
    for low in range(0, end, EDGE_RANGE):
        rows = client.read(
            "UNWIND range($low, $high) AS i MATCH (a)-[r]->(b) WHERE id(r) = i AND type(r) IN $types "
            "RETURN type(r) AS name, collect(id(a)) AS heads, collect(id(b)) AS tails",
            low=low,
            high=min(low + EDGE_RANGE, end) - 1,
            types=large,
        )
        for row in rows:
            yield row["name"], np.array(row["heads"], np.int64), np.array(row["tails"], np.int64)
