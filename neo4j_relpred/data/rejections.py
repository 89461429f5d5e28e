"""The triples that people accepted or rejected, as last read: learning and answering need them without Neo4j."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neo4j_relpred.data.folder import write_text
from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.errors import SnapshotCorrupt
from neo4j_relpred.triples import EntityId, Relation, Triple

__all__ = ["KeptTriples", "rows_of"]


@dataclass(frozen=True)
class KeptTriples:
    """A file that a publication, a snapshot or a decision writes anew."""

    path: Path

    def write(self, triples: Iterable[Triple]) -> None:
        """Replaces what was kept."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        rows = [[triple.head, triple.relation, triple.tail] for triple in triples]
        write_text(self.path, json.dumps(rows, ensure_ascii=False))

    def read(self) -> tuple[Triple, ...]:
        """What was kept; nothing where nothing was. Raises SnapshotCorrupt."""
        try:
            rows = json.loads(self.path.read_text(encoding="utf-8"))
            return tuple(Triple(head, relation, tail) for head, relation, tail in rows)
        except FileNotFoundError:
            return ()
        except (ValueError, TypeError) as error:
            raise SnapshotCorrupt(
                f"{self.path} is not as it was written.", hint="Read it again with `relpred snapshot`."
            ) from error

    @property
    def stamp(self) -> int:
        """Another number whenever the file was written."""
        try:
            return self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return 0


def rows_of(triples: Iterable[Triple], entities: Mapping[EntityId, int], relations: Mapping[Relation, int]) -> IntArray:
    """(n, 3) of head, relation, tail: the triples all of whose parts are known."""
    rows = [
        (entities[t.head], relations[t.relation], entities[t.tail])
        for t in triples
        if t.head in entities and t.tail in entities and t.relation in relations
    ]
    return np.array(rows, np.int64).reshape(-1, 3)
