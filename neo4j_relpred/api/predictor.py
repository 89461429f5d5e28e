"""RelationPredictor: reads a graph, trains, answers, publishes, refreshes."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from neo4j_relpred.api.administration import Administration
from neo4j_relpred.api.answering import Answering
from neo4j_relpred.api.explaining import explain
from neo4j_relpred.api.finetuning import Finetuned, finetune
from neo4j_relpred.api.foresight import TrainingEstimate, training_estimate
from neo4j_relpred.api.jobs import Jobs
from neo4j_relpred.api.publishing import Consent, Publishing
from neo4j_relpred.api.reviewing import Reviewing
from neo4j_relpred.api.sampler import require_sampler
from neo4j_relpred.api.syncing import SyncReport, last_look, sync
from neo4j_relpred.api.training import evaluate_file, train
from neo4j_relpred.api.tuning import Plan, Tuning, tune
from neo4j_relpred.api.workspace import Progress, Workspace, silent
from neo4j_relpred.config import Settings
from neo4j_relpred.data.begun import Begun
from neo4j_relpred.data.explanation import Explanation
from neo4j_relpred.data.kept import KeptSnapshots
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.errors import ModelNotFound
from neo4j_relpred.evaluation.report import Report
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.daemons import DaemonBoard
from neo4j_relpred.graph.live import LiveNode
from neo4j_relpred.graph.reader import read_snapshot
from neo4j_relpred.graph.runs import Run, get_run, list_runs
from neo4j_relpred.graph.schema import GraphSchema, check_settings, discover_schema
from neo4j_relpred.graph.writer import PublicationReport
from neo4j_relpred.model.registry import ModelVersion
from neo4j_relpred.scoring.cost import Cost, cost_of
from neo4j_relpred.scoring.estimate import Estimate
from neo4j_relpred.text.cache import CachedEncoder
from neo4j_relpred.training.encoder import Method
from neo4j_relpred.triples import EntityId, Query, QuestionKind, Relation, ScoredTriple, Triple

__all__ = ["RelationPredictor"]


class RelationPredictor:
    """Reads a graph, trains, answers, publishes. Connects and loads nothing before it is needed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._workspace = Workspace(settings)
        self._answering = Answering(self._workspace, lambda: self.client)
        self._connecting = threading.Lock()

    @classmethod
    def open(cls, settings: Settings) -> RelationPredictor:
        """For `with`: closes the connection at the end."""
        return cls(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection to the graph, and stops the jobs."""
        jobs = self.__dict__.pop("jobs", None)
        if jobs is not None:
            jobs.close()
        client = self.__dict__.pop("client", None)
        if client is not None:
            client.close()

    @cached_property
    def client(self) -> Neo4jClient:
        """The connection, one for all threads. Raises GraphUnavailable, LoginRefused, DatabaseNotFound."""
        with self._connecting:
            there: Neo4jClient | None = self.__dict__.get("client")
            if there is None:
                there = self.__dict__["client"] = Neo4jClient.open(self.settings.graph)
            return there

    # reading

    def schema(self) -> GraphSchema:
        """What the graph holds."""
        return discover_schema(self.client, self.settings.graph)

    def snapshot(self, progress: Progress = silent) -> Snapshot:
        """Reads the graph and keeps it as the latest snapshot. Raises InvalidSettings, EmptyGraph."""
        needs_last = self.settings.graph.changes != "scan"
        data = self._read(progress, last_look(self._workspace) if needs_last else None)
        self._workspace.snapshots.add(data)
        return data

    def _read(self, progress: Progress, before: Snapshot | None) -> Snapshot:
        graph, schema = self.settings.graph, self.schema()
        if schema.labels:  # an empty graph is called empty, and not the settings wrong
            check_settings(schema, graph)
        data = read_snapshot(self.client, graph, lambda what, n, of: progress(f"read {what}", n / max(1, of)), before)
        self.review.keep()
        return data

    @property
    def text_cache(self) -> CachedEncoder:
        """The text encoder and the vectors that are kept. Raises EncoderNotFound."""
        return self._workspace.encoder

    @property
    def snapshots(self) -> KeptSnapshots:
        """The snapshots kept on disk."""
        return self._workspace.snapshots

    # training

    def fit(
        self,
        snapshot: Snapshot | None = None,
        progress: Progress = silent,
        *,
        go_on: bool = False,
        fresh: bool = False,
    ) -> tuple[ModelVersion, Report]:
        """Trains, evaluates and calibrates on a snapshot (a new one by default); the version saved goes live.

        `go_on` starts from the live version's weights, and goes live only if it is not worse. An interrupted training
        of the same data and settings is taken up where it was, unless `fresh`. Raises TooLittleData.
        """
        data = snapshot or self.snapshot(progress)
        with self._workspace.begun.noted(Begun(data.content_hash, {"kind": "refresh" if go_on else "retrain"})):
            return train(self._workspace, data, progress, go_on=go_on, fresh=fresh)

    def training_estimate(self, minutes: float | None = None) -> TrainingEstimate:
        """What a training on the graph as it stands would take; nodes and edges are only counted."""
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
        return evaluate_file(self._answering.live(), file)

    def tune(
        self, minutes: float, trials: int | None = None, snapshot: Snapshot | None = None, progress: Progress = silent
    ) -> Tuning:
        """Tries settings by short trainings on a snapshot: the latest one, or a new one where none is kept.

        Trains and changes no version. Raises DependencyMissing, TooLittleData, InvalidSettings.
        """
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
        return finetune(self._workspace, snapshot or self._latest(progress), folder, minutes, method, progress)

    def _latest(self, progress: Progress) -> Snapshot:
        """The latest snapshot that is kept, or a new one where none is."""
        kept = self._workspace.snapshots
        return kept.read() if kept.numbers() else self.snapshot(progress)

    # answering

    def ready(self) -> str:
        """Loads the live model where that is not done, and says which it is. Raises ModelNotFound."""
        return self._answering.live().version.label

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
        return cost_of(self._answering.live().serving, question, relation, number)

    def entities_of(self, element_ids: Sequence[str]) -> list[EntityId]:
        """The entity ids of nodes. Raises UnknownEntity."""
        return self._answering.entities_of(element_ids)

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
        settings = self.settings.publishing
        if min_probability is not None:
            settings = settings.model_copy(update={"min_probability": min_probability, "precision": None})
        if precision is not None:
            settings = settings.model_copy(update={"precision": precision})
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
    def review(self) -> Reviewing:
        """Decisions of people about what was published."""
        return Reviewing(self._workspace, lambda: self.client)

    @property
    def admin(self) -> Administration:
        """Leases, and taking everything out again."""
        return Administration(self._workspace, lambda: self.client)

    # keeping up

    def sync(self, *, publish: bool = True, progress: Progress = silent) -> SyncReport:
        """Reads what changed, encodes new texts, asks anew what that affects, and publishes the difference.

        Trains nothing. Raises ModelNotFound, and what `snapshot` and `publish` raise.
        """
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
        """Lets texts that could not be encoded be tried again by the next sync; how many there were."""
        return self._workspace.encoder.forgive() if self.settings.text.encoder else 0

    @cached_property
    def jobs(self) -> Jobs:
        """Trainings, publications and refreshes that others wait for, each in a process of its own."""
        return Jobs(self.settings)

    # models

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
        registry = self._workspace.registry
        number = registry.live_version() if version is None else version
        if number is None:
            raise ModelNotFound(f"No model {registry.name!r} was trained yet.", hint="`relpred train` trains one.")
        found = registry.get(number)
        return found, Report.from_json(found.about["report"])

    def promote(self, version: int) -> None:
        """Makes a version the live one. Raises VersionNotFound."""
        self._workspace.registry.promote(version)

    def rollback(self) -> int:
        """Makes the version live that was so before this one; its number. Raises VersionNotFound."""
        return self._workspace.registry.rollback()

    def drop(self, version: int) -> None:
        """Removes a version for good. Raises VersionNotFound, InvalidQuery for the live one."""
        self._workspace.registry.drop(version)
