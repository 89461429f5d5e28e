"""A version that can answer: the model over a snapshot, and what goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.model.registry import ModelVersion
from neo4j_relpred.scoring.scorer import Scorer
from neo4j_relpred.scoring.serving import Serving
from neo4j_relpred.text.poison import Poison
from neo4j_relpred.triples import Query

__all__ = ["Loaded", "Stamp"]

Stamp = tuple[int | None, int | None]


@dataclass(frozen=True)
class Loaded:
    """A version, ready to answer over a snapshot; `stamp` tells when either is another one.

    poison: rows of the snapshot whose text could not be encoded. workers: threads that may ask at once.
    """

    version: ModelVersion
    serving: Serving
    snapshot: Snapshot
    stamp: Stamp
    poison: Mapping[int, Poison] = field(default_factory=dict)
    workers: int = 1

    def warm(self) -> None:
        """Lets it work out what questions share: the first one would wait for it."""
        query = Query(head=self.snapshot.ids[0], relation=self.serving.relations[0])
        Scorer(self.serving).predict([query], 1)
