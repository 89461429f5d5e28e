"""A target set: the predicted edges that a publication is to leave in the graph, kept on disk with a manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from neo4j_relpred.data.folder import verified, write_folder
from neo4j_relpred.errors import SnapshotCorrupt
from neo4j_relpred.triples import EntityId, Evidence, Relation, ScoredTriple, Triple, edge_key

__all__ = ["TargetEdge", "TargetSet"]

FIELDS: list[tuple[str, pa.DataType]] = [
    ("key", pa.string()),
    ("head", pa.string()),
    ("relation", pa.string()),
    ("tail", pa.string()),
    ("score", pa.float64()),
    ("probability", pa.float64()),
    ("rank", pa.int64()),
    ("model", pa.string()),
    ("run", pa.string()),
    ("evidence", pa.string()),
]
SCHEMA = pa.schema(FIELDS)
HASHED_AT_ONCE = 10_000
CORRUPT_HINT = "Publish again: `relpred publish` makes a new set."


@dataclass(frozen=True, slots=True)
class TargetEdge:
    """One predicted edge. `relation` is the predicted type without the prefix; `run` wrote these values."""

    key: str
    head: EntityId
    relation: Relation
    tail: EntityId
    score: float
    probability: float
    rank: int
    model: str
    run: str
    evidence: str

    @classmethod
    def of(cls, scored: ScoredTriple, model: str, run: str) -> TargetEdge:
        """The edge that states a scored triple."""
        h, r, t = scored.triple.head, scored.triple.relation, scored.triple.tail
        values = (scored.score, scored.probability, scored.rank)
        return cls(edge_key(h, r, t), h, r, t, *values, model, run, scored.evidence.summary)

    @property
    def triple(self) -> Triple:
        """What it states."""
        return Triple(self.head, self.relation, self.tail)

    @property
    def scored(self) -> ScoredTriple:
        """The scored triple that it was made of, of whose evidence only the words are kept."""
        return ScoredTriple(self.triple, self.score, self.probability, self.rank, Evidence(self.evidence))


@dataclass(frozen=True)
class TargetSet:
    """Edges sorted by relation, head and tail, at most one for each triple."""

    edges: tuple[TargetEdge, ...]

    @classmethod
    def of(cls, edges: Iterable[TargetEdge]) -> TargetSet:
        """Sorts the edges and leaves out repetitions of a key (the first one stays)."""
        unique: dict[str, TargetEdge] = {}
        for edge in edges:
            unique.setdefault(edge.key, edge)
        return cls(tuple(sorted(unique.values(), key=lambda e: (e.relation, e.head, e.tail))))

    def __len__(self) -> int:
        return len(self.edges)

    def __iter__(self) -> Iterator[TargetEdge]:
        return iter(self.edges)

    @property
    def relations(self) -> tuple[Relation, ...]:
        """The types that the set holds edges of, sorted."""
        return tuple(sorted({edge.relation for edge in self.edges}))

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over the keys and what is said of each."""
        digest = hashlib.sha256()
        said = ((e.key, e.score, e.probability, e.rank, e.model, e.evidence) for e in self.edges)
        while part := list(islice(said, HASHED_AT_ONCE)):
            digest.update(repr(part).encode())
        return digest.hexdigest()

    def write(self, folder: Path, about: dict[str, Any]) -> Path:
        """Writes edges.parquet and the manifest (with `about`), whole or not at all."""
        columns = {name: [getattr(edge, name) for edge in self.edges] for name in SCHEMA.names}
        table = pa.table(columns, schema=SCHEMA)

        def fill(aside: Path) -> None:
            pq.write_table(table, aside / "edges.parquet")

        return write_folder(folder, fill, {**about, "edges": len(self), "contentHash": self.content_hash})

    @classmethod
    def read(cls, folder: Path) -> TargetSet:
        """Reads what `write` wrote. Raises SnapshotCorrupt when a file is missing or was changed."""
        verified(folder, SnapshotCorrupt, CORRUPT_HINT)
        rows = pq.read_table(folder / "edges.parquet", schema=SCHEMA).to_pylist()
        return cls(tuple(TargetEdge(**row) for row in rows))
