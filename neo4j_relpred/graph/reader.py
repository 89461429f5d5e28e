"""Reads a graph into a Snapshot, always without what we wrote ourselves.

Nodes first, then edges, then a second look at the nodes if anything was committed meanwhile. What is read is therefore
at least what stood before and at most what stood after; an edge whose end was not read is dropped and counted. Ids of
the store connect nodes and edges while reading; none of them leaves this room.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.data.snapshot import EDGE_SCHEMA, Snapshot, property_column, sorted_rows
from neo4j_relpred.errors import EmptyGraph, InvalidSettings
from neo4j_relpred.graph.changed import change_source
from neo4j_relpred.graph.client import GraphClient, SnapshotClient
from neo4j_relpred.graph.edges import EdgePiece, read_edges
from neo4j_relpred.graph.nodes import Columns, read_nodes, still_the_same
from neo4j_relpred.graph.schema import relation_counts
from neo4j_relpred.graph.selection import Positions, Rows, Selection, select
from neo4j_relpred.graph.values import edge_column
from neo4j_relpred.triples import Relation

__all__ = ["Progress", "read_snapshot"]

Progress = Callable[[str, int, int], None]

log = logging.getLogger(__name__)


def read_snapshot(
    client: SnapshotClient, settings: GraphSettings, progress: Progress | None = None, before: Snapshot | None = None
) -> Snapshot:
    """Everything that the settings choose, as it stands in the graph now.

    `progress` is told the stage ("nodes" or "edges"), how much is done and how much there is. `before` is the last
    snapshot: where graph.changes says how, texts of nodes that did not change are taken from it. Raises EmptyGraph when
    there is no node or no relationship, InvalidSettings when two nodes share an id or a setting does not fit, and what
    `client.read` raises.
    """
    tell = progress or _silent
    state = client.state()
    known = change_source(settings).since(client, before)
    selection = select(client, settings)
    columns = read_nodes(client, settings, selection, lambda n, of: tell("nodes", n, of), known.texts)
    if not len(columns.stored_ids):
        raise EmptyGraph(
            f"The database {settings.database!r} has no node{_chosen(settings)}.",
            hint="Load data, or check graph.database and graph.labels.",
        )
    edges = _Edges(Positions(columns.stored_ids))
    counts = _counts(client, settings)
    total = sum(counts.values())
    for piece in read_edges(client, counts, _edge_properties(settings), selection):
        edges.add(piece)
        tell("edges", min(edges.seen, total), total)
    tell("edges", total, total)
    same = _same(client, settings, selection, columns, state)
    rows, table = _sorted_nodes(columns, same, settings)
    snapshot = edges.snapshot(table, rows, {**known.about, "nodesGoneMeanwhile": int((~same).sum())})
    if not snapshot.edges.num_rows:
        wish = f" of the types {', '.join(settings.relations)}" if settings.relations else ""
        raise EmptyGraph(
            f"The database {settings.database!r} has no relationship{wish} between the nodes that were read.",
            hint="Load data, or check graph.relations and graph.labels.",
        )
    return snapshot


class _Edges:
    """Edges as they come in, with rows of the nodes that were read for ends."""

    def __init__(self, positions: Positions) -> None:
        self._positions = positions
        self._parts: dict[Relation, list[tuple[Rows, Rows]]] = {}
        self._properties: dict[Relation, list[dict[str, pa.Array[Any]]]] = {}
        self.seen = 0

    def add(self, piece: EdgePiece) -> None:
        self.seen += len(piece.heads)
        ends = self._positions.of(piece.heads), self._positions.of(piece.tails)
        self._parts.setdefault(piece.relation, []).append(ends)
        columns = {name: edge_column(values) for name, values in piece.properties.items()}
        self._properties.setdefault(piece.relation, []).append(columns)

    def snapshot(self, nodes: pa.Table, rows: Rows, about: Mapping[str, Any]) -> Snapshot:
        """With `rows` (nodes as they were read,) as rows of the table `nodes`, -1 where a node is not in it."""
        heads: list[Rows] = []
        tails: list[Rows] = []
        kinds: list[Rows] = []
        chunks: dict[str, list[pa.Array[Any]]] = {name: [] for name in self._names()}
        relations: list[Relation] = []
        for relation in sorted(self._parts):
            before = len(heads)
            for (head, tail), columns in zip(self._parts[relation], self._properties[relation], strict=True):
                # row -1 of an end that was not read stays -1
                ends = [np.where(end >= 0, rows[end], np.int32(-1)) for end in (head, tail)]
                kept = (ends[0] >= 0) & (ends[1] >= 0)
                if not kept.any():
                    continue
                heads.append(ends[0][kept])
                tails.append(ends[1][kept])
                kinds.append(np.full(int(kept.sum()), len(relations), np.int32))
                for name, column in columns.items():
                    chunks[name].append(column.filter(pa.array(kept)))
            if len(heads) > before:
                relations.append(relation)
        self._parts.clear()
        number = sum(map(len, heads))
        left_out = self.seen - number
        if left_out:
            log.info("left out %d of %d relationships: an end is not among the nodes read", left_out, self.seen)
        arrays = [pa.array(np.concatenate([np.empty(0, np.int32), *column])) for column in (heads, kinds, tails)]
        del heads, kinds, tails
        table = pa.Table.from_arrays(arrays, schema=EDGE_SCHEMA)
        for name in sorted(chunks):
            table = table.append_column(property_column(name), _one_kind(chunks[name]))
        return Snapshot(nodes, tuple(relations), sorted_rows(table), {**about, "edgesLeftOut": left_out})

    def _names(self) -> set[str]:
        return {name for parts in self._properties.values() for columns in parts for name in columns}


def _one_kind(chunks: list[pa.Array[Any]]) -> pa.ChunkedArray[Any]:
    """One column of chunks that hold numbers or texts: numbers only where all do."""
    kind = pa.float64() if all(pa.types.is_floating(chunk.type) for chunk in chunks) else pa.large_string()
    return pa.chunked_array([chunk.cast(kind) for chunk in chunks], kind)


def _same(
    client: SnapshotClient, settings: GraphSettings, selection: Selection, columns: Columns, state: str
) -> npt.NDArray[np.bool_]:
    """(nodes,): which nodes are still what they were; all, when nothing was committed since `state`."""
    if client.state() == state:
        return np.ones(len(columns.stored_ids), bool)
    same: npt.NDArray[np.bool_] = still_the_same(client, settings, selection, columns)
    if not same.all():
        log.info("%d nodes went away or changed their key while the graph was read", int((~same).sum()))
    return same


def _sorted_nodes(columns: Columns, same: npt.NDArray[np.bool_], settings: GraphSettings) -> tuple[Rows, pa.Table]:
    """Where each node that was read stands in the table, which is sorted by id; -1 for those to be left out."""
    table = columns.table if same.all() else columns.table.filter(pa.array(same))
    order = pc.sort_indices(table["id"]).to_numpy().astype(np.int64)
    table = table.take(order).combine_chunks()
    _refuse_shared_ids(table["id"].combine_chunks(), settings)
    rows = np.full(len(same), -1, np.int32)
    rows[np.flatnonzero(same)[order]] = np.arange(len(order), dtype=np.int32)
    return rows, table


def _refuse_shared_ids(ids: pa.Array[Any], settings: GraphSettings) -> None:
    equal = pc.equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
    if not equal.any():
        return
    keys = ", ".join(f"{label}.{name}" for label, name in settings.keys.items())
    raise InvalidSettings(
        f"Two nodes have the same id {ids[int(equal.argmax())].as_py()!r} by graph.keys ({keys}).",
        hint="Choose a property that is unique for the label, or correct the data; a uniqueness constraint "
        "in Neo4j finds such values.",
    )


def _counts(client: GraphClient, settings: GraphSettings) -> dict[Relation, int]:
    counts = relation_counts(client, settings)
    return {name: n for name, n in counts.items() if not settings.relations or name in settings.relations}


def _edge_properties(settings: GraphSettings) -> tuple[str, ...]:
    return tuple(sorted({*settings.edge_properties, settings.time_property} - {""}))


def _chosen(settings: GraphSettings) -> str:
    wish = f" with a label of {', '.join(settings.labels)}" if settings.labels else ""
    return wish + (" among those that graph.query chooses" if settings.query else "")


def _silent(_stage: str, _done: int, _total: int) -> None:
    return
