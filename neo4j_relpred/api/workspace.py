"""What the facade works with: snapshots, models, published sets, and the text encoder. Loads no torch by itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from filelock import FileLock, Timeout

from neo4j_relpred.config import Settings
from neo4j_relpred.data.begun import BegunTraining
from neo4j_relpred.data.kept import KeptSnapshots
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.data.published import PublishedSets
from neo4j_relpred.data.refused import RefusedEdges
from neo4j_relpred.data.rejections import KeptTriples
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.data.verbalize import display_name, verbalize
from neo4j_relpred.errors import Busy, RunNotFound, SnapshotCorrupt
from neo4j_relpred.graph.client import GraphClient
from neo4j_relpred.graph.leases import PUBLISH, Fence, held
from neo4j_relpred.model.registry import Registry
from neo4j_relpred.text.cache import CachedEncoder
from neo4j_relpred.text.encoder import Vectors, kept_exports, lazy_encoder

if TYPE_CHECKING:
    from neo4j_relpred.model.words import Words
    from neo4j_relpred.text.poison import Poison
    from neo4j_relpred.training.unfinished import Unfinished

__all__ = ["Progress", "Workspace", "silent"]

Progress = Callable[[str, float], None]
Work = Literal["training", "publishing"]


def silent(_stage: str, _share: float) -> None:
    """The progress of somebody who does not look."""


@dataclass(frozen=True)
class Workspace:
    """The folder `settings.home` and the encoder. Creates nothing before something is kept."""

    settings: Settings

    @property
    def snapshots(self) -> KeptSnapshots:
        """The snapshots read last, by this process or another one."""
        return KeptSnapshots(self.settings.home / "snapshots", self.settings.keep_snapshots, self._in_use)

    def last_look(self) -> Snapshot | None:
        """The latest snapshot; None also when it is damaged, since it is about to be replaced."""
        try:
            return self.snapshots.read() if self.snapshots.numbers() else None
        except SnapshotCorrupt:
            return None

    def _in_use(self) -> set[str]:
        """Contents of snapshots that somebody goes on from: the live set of predictions, a training."""
        live = self.sets.live(self.settings.model_name)
        begun = self.begun.read()
        used = set() if begun is None else {begun.snapshot}
        with contextlib.suppress(RunNotFound, SnapshotCorrupt):
            used |= {self.sets.about(live).get("snapshot", "")} if live else set()
        return used

    @property
    def registry(self) -> Registry:
        """The versions of the model that the settings name."""
        return Registry(self.settings.home / "models" / self.settings.model_name, self.settings.model_name)

    @property
    def unfinished(self) -> Unfinished:
        """What is kept of a training of that model which has not ended."""
        from neo4j_relpred.training.unfinished import Unfinished

        return Unfinished(self.registry.folder / "unfinished")

    @property
    def begun(self) -> BegunTraining:
        """The training that was begun and has not ended, by whatever process."""
        return BegunTraining(self.registry.folder / "begun.json")

    @property
    def sets(self) -> PublishedSets:
        """The published sets."""
        return PublishedSets(self.settings.home / "runs", self.settings.publishing.keep_sets)

    @property
    def refused(self) -> RefusedEdges:
        """Edges of the model that the database would not take."""
        return RefusedEdges(self.registry.folder / "refused.json")

    @property
    def rejections(self) -> KeptTriples:
        """The triples that people rejected, as last read from the graph."""
        return KeptTriples(self.settings.home / "rejected.json")

    @property
    def acceptances(self) -> KeptTriples:
        """The triples that people accepted, as last read from the graph."""
        return KeptTriples(self.settings.home / "accepted.json")

    @cached_property
    def encoder(self) -> CachedEncoder:
        """The text encoder behind its cache. Raises EncoderNotFound."""
        settings = self.settings
        encoder = lazy_encoder(settings.text, kept_exports(settings.home), settings.training.threads)
        return CachedEncoder(encoder, settings.home / "cache" / "text.sqlite")

    @property
    def encoded_texts(self) -> int:
        """Texts encoded so far, not counting those that the cache held."""
        return self.encoder.encoded if "encoder" in self.__dict__ else 0

    def texts(self, data: Snapshot) -> Iterator[str]:
        """The text of each node."""
        for labels, properties in zip(data.labels, data.properties(), strict=True):
            yield verbalize(labels, properties, self.settings.graph)

    def graph(self, data: Snapshot, triples: IntArray) -> KnowledgeGraph:
        """Some triples (n, 3) of a snapshot as a graph."""
        symmetric = {row for row, name in enumerate(data.relations) if name in self.settings.graph.symmetric}
        return KnowledgeGraph.of(len(data.ids), len(data.relations), triples, symmetric)

    def words(self, data: Snapshot) -> Words:
        """The words of names and texts."""
        from neo4j_relpred.model.words import Words

        names = [display_name(properties, self.settings.graph.names, "") for properties in data.properties()]
        return Words.of(names, list(self.texts(data)))

    def encode(self, data: Snapshot, progress: Progress = silent) -> Vectors:
        """(nodes, text width); no columns where there is no encoder or nothing to read."""
        texts = list(self.texts(data))
        if not self.settings.text.encoder or not any(texts):
            return np.zeros((len(texts), 0), np.float32)
        return self.encoder.encode(texts, lambda done, total: progress("encode text", done / max(1, total)))

    def poison(self, data: Snapshot) -> dict[int, Poison]:
        """Nodes, by row, whose text could not be encoded."""
        return self.encoder.poison(self.texts(data)) if self.settings.text.encoder else {}

    def lease(self, client: GraphClient, patience: float | None = None) -> AbstractContextManager[Fence]:
        """The lease of who writes into the database, by the settings; `patience` waits less long. Raises Busy."""
        seconds, longest = self.settings.publishing.lease_seconds, self.settings.graph.timeout_seconds
        return held(client, PUBLISH, seconds=seconds, patience=longest if patience is None else patience)

    @contextmanager
    def exclusive(self, work: Work = "training", patience: float | None = None) -> Iterator[None]:
        """One training at a time with this folder, and one publication; `patience` waits less long. Raises Busy.

        They may go on beside each other: a training of an hour holds up no predictions.
        """
        longest = self.settings.graph.timeout_seconds
        self.settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with FileLock(self.settings.home / f"{work}.lock", timeout=longest if patience is None else patience):
                yield
        except Timeout as error:
            raise Busy(
                f"Another process is {work} with {self.settings.home}.",
                hint="Wait for it, or give this one a home of its own.",
            ) from error
