"""How a daemon is, in one flat record: a file that it writes beside its models, and a node that it keeps in the graph.

The file answers at once, whatever the database is busy with; the node is there for everybody else, and outlives both.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from neo4j_relpred.data.folder import write_text

__all__ = ["BEAT_SECONDS", "STANDING_BY", "STOPPED", "DaemonState", "problem_of", "read_state", "write_state"]

FILE, STANDBY_FILE = "daemon.json", "standby.json"  # two daemons may share a home, of which one leads
STANDING_BY, STOPPED = "standing by", "stopped"
BEAT_SECONDS = 10.0
LATE_SECONDS = 6 * BEAT_SECONDS
MANY_FAILURES = 3


@dataclass(frozen=True)
class DaemonState:
    """Codes, counts and times (ISO 8601 with offset), and no data of the graph.

    state: waiting, syncing, paused, standing by or stopped. moved_at: the last sign that work goes on; a daemon that
    beats and no longer moves is stuck. current_to: everything that was committed before has been looked at and
    answered for. training: what a training is at, if there is one. leader: who leads while this one stands by.
    pending: heads that the last sync had no time to ask about; failing: nodes and edges that it left out.
    """

    model: str
    host: str
    pid: int
    state: str
    started_at: str
    beat_at: str
    moved_at: str
    stuck_seconds: float = 1800.0
    leader: str | None = None
    paused_by: str | None = None
    training: str | None = None
    training_share: float = 0.0
    live: str | None = None
    current_to: str | None = None
    pending: int = 0
    failing: int = 0
    synced_at: str | None = None
    sync_seconds: float = 0.0
    changed_nodes: int = 0
    changed_edges: int = 0
    encoded_texts: int = 0
    created: int = 0
    updated: int = 0
    removed: int = 0
    refreshed_at: str | None = None
    retrained_at: str | None = None
    training_result: str | None = None
    error_at: str | None = None
    error_in: str | None = None
    error_code: str | None = None
    error_hint: str | None = None
    failures_in_a_row: int = 0
    failures: int = 0
    next_sync: str | None = None
    next_refresh: str | None = None
    next_retrain: str | None = None

    def lag_seconds(self, now: datetime | None = None) -> float | None:
        """How old a change may be that predictions do not show yet; None before the first sync."""
        return None if self.current_to is None else max(0.0, _age(self.current_to, now))

    def stuck(self, now: datetime | None = None) -> bool:
        """Whether nothing has moved for long, though it may beat."""
        return _age(self.moved_at, now) > self.stuck_seconds

    def problem(self, now: datetime | None = None) -> str | None:
        """What is wrong with it; None when it is well. Tells one that is stuck from one that is busy."""
        if self.state == STOPPED:
            return f"The daemon has stopped. {self._told()}".strip()
        if _age(self.beat_at, now) > LATE_SECONDS:
            return f"The daemon has said nothing for {_age(self.beat_at, now):.0f} seconds."
        if self.stuck(now):
            return f"The daemon is stuck ({self.state}): nothing has moved for {_age(self.moved_at, now):.0f} seconds."
        if self.failures_in_a_row >= MANY_FAILURES:
            return f"The last {self.failures_in_a_row} tries failed. {self._told()}".strip()
        return None

    def _told(self) -> str:
        return f"{self.error_code}: {self.error_hint}" if self.error_code else ""


def write_state(home: Path, state: DaemonState) -> None:
    """Replaces the file as a whole. Raises OSError."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    standing_by = state.state == STANDING_BY
    write_text(home / (STANDBY_FILE if standing_by else FILE), json.dumps(asdict(state), indent=2) + "\n")
    if not standing_by and (other := _read(home / STANDBY_FILE)) and other.pid == state.pid:
        (home / STANDBY_FILE).unlink(missing_ok=True)


def read_state(home: Path) -> DaemonState | None:
    """What the daemon of this home said last: the one that leads, rather than one that stands by.

    None when none ever ran here, or the files are not of its kind.
    """
    leading, waiting = _read(home / FILE), _read(home / STANDBY_FILE)
    if leading is None or waiting is None:
        return leading or waiting
    return waiting if leading.problem() and waiting.beat_at > leading.beat_at else leading


def problem_of(home: Path, now: datetime | None = None) -> str | None:
    """What is wrong with the daemon of this home; None when it is well."""
    state = read_state(home)
    return f"No daemon has run here: there is no readable {home / FILE}." if state is None else state.problem(now)


def _read(file: Path) -> DaemonState | None:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        return DaemonState(**{field.name: told[field.name] for field in fields(DaemonState) if field.name in told})
    except (OSError, ValueError, TypeError):
        return None


def _age(time: str, now: datetime | None) -> float:
    return ((now or datetime.now(UTC)) - datetime.fromisoformat(time)).total_seconds()
