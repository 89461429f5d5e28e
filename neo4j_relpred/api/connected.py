"""What the facade is opened with: settings, the folder, the connection to the graph, and reading it."""

from __future__ import annotations

import threading
from functools import cached_property
from types import TracebackType
from typing import Self

from neo4j_relpred.api.reviewing import Reviewing
from neo4j_relpred.api.workspace import Progress, Workspace, silent
from neo4j_relpred.config import Settings
from neo4j_relpred.data.kept import KeptSnapshots
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.reader import read_snapshot
from neo4j_relpred.graph.schema import GraphSchema, check_settings, discover_schema
from neo4j_relpred.text.cache import CachedEncoder

__all__ = ["Connected"]


class Connected:
    """Connects when that is needed, once, and closes at the end of `with`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._workspace = Workspace(settings)
        self._connecting = threading.Lock()

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """For `with`: closes the connection at the end."""
        return cls(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection to the graph."""
        client = self.__dict__.pop("client", None)
        if client is not None:
            client.close()

    @cached_property
    def client(self) -> Neo4jClient:
        """The connection, one for all threads. Raises GraphUnavailable, LoginRefused, DatabaseNotFound."""
        with self._connecting:
            there: Neo4jClient | None = self.__dict__.get("client")
            if there is None:
                there = self.__dict__["client"] = Neo4jClient.open(self.settings.graph)
            return there

    def schema(self) -> GraphSchema:
        """What the graph holds."""
        return discover_schema(self.client, self.settings.graph)

    def snapshot(self, progress: Progress = silent) -> Snapshot:
        """Reads the graph and keeps it as the latest snapshot. Raises InvalidSettings, EmptyGraph."""
        needs_last = self.settings.graph.changes != "scan"
        data = self._read(progress, self._workspace.last_look() if needs_last else None)
        self._workspace.snapshots.add(data)
        return data

    def _read(self, progress: Progress, before: Snapshot | None) -> Snapshot:
        graph, schema = self.settings.graph, self.schema()
        if schema.labels:  # an empty graph is called empty, and not the settings wrong
            check_settings(schema, graph)
        data = read_snapshot(self.client, graph, lambda what, n, of: progress(f"read {what}", n / max(1, of)), before)
        self.review.keep()
        return data

    @property
    def text_cache(self) -> CachedEncoder:
        """The text encoder and the vectors that are kept. Raises EncoderNotFound."""
        return self._workspace.encoder

    @property
    def snapshots(self) -> KeptSnapshots:
        """The snapshots kept on disk."""
        return self._workspace.snapshots

    def _latest(self, progress: Progress) -> Snapshot:
        """The latest snapshot that is kept, or a new one where none is."""
        kept = self._workspace.snapshots
        return kept.read() if kept.numbers() else self.snapshot(progress)

    @property
    def review(self) -> Reviewing:
        """Decisions of people about what was published."""
        return Reviewing(self._workspace, lambda: self.client)
