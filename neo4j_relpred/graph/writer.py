"""Publication by difference: leaves in the graph the predicted edges of a target set, and touches nothing else.

There is no record of progress to trust. Whoever comes after a kill takes the difference again, and what was done is no
longer in it. First all upserts, then all removals: a reader never meets an empty answer where both sets have one.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import TypeVar

from neo4j_relpred.config import GraphSettings, PublishingSettings
from neo4j_relpred.data.refused import RefusedEdge
from neo4j_relpred.data.target_set import TargetEdge, TargetSet
from neo4j_relpred.errors import GraphQueryFailed, PublicationStopped, RelpredError
from neo4j_relpred.graph.ahead import ahead
from neo4j_relpred.graph.batches import REFUSED, WAITING, Batches, LeftOut, count_states
from neo4j_relpred.graph.client import GraphClient
from neo4j_relpred.graph.decisions import AMBIGUOUS, MISSING, decided_keys
from neo4j_relpred.graph.difference import Difference, difference
from neo4j_relpred.graph.failures import CommitLost, ConstraintBroken
from neo4j_relpred.graph.identity import Identity, KnownNodes
from neo4j_relpred.graph.leases import Fence, require_held
from neo4j_relpred.graph.locks import AroundLocks
from neo4j_relpred.graph.predicted import PredictedType, Stamp
from neo4j_relpred.graph.runs import Run, ensure_run_constraint, fail_run, finish_run, forget_idle_runs, start_run
from neo4j_relpred.triples import Relation

__all__ = ["PublicationPlan", "PublicationReport", "model_name_of", "publish"]

T = TypeVar("T")
BOUND_AT_ONCE = 4_000  # edges; nothing is written while the nodes of the first ones are looked up
LOOKS = 2  # types that the server looks at at a time
ATTEMPTS = 3  # after a lost commit, or when somebody else changed nodes or edges meanwhile
DECIDED = "decided by a person"
_Look = Mapping[Relation, Difference]  # the graph as it was found

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PublicationPlan:
    """How a target set is to be published.

    `relations` are the types that this publication owns: their edges are removed even when the target has none of
    them. `model` is the name of the line of models; edges may carry a version behind it ("default@3"). `version`,
    `snapshot` and `settings` are for the ledger (see Run). `waiting` are edges, by key, that the database refused
    lately and that are not to be tried now.
    """

    graph: GraphSettings
    publishing: PublishingSettings
    run: str
    model: str
    relations: tuple[Relation, ...] = ()
    kind: str = "publish"
    version: str = ""
    snapshot: str = ""
    settings: str = ""
    dry_run: bool = False
    confirm_shrink: bool = False
    take_over: bool = False
    fence: Fence | None = None
    progress: Callable[[str, int, int], None] | None = None
    waiting: Mapping[str, RefusedEdge] = field(default_factory=dict)


@dataclass(frozen=True)
class PublicationReport:
    """What a publication did, or would do when it is a dry run. `skipped` counts edges by the reason.

    `refused`: which ones the database would not take, now or lately. A dry run cannot know.
    """

    run: str
    created: int
    updated: int
    removed: int
    unchanged: int
    skipped: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    dry_run: bool = False
    refused: tuple[RefusedEdge, ...] = ()


def publish(client: GraphClient, target: TargetSet, plan: PublicationPlan) -> PublicationReport:
    """Makes the predicted edges of the owned types those of the target set. Writes no edge when they are already.

    Raises PublicationStopped before anything is changed: when a type belongs to another model, when the set is much
    smaller than what is there; and later, when the lease is lost or the counts do not come out right. Raises RowRefused
    when the database refuses very many edges, or, before any is removed, so many that too few would stand. Raises what
    the client raises; the run is then marked failed, what was written stays valid, and publishing again completes it.
    """
    return _Publication(client, target, plan).carry_out()


def model_name_of(model: str) -> str:
    """The name of the line of models in the `model` of an edge: what stands before a version."""
    match = re.match(r"[a-z0-9-]+", model)
    return match.group() if match else model


class _Publication:
    """One publication on its way."""

    def __init__(self, client: GraphClient, target: TargetSet, plan: PublicationPlan) -> None:
        self._client, self._target, self._plan = client, target, plan
        self._wanted: dict[Relation, list[TargetEdge]] = {
            relation: [] for relation in sorted({*plan.relations, *target.relations})
        }
        for edge in target:
            self._wanted[edge.relation].append(edge)
        self._decided, self._least = 0, 0.0
        self._types = {name: PredictedType(client, plan.graph.prefix, name, plan.fence) for name in self._wanted}
        days = plan.publishing.expire_days
        self._stamp = Stamp(plan.run, datetime.now(UTC), None if days is None else timedelta(days=days))
        self._around = AroundLocks(client, plan.graph.timeout_seconds, lambda: require_held(client, plan.fence))

    def carry_out(self) -> PublicationReport:
        started = time.monotonic()
        self._leave_out_decided()
        look = self._look()
        self._guard(look)
        if self._plan.dry_run:
            return self._report(look, self._foreseen(look), started)
        ensure_run_constraint(self._client)
        for relation, edges in self._wanted.items():
            if edges or look[relation].present:  # before the first edge: a constraint is cheap on an empty type
                self._types[relation].ensure_constraint()
        run = Run(
            self._plan.run,
            self._plan.kind,
            self._plan.model,
            target_hash=self._target.content_hash,
            target_edges=len(self._target),
            version=self._plan.version,
            snapshot=self._plan.snapshot,
            settings=self._plan.settings,
        )
        start_run(self._client, run, self._plan.fence)
        try:
            report = self._report(look, self._write_until_equal(look), started)
        except GraphQueryFailed as error:  # of who slept in a transaction, until the server ended it
            try:
                require_held(self._client, self._plan.fence)
            except PublicationStopped as stopped:
                self._mark_failed(stopped)
                raise stopped from error
            self._mark_failed(error)
            raise
        except BaseException as error:
            self._mark_failed(error)
            raise
        counts = (report.created, report.updated, report.removed, report.unchanged)
        finish_run(self._client, Run(run.id, run.kind, run.model, "published", None, None, *counts), self._plan.fence)
        forget_idle_runs(self._client, self._plan.publishing.keep_idle_runs, self._plan.fence)
        return report

    def _leave_out_decided(self) -> list[TargetEdge]:
        """Edges of triples that a person accepted or rejected are wanted no more. Gives back those that were."""
        decided = decided_keys(self._client, self._wanted)
        left_out = [edge for edges in self._wanted.values() for edge in edges if edge.key in decided]
        for relation in {edge.relation for edge in left_out}:
            self._wanted[relation] = [edge for edge in self._wanted[relation] if edge.key not in decided]
        self._decided += len(left_out)
        return left_out

    def _look(self) -> _Look:
        """The graph as it is now."""

        def found(relation: Relation) -> Difference:
            present = self._types[relation].present(self._stamp.renew)
            return difference(present, self._wanted[relation], self._plan.publishing.tolerance)

        with ThreadPoolExecutor(LOOKS, "look") as looks:
            return dict(zip(self._types, looks.map(found, self._types), strict=True))

    def _guard(self, look: _Look) -> None:
        """Nothing has been changed yet."""
        plan = self._plan
        for relation, found in look.items():
            others = sorted({model_name_of(version) for version in found.models} - {plan.model})
            if others and not plan.take_over:
                raise PublicationStopped(
                    f"{plan.graph.prefix}{relation} belongs to the model {others[0]!r}, not to {plan.model!r}.",
                    hint="Publish other types, or take this one over: --take-over, in Cypher {takeOver: true}.",
                )
        present, wanted = sum(found.present for found in look.values()), len(self._target)
        self._least = 0.0 if plan.confirm_shrink else plan.publishing.shrink_guard * present
        if wanted < self._least:
            raise PublicationStopped(
                f"The new set has {wanted} edges, the graph has {present}: less than the share of "
                f"{plan.publishing.shrink_guard:g} in publishing.shrink_guard.",
                hint="If that is what you want, say so: --confirm-shrink, in Cypher {confirmShrink: true}.",
            )

    def _foreseen(self, look: _Look) -> list[LeftOut]:
        """What would be left out."""
        left, nodes = LeftOut(), self._nodes()
        for relation, able, unable in self._bound(look, nodes):
            left.skipped += unable
            for batch in self._batches(able):
                count_states(self._types[relation].states(batch, nodes.found), left.skipped)
        return [left]

    def _write_until_equal(self, look: _Look) -> list[LeftOut]:
        """Writes; looks again when a commit was lost, edges came meanwhile, counts differ. Tells what was left out."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                batches = self._write(look)
                touched = {relation for relation, found in look.items() if found.writes}
                for edge in self._leave_out_decided():  # decided while this was written, and maybe written after that
                    batches.remove(edge.relation, [edge.key])
                    touched.add(edge.relation)
                wrong = self._wrong_counts(touched, batches.left)
                if not wrong:
                    batches.tell_refused()
                    return list(batches.left.values())
            except (CommitLost, ConstraintBroken):  # the latter where a query has written an edge since the look
                if attempt == ATTEMPTS:
                    raise
            log.info("publication %s looks at the graph again, attempt %d", self._plan.run, attempt + 1)
            self._leave_out_decided()
            look = self._look()
        raise PublicationStopped(
            f"The number of edges is not as it should be after writing: {', '.join(wrong)}.",
            hint="Does somebody else write these types? Publish again when they have stopped.",
        )

    def _write(self, look: _Look) -> Batches:
        """All upserts, then all removals, each in batches. Gives back what knows what was left out."""
        total = sum(found.writes for found in look.values())
        done = 0
        nodes = self._nodes()
        batches = Batches(self._types, self._around, self._stamp, self._plan.waiting)
        for relation, able, unable in self._bound(look, nodes):
            batches.left[relation].skipped += unable
            done += unable.total()
            for batch in self._batches(able):
                batches.create(relation, batch, nodes.found)
                done = self._told(done + len(batch), total)
        for relation, found in look.items():
            for batch in self._batches(found.changed):
                batches.update(relation, batch)
                done = self._told(done + len(batch), total)
        self._guard_refused(batches)
        for relation, found in look.items():
            for keys in self._batches(found.gone):
                batches.remove(relation, keys)
                done = self._told(done + len(keys), total)
        return batches

    def _guard_refused(self, batches: Batches) -> None:
        """What is refused shrinks the set, too. Nothing was removed yet: readers still have the edges of before."""
        refused = sum(one.skipped[REFUSED] + one.skipped[WAITING] for one in batches.left.values())
        standing = sum(map(len, self._wanted.values())) - refused
        if refused and (standing == 0 or standing < self._least):
            raise batches.refusals.given_up()

    def _nodes(self) -> KnownNodes:
        return KnownNodes(Identity(self._plan.graph), self._client)

    def _bound(self, look: _Look, nodes: KnownNodes) -> Iterator[tuple[Relation, list[TargetEdge], Counter[str]]]:
        """New edges whose ends are both known, by type, a part at a time; and how many of that part are left out.

        The nodes of the next part are looked up while this one is written.
        """
        parts = (
            (relation, found.new[first : first + BOUND_AT_ONCE])
            for relation, found in look.items()
            for first in range(0, len(found.new), BOUND_AT_ONCE)
        )
        return ahead(partial(_bind, nodes), parts)

    def _wrong_counts(self, touched: Iterable[Relation], left: dict[Relation, LeftOut]) -> list[str]:
        """Of the types that were written; the others are as they were found."""

        def complaint(relation: Relation) -> str | None:
            out = left[relation]
            expected = len(self._wanted[relation]) - out.skipped.total() + out.not_removed.total()
            found = self._types[relation].count()
            return None if found == expected else f"{self._types[relation].name} has {found} instead of {expected}"

        with ThreadPoolExecutor(LOOKS, "count") as counts:
            return [wrong for wrong in counts.map(complaint, sorted(touched)) if wrong]

    def _batches(self, items: Sequence[T]) -> Iterator[Sequence[T]]:
        rows = self._plan.publishing.batch_rows
        return (items[start : start + rows] for start in range(0, len(items), rows))

    def _told(self, done: int, total: int) -> int:
        if self._plan.progress is not None:
            self._plan.progress("edges", done, total)
        return done

    def _mark_failed(self, error: BaseException) -> None:
        """Says in the ledger that the run failed, if the graph still listens; the error itself is what counts."""
        reason = error.code if isinstance(error, RelpredError) else type(error).__name__
        with contextlib.suppress(RelpredError):
            fail_run(self._client, self._plan.run, reason)

    def _report(self, look: _Look, left: Sequence[LeftOut], started: float) -> PublicationReport:
        found = look.values()
        skipped = sum((one.skipped for one in left), Counter[str]())
        created = sum(len(one.new) for one in found) - skipped.total()
        not_updated = sum((one.not_updated for one in left), Counter[str]())
        not_removed = sum((one.not_removed for one in left), Counter[str]())
        skipped += not_updated + not_removed
        if self._decided:
            skipped[DECIDED] = self._decided
        return PublicationReport(
            run=self._plan.run,
            created=created,
            updated=sum(len(one.changed) for one in found) - not_updated.total(),
            removed=sum(len(one.gone) for one in found) - not_removed.total(),
            unchanged=sum(one.unchanged for one in found),
            skipped=dict(skipped),
            seconds=time.monotonic() - started,
            dry_run=self._plan.dry_run,
            refused=tuple(edge for one in left for edge in one.refused),
        )


def _bind(
    nodes: KnownNodes, part: tuple[Relation, Sequence[TargetEdge]]
) -> tuple[Relation, list[TargetEdge], Counter[str]]:
    relation, edges = part
    nodes.look_up({*map(attrgetter("head"), edges), *map(attrgetter("tail"), edges)})
    able = [edge for edge in edges if edge.head in nodes.found and edge.tail in nodes.found]
    unable = set(edges).difference(able) if len(able) < len(edges) else ()
    reasons = (AMBIGUOUS if {edge.head, edge.tail} & nodes.ambiguous else MISSING for edge in unable)
    return relation, able, Counter(reasons)
