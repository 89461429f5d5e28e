"""The ledger of runs: one (:RelpredRun) node for each training or publication, in the graph that it changed.

A run that was killed stays in the status it had, with the time it began: that is how one sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal, LiteralString

from neo4j_relpred.errors import RunNotFound, did_you_mean
from neo4j_relpred.graph.client import GraphClient, Row, twice_if_lost
from neo4j_relpred.graph.leases import Fence, write_fenced

__all__ = [
    "Run",
    "RunStatus",
    "ensure_run_constraint",
    "fail_run",
    "finish_run",
    "forget_idle_runs",
    "get_run",
    "list_runs",
    "start_run",
]

RunStatus = Literal["publishing", "published", "failed"]
MOST_RUNS = 1_000


@dataclass(frozen=True, slots=True)
class Run:
    """What one run did. Counts are of edges; `reason` says why a run failed, by the code of its error.

    What it was made of: `version` of the model, content hash of the `snapshot`, and `settings` of publishing, as JSON.
    """

    id: str
    kind: str
    model: str
    status: RunStatus = "publishing"
    started_at: datetime | None = None
    finished_at: datetime | None = None
    created: int = 0
    updated: int = 0
    removed: int = 0
    unchanged: int = 0
    target_hash: str = ""
    target_edges: int = 0
    reason: str = ""
    version: str = ""
    snapshot: str = ""
    settings: str = ""

    @property
    def open(self) -> bool:
        """Whether it has not ended: it is going on now, or was killed."""
        return self.status == "publishing"


def ensure_run_constraint(client: GraphClient) -> None:
    """Makes run ids unique. Raises what `client.schema` raises."""
    client.schema("CREATE CONSTRAINT relpred_run_id IF NOT EXISTS FOR (run:RelpredRun) REQUIRE run.id IS UNIQUE")


def start_run(client: GraphClient, run: Run, fence: Fence | None = None) -> None:
    """Records that a run begins, by the clock of the database. A run of the same id begins anew.

    Raises what `write_fenced` raises.
    """
    _record(
        client,
        fence,
        "MERGE (run:RelpredRun {id: $id}) "
        "SET run.kind = $kind, run.model = $model, run.status = 'publishing', run.startedAt = datetime(), "
        "run.targetHash = $target_hash, run.targetEdges = $target_edges, run.version = $version, "
        "run.snapshot = $snapshot, run.settings = $settings "
        "REMOVE run.finishedAt, run.created, run.updated, run.removed, run.unchanged, run.reason RETURN run.id AS id",
        id=run.id,
        kind=run.kind,
        model=run.model,
        target_hash=run.target_hash,
        target_edges=run.target_edges,
        version=run.version,
        snapshot=run.snapshot,
        settings=run.settings,
    )


def finish_run(client: GraphClient, run: Run, fence: Fence | None = None) -> None:
    """Records that a run has ended well, with its counts. Raises what `write_fenced` raises."""
    _record(
        client,
        fence,
        "MATCH (run:RelpredRun {id: $id}) SET run.status = 'published', run.finishedAt = datetime(), "
        "run.created = $created, run.updated = $updated, run.removed = $removed, run.unchanged = $unchanged "
        "RETURN run.id AS id",
        id=run.id,
        created=run.created,
        updated=run.updated,
        removed=run.removed,
        unchanged=run.unchanged,
    )


def fail_run(client: GraphClient, run_id: str, reason: str) -> None:
    """Records that a run has ended badly. `reason` is the code of an error, never text of the data.

    No fence: who has lost the lease says so as well. Raises what `client.write` raises.
    """
    _record(
        client,
        None,
        "MATCH (run:RelpredRun {id: $id}) SET run.status = 'failed', run.finishedAt = datetime(), run.reason = $reason",
        id=run_id,
        reason=reason,
    )


def forget_idle_runs(client: GraphClient, keep: int, fence: Fence | None = None) -> None:
    """Takes the oldest runs out of the ledger that found nothing to change: a daemon makes hundreds of them in a day.

    No edge says that it is of such a run, and the others are kept. Raises what `write_fenced` raises.
    """
    _record(
        client,
        fence,
        "OPTIONAL MATCH (run:RelpredRun {status: 'published'}) WHERE run.created + run.updated + run.removed = 0 "
        "WITH run ORDER BY run.startedAt DESC, run.id WITH $fence AS fence, collect(run) AS runs "
        "FOREACH (run IN runs[$keep..] | DELETE run) RETURN fence",
        keep=keep,
    )


def list_runs(client: GraphClient, *, most: int = MOST_RUNS) -> list[Run]:
    """The latest runs, the newest first. Raises what `client.read` raises."""
    rows = client.read(
        "MATCH (run:RelpredRun) RETURN properties(run) AS run ORDER BY run.startedAt DESC, run.id LIMIT $most",
        most=most,
    )
    return [_run(row["run"]) for row in rows]


def get_run(client: GraphClient, run_id: str) -> Run:
    """One run. Raises RunNotFound, with the nearest ids, and what `client.read` raises."""
    rows = client.read("MATCH (run:RelpredRun {id: $id}) RETURN properties(run) AS run", id=run_id)
    if not rows:
        known = [run.id for run in list_runs(client)]
        raise RunNotFound(f"There is no run {run_id!r}.", hint=did_you_mean(run_id, known) or "Nothing has run yet.")
    return _run(rows[0]["run"])


def _record(client: GraphClient, fence: Fence | None, statement: LiteralString, **values: str | int) -> None:
    """Says the same however often it is said, so a lost commit is no loss."""
    twice_if_lost(partial(write_fenced, client, fence, statement, None, **values))


def _run(found: Row) -> Run:
    return Run(
        id=found["id"],
        kind=found.get("kind", ""),
        model=found.get("model", ""),
        status=found.get("status", "failed"),
        started_at=_native(found, "startedAt"),
        finished_at=_native(found, "finishedAt"),
        created=found.get("created", 0),
        updated=found.get("updated", 0),
        removed=found.get("removed", 0),
        unchanged=found.get("unchanged", 0),
        target_hash=found.get("targetHash", ""),
        target_edges=found.get("targetEdges", 0),
        reason=found.get("reason", ""),
        version=found.get("version", ""),
        snapshot=found.get("snapshot", ""),
        settings=found.get("settings", ""),
    )


def _native(found: Row, name: str) -> datetime | None:
    value = found.get(name)
    if value is None:
        return None
    native: datetime = value.to_native()
    return native
