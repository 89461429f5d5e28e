"""A look at the graph: what changed is read, brought into vectors and predictions, and what is gone leaves both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from neo4j_relpred.api.answering import Answering
from neo4j_relpred.api.loaded import Loaded
from neo4j_relpred.api.publishing import Consent, Publishing
from neo4j_relpred.api.workspace import Progress, Workspace
from neo4j_relpred.data.changes import Changes, compare
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.graph.daemons import Failure
from neo4j_relpred.graph.writer import PublicationReport
from neo4j_relpred.text.poison import Poison
from neo4j_relpred.triples import EntityId

__all__ = ["SyncReport", "sync"]


@dataclass(frozen=True)
class SyncReport:
    """What a sync found and did. pending: heads that it had no time to ask about, which the next one does first."""

    changed_nodes: int
    changed_edges: int
    encoded_texts: int
    forgotten_texts: int
    pending: int
    failing: tuple[Failure, ...]
    model: str
    publication: PublicationReport | None
    seconds: float


def sync(
    workspace: Workspace,
    answering: Answering,
    publishing: Publishing,
    read: Callable[[Snapshot | None], Snapshot],
    publish: bool,
    progress: Progress,
) -> SyncReport:
    """See RelationPredictor.sync. read: takes the snapshot before this one, and gives what the graph holds now."""
    started, encoded = time.monotonic(), workspace.encoded_texts
    before = workspace.last_look()
    now = read(before)
    changes = compare(before, now)
    if before is None or changes or before.element_ids != now.element_ids or not _told_alike(before, now):
        workspace.snapshots.add(now)
    loaded, report = _live(workspace, answering), None
    if publish:
        settings = workspace.settings.publishing.model_copy(update={"only_changed": True})
        report = publishing.publish(settings, Consent(), progress=progress, patient=True)
    refused = () if report is None else report.refused
    return SyncReport(
        changed_nodes=changes.nodes,
        changed_edges=changes.edges,
        encoded_texts=workspace.encoded_texts - encoded,
        forgotten_texts=_forget(workspace, before, now, changes),
        pending=publishing.pending(),
        failing=(
            *(_failure(now.ids[row], poison) for row, poison in loaded.poison.items()),
            *(Failure(one.name, "publish", one.error, one.tries, one.again_at) for one in refused),
        ),
        model=loaded.version.label,
        publication=report,
        seconds=time.monotonic() - started,
    )


def _failure(node: EntityId, poison: Poison) -> Failure:
    again = poison.again_at.isoformat(timespec="seconds") if poison.again_at else None
    return Failure(node, "encode", poison.error, poison.tries, again)


def _told_alike(before: Snapshot, now: Snapshot) -> bool:
    return all(before.about.get(name) == value for name, value in now.about.items())


def _live(workspace: Workspace, answering: Answering) -> Loaded:
    """The live model; with vectors of texts that could not be encoded and are to be tried again now.

    A service will need what is worked out for it.
    """
    loaded = answering.live(keep=True)
    if loaded.poison and workspace.encoder.worth_a_try(_texts_of(workspace, loaded.snapshot, loaded.poison)):
        answering.forget()
        loaded = answering.live(keep=True)
    return loaded


def _forget(workspace: Workspace, before: Snapshot | None, now: Snapshot, changes: Changes) -> int:
    """Drops the vectors of texts that no node carries any more; how many there were."""
    if before is None or not workspace.settings.text.encoder or not (changes.gone or changes.text):
        return 0
    rows: Mapping[str, int] = before.index
    old = _texts_of(workspace, before, (rows[node] for node in (*changes.gone, *changes.text)))
    return workspace.encoder.forget(old - set(workspace.texts(now)))


def _texts_of(workspace: Workspace, data: Snapshot, rows: Iterable[int]) -> set[str]:
    wanted = set(rows)
    return {text for row, text in enumerate(workspace.texts(data)) if row in wanted}
