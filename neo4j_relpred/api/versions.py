"""The versions of a model: what is known of them, and what one of them would do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neo4j_relpred.api.workspace import Progress, Workspace, silent
from neo4j_relpred.data.profile import Shift, probabilities_of, profile_of, shift_of
from neo4j_relpred.errors import ModelNotFound
from neo4j_relpred.evaluation.report import Report
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.model.layout import CURVES, FIRST_SET
from neo4j_relpred.model.registry import ModelVersion

if TYPE_CHECKING:
    from neo4j_relpred.api.publishing import Rehearsal

__all__ = ["Drift", "Versions"]


@dataclass(frozen=True)
class Drift:
    """What moved since a version was trained; notes: what could not be compared, and why."""

    version: str
    trained_at: str
    rows: tuple[Shift, ...]
    notes: tuple[str, ...]


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

    def drift(self, version: int | None = None) -> Drift:
        """How the latest snapshot differs from what a version learnt from, and its last published set from its first.

        The live version by default. Asks no model. Raises ModelNotFound, VersionNotFound, SnapshotCorrupt.
        """
        found = self.report(version)[0]
        before, snapshot = found.about.get("profile"), self.workspace.snapshots.read()
        rows, notes = [], []
        if before is None:
            notes.append(
                f"{found.label} was trained before profiles were kept: only its published set can be compared."
            )
        else:
            now = profile_of(snapshot, list(self.workspace.texts(snapshot)))
            known = [name for name in now if sum(before.get(name, {}).values()) and sum(now[name].values())]
            rows += [shift_of(name, before[name], now[name]) for name in known]
        published = self._published(found)
        if isinstance(published, str):
            notes.append(published)
        else:
            rows.append(published)
        return Drift(found.label, found.about["trainedAt"], tuple(rows), tuple(notes))

    def _published(self, found: ModelVersion) -> Shift | str:
        """How the probabilities moved from the first to the last set of a version, or why that cannot be told."""
        first, sets = self.workspace.registry.noted(found.version, FIRST_SET), self.workspace.sets
        run = sets.live(found.name)
        if first is None or run is None:
            return f"{found.label} has published no set yet."
        about = sets.about(run)
        if about.get("version") != found.label or run == first["run"]:
            return f"{found.label} has published one set so far, or another one published last."
        if about.get("asked") != first["asked"]:
            return f"{found.label} published first and last by other settings: their probabilities are not compared."
        return shift_of(
            "published probability", first["probabilities"], probabilities_of(e.probability for e in sets.read(run))
        )

    def curves(self, version: int) -> dict[str, list[list[float]]]:
        """Losses of a training, [epoch, seconds, loss] by stage; older versions have none. Raises VersionNotFound."""
        return self.workspace.registry.noted(version, CURVES) or {}

    def rehearse(self, version: int, progress: Progress = silent) -> Rehearsal:
        """What a publication with a version would change, over the latest snapshot; writes nothing.

        Raises VersionNotFound, InvalidSettings (another encoder).
        """
        from neo4j_relpred.api.answering import Answering
        from neo4j_relpred.api.publishing import Publishing

        answering = Answering(self.workspace, self.client, version)
        return Publishing(self.workspace, answering, self.client).rehearse(progress)
