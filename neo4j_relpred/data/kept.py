"""The snapshots kept on disk: numbered folders, the highest number is the latest. Older ones make way."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from pathlib import Path

from filelock import FileLock, Timeout

from neo4j_relpred.data.folder import MANIFEST, read_manifest
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.errors import Busy, SnapshotCorrupt

__all__ = ["KeptSnapshots"]

LOCK_SECONDS = 60.0  # writing the largest snapshots takes some seconds


class KeptSnapshots:
    """Snapshots in `folder`, `keep` of them at most, and those `in_use`. Several processes may add to it."""

    def __init__(self, folder: Path, keep: int, in_use: Callable[[], Collection[str]] = tuple) -> None:
        """in_use: content hashes of snapshots that stay however old they are."""
        self.folder, self._keep, self._in_use = folder, keep, in_use

    def numbers(self) -> list[int]:
        """The numbers of the snapshots that are there, oldest first."""
        found = self.folder.glob(f"*/{MANIFEST}") if self.folder.is_dir() else ()
        return sorted(int(path.parent.name) for path in found if path.parent.name.isdecimal())

    @property
    def stamp(self) -> int | None:
        """Another number whenever a snapshot was added; None before the first."""
        return max(self.numbers(), default=None)

    def add(self, snapshot: Snapshot) -> int:
        """Keeps it as the latest one. Raises StorageFailed, and Busy while another process is at it for long."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with FileLock(self.folder / "lock", timeout=LOCK_SECONDS):
                number = (self.stamp or 0) + 1
                snapshot.write(self._place(number))
                used = self._in_use()
                for old in self.numbers()[: -self._keep]:
                    if not self._holds_one_of(old, used):
                        shutil.rmtree(self._place(old), ignore_errors=True)
        except Timeout as error:
            raise Busy(f"Another process is writing to {self.folder}.", hint="Try again in a moment.") from error
        return number

    def read(self, number: int | None = None) -> Snapshot:
        """A snapshot, the latest by default. Raises SnapshotCorrupt when there is none or it was damaged."""
        return Snapshot.read(self._known(number))

    def holding(self, content_hash: str) -> Snapshot | None:
        """The latest snapshot with this content; None where none is kept. Raises SnapshotCorrupt."""
        for number in reversed(self.numbers()):
            if self._content(number) == content_hash:
                return self.read(number)
        return None

    def _holds_one_of(self, number: int, contents: Collection[str]) -> bool:
        try:
            return self._content(number) in contents
        except SnapshotCorrupt:  # nobody can use it
            return False

    def _content(self, number: int) -> str:
        hint = "Take another one with `relpred snapshot`."
        return str(read_manifest(self._place(number), SnapshotCorrupt, hint).get("contentHash", ""))

    def _known(self, number: int | None) -> Path:
        numbers = self.numbers()
        if not numbers:
            raise SnapshotCorrupt(f"{self.folder} holds no snapshot.", hint="Take one with `relpred snapshot`.")
        if number is not None and number not in numbers:
            known = ", ".join(map(str, numbers))
            raise SnapshotCorrupt(f"There is no snapshot {number}.", hint=f"There are {known}.")
        return self._place(numbers[-1] if number is None else number)

    def _place(self, number: int) -> Path:
        return self.folder / f"{number:06d}"
