"""The file in which the daemon says how it is: read by `relpred doctor`, and by the health check of a container."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from neo4j_relpred.data.folder import write_text

__all__ = ["BEAT_SECONDS", "FILE", "Heartbeat", "problem_of", "read_heartbeat", "write_heartbeat"]

FILE = "daemon.json"
BEAT_SECONDS = 30.0
LATE_SECONDS = 4 * BEAT_SECONDS
MANY_FAILURES = 3


@dataclass(frozen=True)
class Heartbeat:
    """How the daemon is. Times are ISO 8601 with offset; there are codes and counts here, and no data of the graph."""

    pid: int
    state: str  # waiting, working or stopped
    started_at: str
    beat_at: str
    job: str | None = None
    last_refresh: Mapping[str, Any] | None = None
    last_error: Mapping[str, str] | None = None
    failures_in_a_row: int = 0
    failures: int = 0
    next_runs: Mapping[str, str | None] = field(default_factory=dict)

    def age_seconds(self, now: datetime | None = None) -> float:
        """Since the last beat."""
        return ((now or datetime.now(UTC)) - datetime.fromisoformat(self.beat_at)).total_seconds()


def write_heartbeat(home: Path, beat: Heartbeat) -> None:
    """Replaces the file as a whole. Raises OSError."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_text(home / FILE, json.dumps(asdict(beat), indent=2) + "\n")


def read_heartbeat(home: Path) -> Heartbeat | None:
    """What the daemon said last; None when it never ran here or the file is not one of its own."""
    try:
        return Heartbeat(**json.loads((home / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def problem_of(home: Path, now: datetime | None = None) -> str | None:
    """What is wrong with the daemon of this home; None when it is well."""
    beat = read_heartbeat(home)
    if beat is None:
        return f"No daemon has run here: there is no readable {home / FILE}."
    if beat.state == "stopped":
        return f"The daemon has stopped. {_told(beat)}".strip()
    if beat.age_seconds(now) > LATE_SECONDS:
        return f"The daemon has said nothing for {beat.age_seconds(now):.0f} seconds."
    if beat.failures_in_a_row >= MANY_FAILURES:
        return f"The last {beat.failures_in_a_row} refreshes failed. {_told(beat)}".strip()
    return None


def _told(beat: Heartbeat) -> str:
    return f"{beat.last_error['code']}: {beat.last_error['hint']}" if beat.last_error else ""
