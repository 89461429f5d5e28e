"""What administrators do to what stands in the graph beside the predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from neo4j_relpred.api.workspace import Progress, Workspace, silent
from neo4j_relpred.graph.client import GraphClient
from neo4j_relpred.graph.leases import Lease, break_lease, list_leases
from neo4j_relpred.graph.migrations import Migration, migrate, pending_migrations
from neo4j_relpred.graph.privileges import grants
from neo4j_relpred.graph.purge import Purge, count_ours, purge, remove_leases
from neo4j_relpred.graph.schema import discover_schema

__all__ = ["Administration"]


@dataclass(frozen=True)
class Administration:
    """Reached as `predictor.admin`. Connects when it is asked."""

    workspace: Workspace
    client: Callable[[], GraphClient]

    def leases(self) -> list[Lease]:
        """Who may write into the database at present."""
        return list_leases(self.client())

    def break_lease(self, name: str) -> Lease:
        """Takes a lease away from its holder, whose next write is refused. Raises LeaseNotFound."""
        return break_lease(self.client(), name)

    def grants(self, reader: str, writer: str) -> list[str]:
        """Statements that give two roles what reading and writing take. Raises InvalidSettings."""
        settings, client = self.workspace.settings, self.client()
        relations = settings.publishing.relations or settings.graph.relations
        if not relations:
            relations = tuple(relation.name for relation in discover_schema(client, settings.graph).relations)
        return grants(settings.graph, sorted(relations), reader, writer)

    def pending_migrations(self) -> list[Migration]:
        """The steps that what stands in the graph still needs. Raises GraphTooNew."""
        return pending_migrations(self.client())

    def migrate(self, progress: Progress = silent) -> int:
        """Does them; how many there were. A publication does them by itself. Raises GraphTooNew, Busy."""
        with self.workspace.lease(self.client()) as fence:
            return migrate(self.client(), fence, progress=lambda about: progress(about, 0.0))

    def count_ours(self) -> Purge:
        """What `purge` would remove."""
        return count_ours(self.client(), self.workspace.settings.graph)

    def purge(self, *, accepted: bool = False, progress: Progress = silent) -> Purge:
        """Removes every predicted edge, run, decision, lease and constraint of ours; gives back what there was.

        `accepted` removes the relationships that people made by accepting, too. Files are not touched. Raises Busy.
        """
        client = self.client()
        with self.workspace.lease(client) as fence:
            found = self.count_ours()
            purge(client, found, fence, accepted=accepted, progress=lambda n, of: progress("purge", n / max(1, of)))
        remove_leases(client)
        return found
