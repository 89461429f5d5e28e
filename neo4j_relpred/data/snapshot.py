"""A snapshot: what was read from the graph, as Parquet with a manifest.

Rows are sorted by content, so the same data gives the same files and the same hash whatever the order of reading and
whatever ids the store gave to nodes that have a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from neo4j_relpred.data.fingerprint import content_digest
from neo4j_relpred.data.folder import verified, write_folder
from neo4j_relpred.errors import SnapshotCorrupt
from neo4j_relpred.triples import EntityId, Relation, Triple

__all__ = ["EDGE_SCHEMA", "NODE_SCHEMA", "Node", "Snapshot", "node_table", "property_column", "sorted_rows"]

FORMAT = 2
IntArray = npt.NDArray[np.int64]
Column = Any  # pyarrow's classes take parameters in its stubs only
# Offsets of 64 bits: all texts of a large graph are more than two gigabytes.
NODE_SCHEMA = pa.schema(
    [("id", pa.large_string()), ("element_id", pa.large_string()), ("labels", pa.list_(pa.string()))]
)
EDGE_SCHEMA = pa.schema([("head", pa.int32()), ("relation", pa.int32()), ("tail", pa.int32())])
PROPERTY = "property:"  # what the columns of properties begin with, in both tables
CORRUPT_HINT = "Take a new one with `relpred snapshot`."


@dataclass(frozen=True, slots=True)
class Node:
    """One node as it was read: its identity, labels, and the properties that name or describe it."""

    id: EntityId
    element_id: str
    labels: tuple[str, ...]
    properties: Mapping[str, str]


@dataclass(frozen=True)
class Snapshot:
    """Nodes, relationship types and edges.

    nodes: table of NODE_SCHEMA and a text column per property, sorted by id. relations: sorted. edges: table of
    EDGE_SCHEMA (rows of `nodes` and of `relations`) and a column per property (number or text), sorted; parallel edges
    stay. about: what else the manifest says; it is no content.
    """

    nodes: pa.Table
    relations: tuple[Relation, ...]
    edges: pa.Table
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, nodes: Iterable[Node], triples: Iterable[Triple]) -> Snapshot:
        """A snapshot of rows in memory; triples whose ends are not among the nodes are an error (KeyError)."""
        ordered = sorted(nodes, key=lambda node: node.id)
        names = sorted({name for node in ordered for name in node.properties})
        table = node_table(
            pa.array([node.id for node in ordered], pa.large_string()),
            pa.array([node.element_id for node in ordered], pa.large_string()),
            pa.array([sorted(node.labels) for node in ordered], pa.list_(pa.string())),
            {name: [node.properties.get(name) for node in ordered] for name in names},
        )
        index = {node.id: row for row, node in enumerate(ordered)}
        facts = set(triples)
        relations = tuple(sorted({fact.relation for fact in facts}))
        position = {relation: row for row, relation in enumerate(relations)}
        rows = [(index[f.head], position[f.relation], index[f.tail]) for f in facts]
        array = np.array(rows, np.int32).reshape(-1, 3)
        edges = pa.Table.from_arrays([pa.array(column) for column in array.T], schema=EDGE_SCHEMA)
        return cls(table, relations, sorted_rows(edges))

    @cached_property
    def ids(self) -> list[EntityId]:
        """Entity ids by index."""
        return cast("list[EntityId]", self.nodes["id"].to_pylist())

    @cached_property
    def element_ids(self) -> list[str]:
        """Element ids by index, good for the life of the store they were read from."""
        return cast("list[str]", self.nodes["element_id"].to_pylist())

    @cached_property
    def labels(self) -> list[tuple[str, ...]]:
        """Labels by index, sorted."""
        return [tuple(labels) for labels in cast("list[list[str]]", self.nodes["labels"].to_pylist())]

    @cached_property
    def index(self) -> dict[EntityId, int]:
        """Index by entity id."""
        return {entity: row for row, entity in enumerate(self.ids)}

    @cached_property
    def relation_index(self) -> dict[Relation, int]:
        """Index by relationship type."""
        return {relation: row for row, relation in enumerate(self.relations)}

    @cached_property
    def triples(self) -> IntArray:
        """(facts, 3) of head, relation, tail; sorted. Parallel edges are one fact."""
        columns = [self.edges[name].to_numpy()[self._first_of_fact].astype(np.int64) for name in EDGE_SCHEMA.names]
        return np.stack(columns, axis=1)

    @cached_property
    def _first_of_fact(self) -> npt.NDArray[np.bool_]:
        """(edges,): whether an edge is the first one of its triple."""
        first = np.zeros(self.edges.num_rows, bool)
        first[:1] = True
        for name in EDGE_SCHEMA.names:
            column = self.edges[name].to_numpy()
            first[1:] |= column[1:] != column[:-1]
        return first

    def edge_property(self, name: str) -> npt.NDArray[Any] | None:
        """(facts,): the smallest value of a property among the edges of each triple; None where no edge has it.

        Numbers as floats, NaN where missing; else texts, '' where missing.
        """
        if PROPERTY + name not in self.edges.column_names:
            return None
        column = self.edges[PROPERTY + name]
        # sorted_rows put the smallest value of a fact first, and missing ones last
        first: Any = column.take(np.flatnonzero(self._first_of_fact))
        if pa.types.is_floating(first.type):
            numbers: npt.NDArray[np.float64] = first.fill_null(float("nan")).to_numpy()
            return numbers
        return np.array(first.fill_null("").to_pylist(), object)

    def properties(self) -> list[dict[str, str]]:
        """Naming and describing properties by index; those that a node lacks are left out."""
        found: list[dict[str, str]] = [{} for _ in range(self.nodes.num_rows)]
        for name, column in self._property_columns():
            for own, value in zip(found, column.to_pylist(), strict=True):
                if value is not None:
                    own[name] = value
        return found

    @property
    def property_names(self) -> tuple[str, ...]:
        """The properties that were read, whether a node has them or not; sorted."""
        return _property_names(self.nodes)

    @property
    def edge_property_names(self) -> tuple[str, ...]:
        """The properties of edges that were read; sorted."""
        return _property_names(self.edges)

    def triple(self, row: Sequence[int] | IntArray) -> Triple:
        """A row of indices in words."""
        return Triple(self.ids[int(row[0])], self.relations[int(row[1])], self.ids[int(row[2])])

    def relation_counts(self) -> dict[Relation, int]:
        """How many edges each type has."""
        counts = np.bincount(self.edges["relation"].to_numpy(), minlength=len(self.relations))
        return dict(zip(self.relations, counts.tolist(), strict=True))

    def label_counts(self) -> dict[str, int]:
        """How many nodes carry each label, sorted by label."""
        flat: Any = pc.list_flatten(self.nodes["labels"])
        return dict(sorted((pair["values"], pair["counts"]) for pair in flat.value_counts().to_pylist()))

    def property_counts(self) -> dict[str, int]:
        """How many nodes have each property."""
        return {name: len(column) - column.null_count for name, column in self._property_columns()}

    def _property_columns(self) -> Iterator[tuple[str, Any]]:
        for name in self.property_names:
            yield name, self.nodes[PROPERTY + name]

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of everything but the element ids, wherever they are not the ids."""
        return content_digest(self.nodes.drop_columns(["element_id"]), self.relations, self.edges)

    def write(self, folder: Path) -> Path:
        """Writes nodes.parquet, edges.parquet and the manifest, whole or not at all. Raises StorageFailed."""

        def fill(aside: Path) -> None:
            pq.write_table(self.nodes, aside / "nodes.parquet")
            names = pa.DictionaryArray.from_arrays(
                self.edges["relation"].combine_chunks(), pa.array(self.relations, pa.string())
            )
            place = self.edges.column_names.index("relation")
            pq.write_table(self.edges.set_column(place, "relation", names), aside / "edges.parquet")

        about: dict[str, Any] = {
            **self.about,
            "format": FORMAT,
            "createdAt": datetime.now(UTC).isoformat(timespec="seconds"),
            "contentHash": self.content_hash,
            "nodes": self.nodes.num_rows,
            "edges": self.edges.num_rows,
            "triples": len(self.triples),
            "relations": list(self.relations),
        }
        return write_folder(folder, fill, about)

    @classmethod
    def read(cls, folder: Path) -> Snapshot:
        """Reads a snapshot that `write` wrote. Raises SnapshotCorrupt when a file is missing or was changed."""
        manifest = verified(folder, SnapshotCorrupt, CORRUPT_HINT)
        if manifest.get("format") != FORMAT:
            raise SnapshotCorrupt(f"{folder} has another format than {FORMAT}.", hint=CORRUPT_HINT)
        relations = tuple(manifest["relations"])
        edges = pq.read_table(folder / "edges.parquet").combine_chunks()
        place = edges.column_names.index("relation")
        names = pa.array(relations, pa.string())
        # Parquet keeps the words, and gives the numbers of its own dictionary
        numbers = pc.index_in(edges["relation"].cast(pa.string()), names).cast(pa.int32())
        edges = edges.set_column(place, EDGE_SCHEMA.field("relation"), numbers)
        return cls(pq.read_table(folder / "nodes.parquet"), relations, edges.replace_schema_metadata(), manifest)


