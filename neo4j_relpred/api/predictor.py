"""RelationPredictor: reads a graph, trains, answers, publishes, refreshes.

What learns or answers is imported where it is needed: looking at versions, runs and decisions loads no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from neo4j_relpred.api.administration import Administration
from neo4j_relpred.api.connected import Connected
from neo4j_relpred.api.jobs import Jobs
from neo4j_relpred.api.versions import Versions
from neo4j_relpred.api.workspace import Progress, silent
from neo4j_relpred.data.begun import Begun
from neo4j_relpred.data.explanation import Explanation
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.evaluation.report import Report
from neo4j_relpred.graph.daemons import DaemonBoard
from neo4j_relpred.graph.live import LiveNode, Seen
from neo4j_relpred.graph.runs import Run, get_run, list_runs
from neo4j_relpred.graph.writer import PublicationReport
from neo4j_relpred.model.registry import ModelVersion
from neo4j_relpred.scoring.estimate import Estimate
from neo4j_relpred.triples import EntityId, Query, QuestionKind, Relation, ScoredTriple, Triple

if TYPE_CHECKING:
    from neo4j_relpred.api.answering import Answering
    from neo4j_relpred.api.finetuning import Finetuned
    from neo4j_relpred.api.foresight import TrainingEstimate
    from neo4j_relpred.api.publishing import Publishing
    from neo4j_relpred.api.syncing import SyncReport
    from neo4j_relpred.api.tuning import Tuning
    from neo4j_relpred.scoring.cost import Cost
    from neo4j_relpred.training.encoder import Method

__all__ = ["RelationPredictor"]

_NOTHING: Mapping[str, Seen] = MappingProxyType({})


class RelationPredictor(Connected):
    """Reads a graph, trains, answers, publishes. Connects and loads nothing before it is needed."""

    def close(self) -> None:
        """Closes the connection to the graph, and stops the jobs."""
        jobs = self.__dict__.pop("jobs", None)
        if jobs is not None:
            jobs.close()
        super().close()

    # training

    def fit(
        self,
        snapshot: Snapshot | None = None,
        progress: Progress = silent,
        *,
        go_on: bool = False,
        fresh: bool = False,
        gate: bool = False,
    ) -> tuple[ModelVersion, Report]:
        """Trains, evaluates and calibrates on a snapshot (a new one by default); the version saved goes live.

        `go_on` starts from the live version's weights. With `gate` a version that is worse than the live one stays a
        candidate. An interrupted training of the same data and settings is taken up where it was, unless `fresh`.
        Raises TooLittleData.
        """
        from neo4j_relpred.api.training import train

        data = snapshot or self.snapshot(progress)
        with self._workspace.begun.noted(Begun(data.content_hash, {"kind": "refresh" if go_on else "retrain"})):
            return train(self._workspace, data, progress, go_on=go_on, fresh=fresh, gate=gate)

    def training_estimate(self, minutes: float | None = None) -> TrainingEstimate:
        """What a training on the graph as it stands would take; nodes and edges are only counted."""
        from neo4j_relpred.api.foresight import training_estimate

        return training_estimate(self._workspace, self.client, minutes)

    def begun(self) -> Begun | None:
        """The training that was begun last and has neither ended nor failed: it runs, or was killed."""
        return self._workspace.begun.read()

    def begun_snapshot(self) -> Snapshot | None:
        """The snapshot of that training, where it is still kept."""
        begun = self.begun()
        return None if begun is None else self._workspace.snapshots.holding(begun.snapshot)

    def evaluate(self, file: Path) -> Report:
        """The live model on the triples of a file (head, relation, tail by key) that the graph does not hold."""
        from neo4j_relpred.api.training import evaluate_file

        return evaluate_file(self._answering.live(), file)

    def tune(
        self, minutes: float, trials: int | None = None, snapshot: Snapshot | None = None, progress: Progress = silent
    ) -> Tuning:
        """Tries settings by short trainings on a snapshot: the latest one, or a new one where none is kept.

        Trains and changes no version. Raises DependencyMissing, TooLittleData, InvalidSettings.
        """
        from neo4j_relpred.api.sampler import require_sampler
        from neo4j_relpred.api.tuning import Plan, tune

        require_sampler()
        plan = Plan.of(minutes, trials)
        return tune(self._workspace, snapshot or self._latest(progress), plan, progress)

    def finetune(
        self,
        folder: Path,
        minutes: float,
        method: Method = "full",
        snapshot: Snapshot | None = None,
        progress: Progress = silent,
    ) -> Finetuned:
        """Tunes the text encoder to the edges of a snapshot, the latest one or a new one, and writes it to a folder.

        Trains and changes no version: `text.encoder` names the folder in the next training. Raises InvalidSettings,
        TooLittleData, DependencyMissing, EncoderNotFound, StorageFailed.
        """
        from neo4j_relpred.api.finetuning import finetune

        return finetune(self._workspace, snapshot or self._latest(progress), folder, minutes, method, progress)

    # answering

    @cached_property
    def _answering(self) -> Answering:
        """One for all threads."""
        from neo4j_relpred.api.answering import Answering

        answering: Answering = self.__dict__.setdefault("_answering", Answering(self._workspace, lambda: self.client))
        return answering

    def ready(self) -> str:
        """Loads the live model where that is not done, and says which answers. Raises ModelNotFound."""
        return self._answering.ready().version.label

    @property
    def model(self) -> str:
        """Name and version of what answers until `ready` is called again. Raises ModelNotFound."""
        return self._answering.live().version.label

    def keep_answering(self) -> None:
        """For a service: another version is loaded beside the one that answers, which does so until that is ready.

        `ready` looks for it, and raises why it cannot be loaded. Several processes have one copy of it in memory.
        """
        from neo4j_relpred.api.succession import Succession

        self._answering = Succession(self._workspace, lambda: self.client)

    def look_ahead(self) -> bool:
        """For a service with nothing to do: works out a little that coming questions need; False when all is there."""
        return self._answering.look_ahead()

    def predict(self, query: Query, top_k: int = 10, min_probability: float = 0.0) -> list[ScoredTriple]:
        """The most probable answers that the graph does not hold, best first.

        A node that is newer than the snapshot is read from the graph as it stands now. Raises UnknownEntity,
        UnknownRelation, ModelNotFound.
        """
        return self.predict_each([query], top_k, min_probability)[0]

    def predict_each(
        self,
        queries: Sequence[Query],
        top_k: int = 10,
        min_probability: float = 0.0,
        given: Sequence[LiveNode] = (),
    ) -> list[list[ScoredTriple]]:
        """`predict` for many queries, in the order given; far faster than one after the other.

        given: nodes that the graph does not show yet, see `described`.
        """
        ends = (end for one in queries for end in (one.head, one.tail) if end is not None)
        return self._answering.scorer(ends, given).predict(queries, top_k, min_probability)

    def described(
        self,
        element_id: str,
        labels: Sequence[str],
        properties: Mapping[str, Any],
        edges: Sequence[tuple[Literal["out", "in"], Relation, str]] = (),
    ) -> LiveNode:
        """A node that a transaction has made and not committed, as that transaction sees it.

        edges: direction, type and element id of the other node. Raises UnknownEntity.
        """
        return self._answering.described(element_id, labels, properties, edges)

    def score(self, triples: Sequence[Triple]) -> list[ScoredTriple]:
        """Each triple with its probability at the base rate, whether the graph holds it or not."""
        return self._answering.scorer(end for t in triples for end in (t.head, t.tail)).score(triples)

    def explain(self, triple: Triple) -> Explanation:
        """Why `score` judges a triple as it does: the share of each kind of evidence, and the rules that fired.

        The triple itself is taken out of the graph before. Raises UnknownEntity, UnknownRelation, ModelNotFound.
        """
        from neo4j_relpred.api.explaining import explain

        return explain(self._answering, triple)

    def audit(
        self, relations: Sequence[Relation] = (), most: int = 20, minutes: float = 1.0, progress: Progress = silent
    ) -> list[ScoredTriple]:
        """Relationships of the graph, of some types or all, that look least probable: what may be wrong in it.

        Raises UnknownRelation, ModelNotFound.
        """
        scorer = self._answering.scorer()
        every = relations or self._answering.live().serving.relations
        return scorer.audit(every, most, minutes, lambda n, of: progress("audit", n / max(1, of)))

    def cost(self, question: QuestionKind, relation: Relation | None, number: int) -> Cost:
        """What so many questions would take, asking none. Raises UnknownRelation, ModelNotFound."""
        from neo4j_relpred.scoring.cost import cost_of

        return cost_of(self._answering.live().serving, question, relation, number)

    def entities_of(self, element_ids: Sequence[str], seen: Mapping[str, Seen] = _NOTHING) -> list[EntityId]:
        """The entity ids of nodes. seen: labels and key properties of some, by element id. Raises UnknownEntity."""
        return self._answering.entities_of(element_ids, seen)

    def element_id_of(self, entity: EntityId) -> str:
        """The element id of an entity. Raises UnknownEntity."""
        return self._answering.element_id_of(entity)

    def predicted_type(self, relation: Relation) -> str:
        """The type of the edges that state predictions of a type."""
        return self.settings.graph.prefix + relation

    def name_of(self, entity: EntityId) -> str:
        """What a person calls an entity."""
        serving = self._answering.live().serving
        row = serving.rows.get(entity)
        return serving.names[row] if row is not None else entity

    # publishing

    @property
    def publishing(self) -> Publishing:
        """What can be published, and how that is carried out and taken back."""
        from neo4j_relpred.api.publishing import Publishing

        return Publishing(self._workspace, self._answering, lambda: self.client)

    def publish(
        self,
        progress: Progress = silent,
        *,
        candidates: Sequence[Triple] | None = None,
        min_probability: float | None = None,
        precision: float | None = None,
        dry_run: bool = False,
        confirm_shrink: bool = False,
        take_over: bool = False,
    ) -> PublicationReport:
        """Leaves in the graph exactly the predicted edges of a sweep, or of `candidates` where they are given.

        `precision` instead of `min_probability` publishes what is expected to hold that often, type by type. Of types
        that no candidate has, nothing is changed. Raises PublicationStopped, Busy, UnknownEntity, UnknownRelation.
        """
        from neo4j_relpred.api.publishing import Consent, as_wished

        settings = as_wished(self.settings.publishing, min_probability, precision)
        consent = Consent(dry_run, confirm_shrink, take_over)
        return self.publishing.publish(settings, consent, candidates, progress)

    def estimate(self) -> Estimate:
        """What a sweep for publishing would ask, and how long that takes. Raises ModelNotFound."""
        return self.publishing.estimate()

    def undo(
        self, run: str, progress: Progress = silent, *, dry_run: bool = False, patience: float | None = None
    ) -> PublicationReport:
        """Puts back what stood in the graph before a run; itself a publication that can be undone.

        `patience` waits less long for who publishes just now than the settings do. Raises RunNotFound, Busy.
        """
        return self.publishing.undo(run, progress, dry_run=dry_run, patience=patience)

    def runs(self) -> list[Run]:
        """The ledger of runs in the graph, newest first."""
        return list(list_runs(self.client))

    def run(self, run: str) -> Run:
        """One run of the ledger. Raises RunNotFound."""
        return get_run(self.client, run)

    @property
    def admin(self) -> Administration:
        """Leases, and taking everything out again."""
        return Administration(self._workspace, lambda: self.client)

    # keeping up

    def sync(self, *, publish: bool = True, progress: Progress = silent) -> SyncReport:
        """Reads what changed, encodes new texts, asks anew what that affects, and publishes the difference.

        Trains nothing. Raises ModelNotFound, and what `snapshot` and `publish` raise.
        """
        from neo4j_relpred.api.syncing import sync

        return sync(
            self._workspace,
            self._answering,
            self.publishing,
            lambda before: self._read(progress, before),
            publish,
            progress,
        )

    @property
    def daemons(self) -> DaemonBoard:
        """What daemons of this model say of themselves in the graph, and what they are told there."""
        return DaemonBoard(lambda: self.client, self.settings.model_name)

    def retry_failed(self) -> int:
        """Lets what failed, texts and edges, be tried again by the next sync; how many there were."""
        texts = self._workspace.encoder.forgive() if self.settings.text.encoder else 0
        return texts + self._workspace.refused.forgive()

    @cached_property
    def jobs(self) -> Jobs:
        """Trainings, publications and refreshes that others wait for, each in a process of its own."""
        return Jobs(self.settings)

    # models

    @property
    def versions(self) -> Versions:
        """What is known of versions, and what one of them would do."""
        return Versions(self._workspace, lambda: self.client)

    def models(self) -> list[ModelVersion]:
        """All versions of the model that the settings name, oldest first."""
        return self._workspace.registry.versions()

    def live_model(self) -> str | None:
        """Name and version of the live one; None before the first training. Loads nothing."""
        registry = self._workspace.registry
        version = registry.live_version()
        return None if version is None else f"{registry.name}@{version}"

    def report(self, version: int | None = None) -> tuple[ModelVersion, Report]:
        """A version with its report; the live one by default. Raises ModelNotFound."""
        return self.versions.report(version)

    def promote(self, version: int) -> None:
        """Makes a version the live one. Raises VersionNotFound."""
        self._workspace.registry.promote(version)

    def rollback(self) -> int:
        """Makes the version live that was so before this one; its number. Raises VersionNotFound."""
        return self._workspace.registry.rollback()

    def drop(self, version: int) -> None:
        """Removes a version for good. Raises VersionNotFound, InvalidQuery for the live one."""
        self._workspace.registry.drop(version)
