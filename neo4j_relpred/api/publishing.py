"""Publishing as a whole: what is scored, which set comes of it, and how the set gets into the graph and out again."""

from __future__ import annotations

import logging
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from neo4j_relpred.api.answering import Answering
from neo4j_relpred.api.loaded import Loaded
from neo4j_relpred.api.reviewing import Reviewing
from neo4j_relpred.api.workspace import Progress, Workspace, silent
from neo4j_relpred.config import PublishingSettings
from neo4j_relpred.data.candidates import read_candidates
from neo4j_relpred.data.changes import compare
from neo4j_relpred.data.profile import probabilities_of
from neo4j_relpred.data.target_set import TargetEdge, TargetSet
from neo4j_relpred.errors import PublicationStopped, RunNotFound, SnapshotCorrupt
from neo4j_relpred.graph.chosen import chosen_triples
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.difference import difference
from neo4j_relpred.graph.migrations import migrate
from neo4j_relpred.graph.predicted import PredictedType
from neo4j_relpred.graph.runs import list_runs
from neo4j_relpred.graph.writer import PublicationPlan, PublicationReport, model_name_of, publish
from neo4j_relpred.model.layout import FIRST_SET
from neo4j_relpred.scoring.affected import Heads
from neo4j_relpred.scoring.estimate import Estimate
from neo4j_relpred.scoring.limits import least_probability, limit
from neo4j_relpred.scoring.scorer import Scorer
from neo4j_relpred.triples import Relation, Triple