def node_table(
    ids: Column, element_ids: Column, labels: Column, properties: Mapping[str, Iterable[str | None] | Column]
) -> pa.Table:
    """A table of nodes in the order that is given; every array and column has one entry per node."""
    columns: dict[str, Any] = {"id": ids, "element_id": element_ids, "labels": labels}
    for name in sorted(properties):
        values = properties[name]
        known = isinstance(values, pa.Array | pa.ChunkedArray)
        columns[PROPERTY + name] = values if known else pa.array(values, pa.large_string())
    return pa.table(columns)


def property_column(name: str) -> str:
    """The name of the column that holds a property."""
    return PROPERTY + name


def sorted_rows(edges: pa.Table) -> pa.Table:
    """Edges in the one order that their content gives: by head, relation, tail, then by their properties."""
    if edges.num_columns == len(EDGE_SCHEMA):  # a hundred times quicker than sorting by several columns
        keys = [edges[name].to_numpy() for name in EDGE_SCHEMA.names]
        order = _order(keys) if len(keys[0]) else np.empty(0, np.int64)
        arrays = [pa.array(column[order]) for column in keys]
        return pa.Table.from_arrays(arrays, schema=EDGE_SCHEMA)
    chosen = pc.sort_indices(edges, sort_keys=[(name, "ascending") for name in edges.column_names])
    return edges.take(chosen).combine_chunks()


def _order(keys: Sequence[npt.NDArray[np.int32]]) -> IntArray:
    """The order of rows by several columns of numbers from 0: one sort of one number per row where it fits."""
    widths = [int(column.max()) + 1 for column in keys]
    if np.prod(np.array(widths, float)) >= 2.0**62:
        return np.lexsort(tuple(reversed(keys)))
    code = keys[0].astype(np.int64)
    for column, width in zip(keys[1:], widths[1:], strict=True):
        code *= width
        code += column
    return np.argsort(code, kind="stable")


def _property_names(table: pa.Table) -> tuple[str, ...]:
    return tuple(name.removeprefix(PROPERTY) for name in table.column_names if name.startswith(PROPERTY))
