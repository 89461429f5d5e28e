"""The versions of a model: what is known of them, and what one of them would do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neo4j_relpred.api.workspace import Progress, Workspace, silent
from neo4j_relpred.errors import ModelNotFound
from neo4j_relpred.evaluation.report import Report
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.model.registry import ModelVersion

if TYPE_CHECKING:
    from neo4j_relpred.api.publishing import Rehearsal

__all__ = ["Versions"]


@dataclass(frozen=True)
class Versions:
    """Reached as `predictor.versions`. Loads a model only to let it answer."""

    workspace: Workspace
    client: Callable[[], Neo4jClient]

    def report(self, version: int | None = None) -> tuple[ModelVersion, Report]:
        """A version with its report; the live one by default. Raises ModelNotFound."""
        registry = self.workspace.registry
        number = registry.live_version() if version is None else version
        if number is None:
            raise ModelNotFound(f"No model {registry.name!r} was trained yet.", hint="`relpred train` trains one.")
        found = registry.get(number)
        return found, Report.from_json(found.about["report"])

    def rehearse(self, version: int, progress: Progress = silent) -> Rehearsal:
        """What a publication with a version would change, over the latest snapshot; writes nothing.

        Raises VersionNotFound, InvalidSettings (another encoder).
        """
        from neo4j_relpred.api.answering import Answering
        from neo4j_relpred.api.publishing import Publishing

        answering = Answering(self.workspace, self.client, version)
        return Publishing(self.workspace, answering, self.client).rehearse(progress)
