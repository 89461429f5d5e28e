"""A snapshot: what was read from the graph, as Parquet with a manifest.

Rows are sorted by content, so the same data gives the same files and the same hash whatever the order of reading.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from neo4j_relpred.data.folder import verified, write_folder
from neo4j_relpred.errors import SnapshotCorrupt
from neo4j_relpred.triples import EntityId, Relation, Triple

__all__ = ["Node", "Snapshot"]

FORMAT = 1
IntArray = npt.NDArray[np.int64]
NODE_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("element_id", pa.string()),
        ("labels", pa.list_(pa.string())),
        ("properties", pa.map_(pa.string(), pa.string())),
    ]
)
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
    """Nodes (table of NODE_SCHEMA, sorted by id), relationship types (sorted), triples as rows of indices.

    triples: (edges, 3) of head, relation, tail; sorted, without repetition.
    """

    nodes: pa.Table
    relations: tuple[Relation, ...]
    triples: IntArray

    @classmethod
    def of(cls, nodes: Iterable[Node], triples: Iterable[Triple]) -> Snapshot:
        """A snapshot of rows in memory; triples whose ends are not among the nodes are an error (KeyError)."""
        ordered = sorted(nodes, key=lambda node: node.id)
        rows = [(n.id, n.element_id, sorted(n.labels), sorted(n.properties.items())) for n in ordered]
        table = pa.Table.from_arrays(
            [pa.array(column, field.type) for column, field in zip(_columns(rows), NODE_SCHEMA, strict=True)],
            schema=NODE_SCHEMA,
        )
        index = {node.id: row for row, node in enumerate(ordered)}
        facts = list(triples)
        relations = tuple(sorted({fact.relation for fact in facts}))
        position = {relation: row for row, relation in enumerate(relations)}
        array = np.array([(index[f.head], position[f.relation], index[f.tail]) for f in facts], np.int64)
        return cls(table, relations, np.unique(array.reshape(-1, 3), axis=0))

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
        """Labels by index."""
        return [tuple(labels) for labels in cast("list[list[str]]", self.nodes["labels"].to_pylist())]

    @cached_property
    def index(self) -> dict[EntityId, int]:
        """Index by entity id."""
        return {entity: row for row, entity in enumerate(self.ids)}

    @cached_property
    def relation_index(self) -> dict[Relation, int]:
        """Index by relationship type."""
        return {relation: row for row, relation in enumerate(self.relations)}

    def properties(self) -> list[dict[str, str]]:
        """Naming and describing properties by index."""
        return [dict(pairs) for pairs in cast("list[list[tuple[str, str]]]", self.nodes["properties"].to_pylist())]

    def triple(self, row: Sequence[int] | IntArray) -> Triple:
        """A row of indices in words."""
        return Triple(self.ids[int(row[0])], self.relations[int(row[1])], self.ids[int(row[2])])

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of everything but the element ids."""
        digest = hashlib.sha256()
        content = self.nodes.drop_columns(["element_id"]).combine_chunks()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, content.schema) as writer:
            writer.write_table(content)
        digest.update(sink.getvalue())
        digest.update("\0".join(self.relations).encode())
        digest.update(np.ascontiguousarray(self.triples).tobytes())
        return digest.hexdigest()

    def write(self, folder: Path) -> Path:
        """Writes nodes.parquet, edges.parquet and the manifest, whole or not at all."""

        def fill(aside: Path) -> None:
            pq.write_table(self.nodes, aside / "nodes.parquet")
            relation = pa.DictionaryArray.from_arrays(
                pa.array(self.triples[:, 1], pa.int32()), pa.array(self.relations, pa.string())
            )
            edges = pa.table({"head": self.triples[:, 0], "relation": relation, "tail": self.triples[:, 2]})
            pq.write_table(edges, aside / "edges.parquet")

        about: dict[str, Any] = {
            "format": FORMAT,
            "createdAt": datetime.now(UTC).isoformat(timespec="seconds"),
            "contentHash": self.content_hash,
            "nodes": self.nodes.num_rows,
            "edges": len(self.triples),
            "relations": list(self.relations),
        }
        return write_folder(folder, fill, about)

    @classmethod
    def read(cls, folder: Path) -> Snapshot:
        """Reads a snapshot that `write` wrote. Raises SnapshotCorrupt when a file is missing or was changed."""
        manifest = verified(folder, SnapshotCorrupt, CORRUPT_HINT)
        if manifest.get("format") != FORMAT:
            raise SnapshotCorrupt(f"{folder} has another format than {FORMAT}.", hint=CORRUPT_HINT)
        edges = pq.read_table(folder / "edges.parquet").combine_chunks()
        relations = tuple(manifest["relations"])
        position = {relation: row for row, relation in enumerate(relations)}
        names = edges["relation"].cast(pa.string()).to_pylist()
        columns = [edges["head"].to_numpy(), np.array([position[n] for n in names], np.int64), edges["tail"].to_numpy()]
        triples = np.stack(columns, axis=1) if names else np.empty((0, 3), np.int64)
        return cls(pq.read_table(folder / "nodes.parquet").cast(NODE_SCHEMA), relations, triples)


def _columns(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in NODE_SCHEMA]
