"""The published sets kept on disk, so that a publication can be taken back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from neo4j_relpred.data.folder import read_manifest, write_text
from neo4j_relpred.data.target_set import CORRUPT_HINT, TargetSet
from neo4j_relpred.errors import RunNotFound, SnapshotCorrupt

__all__ = ["PublishedSets"]

LIVE = "live.json"


@dataclass(frozen=True)
class PublishedSets:
    """Folders named by run; live.json names the run whose set each model last published."""

    folder: Path
    keep: int

    def add(self, run: str, target: TargetSet, model: str, about: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Keeps the set of a run that is about to be published, and what there is to say about it."""
        target.write(self.folder / run, {**about, "run": run, "model": model, "previous": self.live(model)})

    def settle(self, run: str, model: str) -> None:
        """Records that the set of a run stands in the graph now, and forgets the oldest ones."""
        write_text(self.folder / LIVE, json.dumps({**self._all_live(), model: run}))
        kept = sorted((path for path in self.folder.iterdir() if _is_set(path)), key=lambda path: path.stat().st_mtime)
        for path in kept[: -self.keep]:
            shutil.rmtree(path)

    def live(self, model: str) -> str | None:
        """The run whose set the model last published."""
        return self._all_live().get(model)

    def before(self, run: str) -> TargetSet:
        """What stood in the graph before a run: the set of the run before it, or nothing. Raises RunNotFound."""
        previous = self.about(run)["previous"]
        if previous is None:
            return TargetSet(())
        if not (self.folder / previous).is_dir():
            raise RunNotFound(
                f"The set that stood before run {run} is no longer kept.",
                hint="publishing.keep_sets says how many are; publish again instead.",
            )
        return TargetSet.read(self.folder / previous)

    def read(self, run: str) -> TargetSet:
        """The set of a run. Raises RunNotFound."""
        self.about(run)
        return TargetSet.read(self.folder / run)

    def about(self, run: str) -> dict[str, Any]:
        """What was said about the set of a run. Raises RunNotFound, SnapshotCorrupt."""
        known = sorted(path.name for path in self.folder.glob("*") if _is_set(path))
        if run not in known:
            shown = ", ".join(known) or "none"
            raise RunNotFound(f"There is no run {run!r} on this machine.", hint=f"Kept runs: {shown}.")
        return read_manifest(self.folder / run, SnapshotCorrupt, CORRUPT_HINT)

    def _all_live(self) -> dict[str, str]:
        try:
            live: dict[str, str] = json.loads((self.folder / LIVE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return live


def _is_set(path: Path) -> bool:
    """A folder of a run; hidden ones are what a kill left of writing one."""
    return path.is_dir() and not path.name.startswith(".")