__all__ = ["Consent", "Publishing", "Rehearsal", "as_wished"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Consent:
    """What a person allows a publication to do."""

    dry_run: bool = False
    confirm_shrink: bool = False
    take_over: bool = False


@dataclass(frozen=True)
class Rehearsal:
    """What a sweep would do to the predicted edges in the graph, whichever version wrote them.

    changed: of another probability (beyond publishing.tolerance) or rank.
    """

    version: str
    created: int
    changed: int
    removed: int
    unchanged: int

    def share(self, number: int) -> float:
        """Of the edges that stand there before or after."""
        return number / max(1, self.created + self.changed + self.removed + self.unchanged)


@dataclass(frozen=True)
class Publishing:
    """Reached as `predictor.publishing`. Connects when it is asked."""

    workspace: Workspace
    answering: Answering
    client: Callable[[], Neo4jClient]

    def candidates(self, file: Path | None = None, query: str | None = None) -> list[Triple]:
        """Triples that a person wants to have judged: of a file, or of a Cypher query that returns them.

        Raises InvalidQuery, InvalidSettings, and what `client.read` raises.
        """
        found = [] if file is None else read_candidates(file)
        return (
            found if query is None else [*found, *chosen_triples(self.client(), self.workspace.settings.graph, query)]
        )

    def estimate(self) -> Estimate:
        """What a sweep would ask, and how long that takes. Raises ModelNotFound."""
        settings, loaded = self.workspace.settings.publishing, self.answering.live()
        return self.answering.scorer().estimate(settings.relations or loaded.serving.relations, settings)

    def publish(
        self,
        settings: PublishingSettings,
        consent: Consent,
        candidates: Sequence[Triple] | None = None,
        progress: Progress = silent,
        *,
        patient: bool = False,
    ) -> PublicationReport:
        """Sweeps, or judges the candidates, and leaves exactly what comes of it in the graph.

        `patient` leaves edges alone that the database refused lately, until their time has come.

        Raises PublicationStopped, Busy, RowRefused, and for candidates UnknownEntity and UnknownRelation.
        """
        loaded, run = self.answering.live(), _new_run()
        Reviewing(self.workspace, self.client).keep()
        sweep, about = candidates is None, dict[str, Any]()
        if candidates is None:
            relations = settings.relations or loaded.serving.relations
            edges, about = self._swept(relations, settings, run, progress)
        else:
            relations = tuple(sorted({triple.relation for triple in candidates}))
            edges = self._judged(candidates, settings, run)
        target = TargetSet.of(edges)
        plan = replace(
            self._plan(run, target, relations, progress, orphans=sweep),
            version=loaded.version.label,
            snapshot=loaded.snapshot.content_hash,
            settings=settings.model_dump_json(),
            waiting=self.workspace.refused.waiting(target) if patient else {},
            **vars(consent),
        )
        if sweep:
            report = self._carry_out(target, plan, target, about)
            if not plan.dry_run:
                self._remember(loaded, target, run, settings)
            return report
        others = (edge for edge in self._last_set() if edge.relation not in relations)  # they stay, and are kept along
        return self._carry_out(target, plan, TargetSet.of([*target, *others]))

    def pending(self) -> int:
        """Heads that the last sweep of what changed had no time to ask about."""
        return len({head for heads in self._last_about().get("pending", {}).values() for head in heads})

    def _last_about(self) -> dict[str, Any]:
        """What was said about the set that we published last; nothing where that is no longer kept whole."""
        sets = self.workspace.sets
        run = sets.live(self.workspace.settings.model_name)
        try:
            return {} if run is None else sets.about(run)
        except (RunNotFound, SnapshotCorrupt):
            return {}

    def _remember(self, loaded: Loaded, target: TargetSet, run: str, settings: PublishingSettings) -> None:
        """Keeps how probable a version's first set was, for `model drift`."""
        registry, version = self.workspace.registry, loaded.version.version
        if len(target) and registry.noted(version, FIRST_SET) is None:
            counts = probabilities_of(edge.probability for edge in target)
            registry.note(version, FIRST_SET, {"run": run, "probabilities": counts, "asked": _asked(settings)})

    def rehearse(self, progress: Progress = silent) -> Rehearsal:
        """Sweeps, compares what comes of it with the graph, and writes nothing."""
        settings, loaded = self.workspace.settings, self.answering.live()
        relations = settings.publishing.relations or loaded.serving.relations
        edges, _ = self._swept(relations, settings.publishing, _new_run(), progress)
        target = TargetSet.of(edges)
        label, owned = loaded.version.label, set(relations)
        types = (PredictedType(self.client(), settings.graph.prefix, one) for one in owned | self._orphans(owned))
        # another label alone would make every edge another one
        pages = (page._replace(models=[label] * len(page.keys)) for one in types for page in one.present())
        found = difference(pages, target, settings.publishing.tolerance)
        return Rehearsal(label, len(found.new), len(found.changed), len(found.gone), found.unchanged)

    def undo(
        self, run: str, progress: Progress = silent, *, dry_run: bool = False, patience: float | None = None
    ) -> PublicationReport:
        """Puts back what stood in the graph before a run; itself a publication that can be undone.

        `patience` waits less long for who publishes just now than the settings do. Raises RunNotFound, Busy.
        """
        before, after = self.workspace.sets.before(run), self.workspace.sets.read(run)
        plan = self._plan(_new_run(), before, after.relations, progress)
        plan = replace(plan, kind="undo", dry_run=dry_run, confirm_shrink=True)
        return self._carry_out(before, plan, before, patience=patience)

    def _swept(
        self, relations: Sequence[Relation], settings: PublishingSettings, run: str, progress: Progress
    ) -> tuple[list[TargetEdge], dict[str, Any]]:
        """The edges, and what to say of the set: where the next sweep of what changed goes on from."""
        loaded, scorer = self.answering.live(), self.answering.scorer()
        label, told = loaded.version.label, partial(_told, progress)
        basis = self._basis(settings, loaded)
        heads = self._affected(scorer, relations, settings, basis) if settings.only_changed else None
        swept = scorer.sweep(relations, settings, told, heads=heads)
        if heads is None:
            return [TargetEdge.of(triple, label, run) for triple in swept.triples], basis
        asked = {relation: names - swept.left.get(relation, frozenset()) for relation, names in heads.items()}
        alive = {entity for row, entity in enumerate(loaded.serving.entities) if loaded.serving.alive[row]}
        stay = [e for e in self._last_set() if e.head not in asked.get(e.relation, ()) and {e.head, e.tail} <= alive]
        new = set(scorer.new(edge.triple for edge in stay))
        kept = {edge.key: edge for edge in stay if edge.triple in new}
        both = limit([*swept.triples, *(edge.scored for edge in kept.values())], settings, scorer.symmetric).triples
        number = len(frozenset().union(*asked.values()))
        log.info("asked about %s nodes; %s edges of others stay", f"{number:,}", f"{len(kept):,}")
        edges = [TargetEdge.of(triple, label, run) for triple in both]
        pending = {relation: sorted(names) for relation, names in swept.left.items() if names}
        return [kept.get(edge.key, edge) for edge in edges], {**basis, "pending": pending}

    def _judged(self, candidates: Sequence[Triple], settings: PublishingSettings, run: str) -> list[TargetEdge]:
        label, scorer = self.answering.live().version.label, self._scorer_of(candidates)
        new = scorer.new(dict.fromkeys(candidates))
        if len(new) < len(candidates):
            log.warning("%s candidates are given twice, or are relationships already", len(candidates) - len(new))
        least = least_probability(settings)
        found = [scored for scored in scorer.score(new) if scored.probability >= least]
        return [TargetEdge.of(scored, label, run) for scored in limit(found, settings, scorer.symmetric).triples]

    def _scorer_of(self, candidates: Sequence[Triple]) -> Scorer:
        return self.answering.scorer(end for triple in candidates for end in (triple.head, triple.tail))

    def _basis(self, settings: PublishingSettings, loaded: Loaded) -> dict[str, Any]:
        """What a set of a sweep was made of: where it is the same, unchanged nodes need not be asked again."""
        return {
            "snapshot": loaded.snapshot.content_hash,
            "version": loaded.version.label,
            "asked": _asked(settings),
            "withoutVector": sorted(self.answering.poisoned()),
        }

    def _affected(
        self, scorer: Scorer, relations: Sequence[Relation], settings: PublishingSettings, now: Mapping[str, Any]
    ) -> Heads | None:
        """What to ask since the last sweep; None where that cannot be told, so that all have to be asked."""
        about = self._last_about()
        before = self.workspace.snapshots.holding(about.get("snapshot", ""))
        if before is None or any(about.get(name) != now[name] for name in ("version", "asked")):
            log.info("all nodes are asked: the last set is of another model, other settings, or an older snapshot")
            return None
        changes = compare(before, self.answering.live().snapshot)
        text = {*changes.new, *changes.text, *({*about.get("withoutVector", ())} ^ {*now["withoutVector"]})}
        found = scorer.affected(relations, {*text, *changes.neighborhood}, text, least_probability(settings))
        pending = about.get("pending", {})
        return {relation: names | frozenset(pending.get(relation, ())) for relation, names in found.items()}

    def _plan(
        self, run: str, target: TargetSet, relations: Iterable[Relation], progress: Progress, *, orphans: bool = True
    ) -> PublicationPlan:
        owned, settings = {*relations, *target.relations}, self.workspace.settings
        return PublicationPlan(
            graph=settings.graph,
            publishing=settings.publishing,
            run=run,
            model=settings.model_name,
            relations=tuple(sorted(owned | (self._orphans(owned) if orphans else set()))),
            progress=lambda what, n, of: progress(f"write {what}", n / max(1, of)),
        )

    def _orphans(self, wanted: Set[Relation]) -> set[Relation]:
        """Types that we published last and publish no more: nobody else would take their edges away."""
        last = self._last_set().relations
        return {relation for relation in last if relation not in wanted and self._ours(relation)}

    def _last_set(self) -> TargetSet:
        """What we published last; nothing where that is no longer kept whole: a new set is how one gets over that."""
        sets = self.workspace.sets
        run = sets.live(self.workspace.settings.model_name)
        try:
            return TargetSet(()) if run is None else sets.read(run)
        except (RunNotFound, SnapshotCorrupt):
            return TargetSet(())

    def _ours(self, relation: Relation) -> bool:
        """Whether no other model took the type over meanwhile."""
        settings = self.workspace.settings
        pages = PredictedType(self.client(), settings.graph.prefix, relation).present()
        return all(model_name_of(model) == settings.model_name for page in pages for model in set(page.models))

    def _carry_out(
        self,
        target: TargetSet,
        plan: PublicationPlan,
        whole: TargetSet,
        about: Mapping[str, Any] = MappingProxyType({}),
        patience: float | None = None,
    ) -> PublicationReport:
        """The set is kept before it is published, so that a kill half-way can be undone as well.

        whole: all edges of ours that stand in the graph afterwards, those that this publication leaves alone too.
        """
        client, sets = self.client(), self.workspace.sets  # who cannot connect leaves no set behind
        if plan.dry_run:
            return publish(client, target, plan)
        with self.workspace.exclusive("publishing", patience), self.workspace.lease(client, patience) as fence:
            migrate(client, fence)
            sets.add(plan.run, whole, plan.model, about)
            try:
                report = publish(client, target, replace(plan, fence=fence))
            except PublicationStopped:
                if plan.run not in {run.id for run in list_runs(client)}:  # a guard stopped it before it began
                    shutil.rmtree(sets.folder / plan.run)
                raise
            sets.settle(plan.run, plan.model)
            return replace(report, refused=self.workspace.refused.settle(plan.relations, report.refused))


def _asked(settings: PublishingSettings) -> dict[str, Any]:
    """What of the settings decides which edges a sweep finds."""
    return settings.model_dump(include={"relations", "min_probability", "precision", "top_k"}, mode="json")


def as_wished(
    settings: PublishingSettings, min_probability: float | None, precision: float | None
) -> PublishingSettings:
    """The settings with one of two bounds over them."""
    if precision is not None:
        return settings.model_copy(update={"precision": precision})
    if min_probability is not None:
        return settings.model_copy(update={"min_probability": min_probability, "precision": None})
    return settings


def _told(progress: Progress, done: int, total: int) -> None:
    progress("score", done / max(1, total))


def _new_run() -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
