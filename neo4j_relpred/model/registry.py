"""The versions of a model on disk, and which of them is live. Tensors come in only when one is saved or loaded."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neo4j_relpred.data.folder import read_manifest, write_text
from neo4j_relpred.errors import CheckpointCorrupt, InvalidQuery, ModelNotFound, VersionNotFound
from neo4j_relpred.model.layout import DESCRIPTION, HINT

if TYPE_CHECKING:
    from neo4j_relpred.model.checkpoint import Checkpoint

__all__ = ["ModelVersion", "Registry"]

LIVE, DROPPED = "live.json", "dropped-"
MOST_BEFORE = 20  # versions that were live before, and can come back

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelVersion:
    """One trained version. about: what training recorded (report, snapshot, settings, time)."""

    name: str
    version: int
    live: bool
    about: dict[str, Any]

    @property
    def label(self) -> str:
        """Name and version in one word, as it stands on predicted edges."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Registry:
    """The folder of all versions of one model: numbered folders and live.json."""

    folder: Path
    name: str

    def versions(self) -> list[ModelVersion]:
        """Every version whose description can be read, oldest first; a damaged one is logged and left out."""
        live, found = self.live_version(), []
        for number in self._numbers():
            try:
                found.append(ModelVersion(self.name, number, number == live, self._about(number)))
            except CheckpointCorrupt as error:
                log.warning("version left out: %s", error)
        return found

    def live_version(self) -> int | None:
        """The number of the version that answers, None before the first training."""
        record = self._record()
        return None if record is None else record["version"]

    def save(self, checkpoint: Checkpoint) -> ModelVersion:
        """Writes the next version; it does not answer before it is promoted."""
        from neo4j_relpred.model.checkpoint import save_checkpoint

        dropped = (int(path.name.removeprefix(DROPPED)) for path in self.folder.glob(f"{DROPPED}*"))
        number = max([0, *self._numbers(), *dropped]) + 1
        save_checkpoint(checkpoint, self.folder / str(number))
        return ModelVersion(self.name, number, live=False, about=dict(checkpoint.about))

    def note(self, version: int, name: str, value: Any) -> None:
        """Puts a file of JSON beside a version, in its folder, which goes when the version goes."""
        write_text(self._existing(version) / f"{name}.json", json.dumps(value, ensure_ascii=False))

    def noted(self, version: int, name: str) -> Any:
        """What was put beside a version; None where nothing was, or what was is damaged."""
        try:
            return json.loads((self._existing(version) / f"{name}.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    def promote(self, version: int) -> None:
        """Makes a version the live one. Raises VersionNotFound."""
        self._existing(version)
        try:
            record = self._record() or {}
        except CheckpointCorrupt:  # this is how one gets over it
            record = {}
        live, before = record.get("version"), record.get("before", [])
        self._go_live(version, before if live in (None, version) else [*before, live])

    def rollback(self) -> int:
        """Makes the version live that was so before this one, and gives it back. Raises VersionNotFound."""
        record = self._record() or {}
        there = [one for one in record.get("before", []) if (self.folder / str(one)).is_dir()]
        if not there:
            raise VersionNotFound(
                f"No version of model {self.name!r} was live before this one.",
                hint="Choose one with `relpred model promote`.",
            )
        self._go_live(there[-1], there[:-1])
        return int(there[-1])

    def drop(self, version: int) -> None:
        """Removes a version for good. Raises VersionNotFound, InvalidQuery for the live one."""
        folder = self._existing(version)
        if version == self.live_version():
            raise InvalidQuery(
                f"Version {version} of model {self.name!r} is live.", hint="Make another one live before you drop it."
            )
        aside = folder.rename(self.folder / f"{DROPPED}{version}")  # it stays, empty: no later version has its number
        for path in aside.iterdir():
            path.unlink()

    def _go_live(self, version: int, before: Sequence[int]) -> None:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        record = {"version": version, "since": since, "before": list(before[-MOST_BEFORE:])}
        write_text(self.folder / LIVE, json.dumps(record))

    def _record(self) -> dict[str, Any] | None:
        try:
            record: dict[str, Any] = json.loads((self.folder / LIVE).read_text(encoding="utf-8"))
            record["version"] = int(record["version"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointCorrupt(
                f"{self.folder / LIVE} is damaged.", hint="Choose a version with `relpred model promote`."
            ) from error
        return record

    def load(self, version: int | None = None) -> tuple[ModelVersion, Checkpoint]:
        """The live version, or the one asked for. Raises ModelNotFound, VersionNotFound, CheckpointCorrupt."""
        from neo4j_relpred.model.checkpoint import load_checkpoint

        number = self._number(version)
        checkpoint = load_checkpoint(self._existing(number))
        return ModelVersion(self.name, number, number == self.live_version(), dict(checkpoint.about)), checkpoint

    def get(self, version: int | None = None) -> ModelVersion:
        """What was recorded of the live version, or the one asked for. Raises what `load` raises."""
        number = self._number(version)
        self._existing(number)
        return ModelVersion(self.name, number, number == self.live_version(), self._about(number))

    def _number(self, version: int | None) -> int:
        number = self.live_version() if version is None else version
        if number is None:
            raise ModelNotFound(f"No model {self.name!r} was trained yet.", hint="`relpred train` trains one.")
        return number

    def _existing(self, version: int) -> Path:
        folder = self.folder / str(version)
        if not folder.is_dir():
            known = ", ".join(map(str, self._numbers())) or "none"
            raise VersionNotFound(f"Model {self.name!r} has no version {version}.", hint=f"Known versions: {known}.")
        return folder

    def _about(self, version: int) -> dict[str, Any]:
        folder = self.folder / str(version)
        read_manifest(folder, CheckpointCorrupt, HINT)
        try:
            about: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))["about"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointCorrupt(f"{folder / DESCRIPTION} is damaged.", hint=HINT) from error
        return about

    def _numbers(self) -> list[int]:
        return sorted(int(path.name) for path in self.folder.glob("*") if path.is_dir() and path.name.isdigit())
