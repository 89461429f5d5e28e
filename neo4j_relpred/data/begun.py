"""Which training was begun: a kill leaves the note behind, and who comes next can go on with the very same data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from neo4j_relpred.data.folder import write_text

__all__ = ["Begun", "BegunTraining"]


@dataclass(frozen=True)
class Begun:
    """A training that was begun: the content hash of its snapshot, and how it was asked for."""

    snapshot: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class BegunTraining:
    """The file that says so."""

    file: Path

    @contextmanager
    def noted(self, begun: Begun) -> Iterator[None]:
        """The note stands while the training runs. It stays when that was killed, and not when it failed."""
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_text(self.file, json.dumps(asdict(begun)))
        try:
            yield
        except Exception:
            self.file.unlink(missing_ok=True)
            raise
        self.file.unlink(missing_ok=True)

    def read(self) -> Begun | None:
        """What the note says; None where nothing was begun, or nobody can read what."""
        try:
            return Begun(**json.loads(self.file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
