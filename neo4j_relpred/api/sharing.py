"""What a version works out of the whole graph, kept in a folder that every process maps into its memory.

A service and a sync write it. Whoever finds it, a worker, the service after a restart or a command, has nothing to
encode and nothing to work out, and its tables are in memory once.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable

from filelock import FileLock

from neo4j_relpred import __version__
from neo4j_relpred.api.loaded import Loaded, Stamp
from neo4j_relpred.api.workspace import Workspace
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.errors import CheckpointCorrupt, StorageFailed
from neo4j_relpred.model.checkpoint import FORMAT, Checkpoint
from neo4j_relpred.model.registry import ModelVersion
from neo4j_relpred.model.shared import read_shared, write_shared
from neo4j_relpred.scoring.serving import ROOM, serve_again, symmetric_rows
from neo4j_relpred.text.processor import multiplies_int8

__all__ = ["Shared"]

DIGITS = 16  # of a digest, in the name of a folder
PATIENCE_SECONDS = 600.0  # with one that works out: it may be asleep, and then each does so for itself

log = logging.getLogger(__name__)


class Shared:
    """The folder under `home/served` of a version over a snapshot. There is none other for long."""

    def __init__(self, workspace: Workspace, version: ModelVersion, snapshot: Snapshot) -> None:
        self._workspace, self._version, self._snapshot = workspace, version, snapshot
        self._home = workspace.settings.home / "served"
        self._folder = self._home / f"{version.version}-{self._digest()[:DIGITS]}"

    def mapped(self, stamp: Stamp) -> Loaded | None:
        """What the folder holds; None where there is none, or none that can be used."""
        workspace, snapshot, graph = self._workspace, self._snapshot, self._workspace.settings.graph
        if not self._folder.is_dir():
            return None
        try:
            found = read_shared(self._folder, lambda relations: symmetric_rows(relations, graph), ROOM)
        except (CheckpointCorrupt, FileNotFoundError) as error:  # it may be removed while it is read
            log.warning("what is kept of a model cannot be used, it is worked out again: %s", error)
            return None
        poison = workspace.poison(snapshot) if found.about["poison"] else {}
        if sorted(poison) != found.about["poison"]:  # texts that can be encoded by now
            return None
        return Loaded(self._version, serve_again(found, snapshot, graph), snapshot, stamp, poison)

    def kept(self, stamp: Stamp, work_out: Callable[[], Loaded]) -> Loaded:
        """The same; where it is not there, the first that comes works it out, the others wait and map it."""
        mapped = self.mapped(stamp)
        if mapped is not None:
            return mapped
        try:
            self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(self._home / "lock", timeout=PATIENCE_SECONDS):
                mapped = self.mapped(stamp)
                if mapped is None:
                    self._write(work_out())
                    mapped = self.mapped(stamp)
        except (OSError, StorageFailed) as error:
            log.warning("every process has a copy of the model for itself: %s", error)
            mapped = None
        return mapped or work_out()

    def _write(self, loaded: Loaded) -> None:
        """Writes the folder, and removes others, whoever has them mapped. Raises StorageFailed."""
        loaded.warm()
        serving, about = loaded.serving, {"poison": sorted(loaded.poison)}
        write_shared(Checkpoint(serving.model, serving.entities, serving.relations, about), self._folder)
        for other in self._home.iterdir():
            if other.is_dir() and other != self._folder:
                shutil.rmtree(other, ignore_errors=True)

    def _digest(self) -> str:
        """Another one wherever anything differs that is in the folder."""
        graph, version = self._workspace.settings.graph, self._version
        made_of = [
            (__version__, FORMAT, multiplies_int8()),
            (version.label, version.about, self._snapshot.about.get("contentHash")),
            (graph.names, graph.texts, graph.templates, graph.symmetric),
            self._workspace.settings.text.model_dump(mode="json"),
        ]
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
