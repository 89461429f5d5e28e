"""What several processes of a service load: one of them writes it into a folder, all map that into their memory."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from pathlib import Path

from filelock import FileLock

from neo4j_relpred import __version__
from neo4j_relpred.api.answering import Loaded, Stamp
from neo4j_relpred.api.succession import Succession, warm
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.errors import CheckpointCorrupt, StorageFailed
from neo4j_relpred.graph.live import LiveNode
from neo4j_relpred.model.checkpoint import FORMAT, Checkpoint
from neo4j_relpred.model.registry import ModelVersion
from neo4j_relpred.model.shared import read_shared, write_shared
from neo4j_relpred.scoring.serving import ROOM, Serving, serve_again, symmetric_rows
from neo4j_relpred.text.processor import multiplies_int8
from neo4j_relpred.training.cores import prepare_torch

__all__ = ["SharedSuccession"]

DIGITS = 16  # of a digest, in the name of a folder

log = logging.getLogger(__name__)


class SharedSuccession(Succession):
    """Maps the folder of the live version over the latest snapshot; writes it first where it is not there."""

    @property
    def _home(self) -> Path:
        return self._workspace.settings.home / "served"

    def _found(self, stamp: Stamp) -> Loaded:
        return self._mapped(stamp) or self._worked_out(stamp)

    def _worked_out(self, stamp: Stamp) -> Loaded:
        """By the first that comes here; the others wait for it and map what it has written."""
        try:
            self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(self._home / "lock"):
                mapped = self._mapped(stamp)
                if mapped is None:
                    self._write(super()._found(stamp))
                    mapped = self._mapped(stamp)
        except (OSError, StorageFailed) as error:
            log.warning("every worker has a copy of the model for itself: %s", error)
            mapped = None
        return mapped or super()._found(stamp)

    def _mapped(self, stamp: Stamp) -> Loaded | None:
        """None where there is no such folder, or none that can be used."""
        workspace, number = self._workspace, self._version or self._workspace.registry.live_version()
        if number is None:
            return None
        version, snapshot = workspace.registry.get(number), workspace.snapshots.read()
        folder, graph = self._folder(version, snapshot), workspace.settings.graph
        if not folder.is_dir():
            return None
        prepare_torch(workspace.settings.training)
        try:
            found = read_shared(folder, lambda relations: symmetric_rows(relations, graph), ROOM)
        except (CheckpointCorrupt, FileNotFoundError) as error:  # it may be removed while it is read
            log.warning("what workers share is written anew: %s", error)
            return None
        poison = workspace.poison(snapshot) if found.about["poison"] else {}
        if sorted(poison) != found.about["poison"]:  # texts that can be encoded by now
            return None
        return Loaded(version, serve_again(found, snapshot, graph), snapshot, stamp, poison)

    def _write(self, loaded: Loaded) -> None:
        """Writes the folder, and removes others, whoever has them mapped. Raises StorageFailed."""
        warm(loaded)
        folder, serving = self._folder(loaded.version, loaded.snapshot), loaded.serving
        about = {"poison": sorted(loaded.poison)}
        write_shared(Checkpoint(serving.model, serving.entities, serving.relations, about), folder)
        for other in self._home.iterdir():
            if other.is_dir() and other != folder:
                shutil.rmtree(other, ignore_errors=True)

    def _folder(self, version: ModelVersion, snapshot: Snapshot) -> Path:
        """Another one wherever anything differs that is in it."""
        graph = self._workspace.settings.graph
        made_of = [
            (__version__, FORMAT, multiplies_int8()),
            (version.label, version.about, snapshot.about.get("contentHash")),
            (graph.names, graph.texts, graph.templates, graph.symmetric),
            self._workspace.settings.text.model_dump(mode="json"),
        ]
        digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
        return self._home / f"{version.version}-{digest[:DIGITS]}"

    def _joined(self, serving: Serving, live: LiveNode) -> Serving:
        if serving.model.centre.shape[0]:  # opening the encoder takes longer than all that is mapped
            self._same_encoder(self.live().version)
        return super()._joined(serving, live)
