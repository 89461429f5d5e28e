"""Tries settings on a frozen snapshot, each by a short training, to find better ones than those in force.

All trials learn from one split with one encoding of the texts, and are judged on the same edges. The edges that
`relpred train` would report on are kept away from all of it, so that a report after a tuning stays honest.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from neo4j_relpred.api.sampler import Sampler, require_sampler
from neo4j_relpred.api.search_space import changed, with_values
from neo4j_relpred.api.training import draw_split, split_snapshot
from neo4j_relpred.api.workspace import Progress, Workspace
from neo4j_relpred.config import Settings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.data.splits import draw_lots
from neo4j_relpred.errors import InvalidSettings, TooLittleData
from neo4j_relpred.evaluation.trial import NOISE, Trial, try_out
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.cores import workers_asking
from neo4j_relpred.training.fit import fit
from neo4j_relpred.training.lesson import Lesson
from neo4j_relpred.training.tower import with_entity_width

__all__ = ["Plan", "Tried", "Tuning", "tune"]

FloatArray = npt.NDArray[np.float64]
MOST_TRIALS = 24
LEAST_SECONDS = 15.0  # of a trial: with less the members of a small graph have learnt nothing yet
CONFIRMING = 2  # slots of time for training the settings in force and the best ones again
TRAINING_SHARE = 0.8  # of a slot; the rest is for ranking
MOST_TESTED = 2_000  # triples; more would tell little more, and cost trials


@dataclass(frozen=True)
class Plan:
    """How the time of a tuning is shared out: so many trials, so many seconds for each and to confirm."""

    trials: int
    seconds: float

    @classmethod
    def of(cls, minutes: float, trials: int | None = None) -> Plan:
        """As many trials as have LEAST_SECONDS each, unless told how many. Raises InvalidSettings."""
        if minutes <= 0 or (trials is not None and trials < 2):
            raise InvalidSettings(
                f"{trials or 'Any'} trials in {minutes:g} minutes compare nothing.",
                hint="Give more than 0 minutes and at least 2 trials, the first of which has the settings in force.",
            )
        fitting = int(60 * minutes / LEAST_SECONDS) - CONFIRMING
        number = max(2, min(MOST_TRIALS, fitting)) if trials is None else trials
        return cls(number, 60 * minutes / (number + CONFIRMING))


@dataclass(frozen=True)
class Judged:
    """What a trained model made of test triples, in the order of `triples` (n, 3).

    reciprocal (n,): mean reciprocal rank of the tail and the head query; hits (n,): whether the relation came first.
    """

    triples: IntArray
    reciprocal: FloatArray
    hits: FloatArray

    @property
    def entity_mrr(self) -> float:
        """MRR over both sides, filtered, all candidates."""
        return float(self.reciprocal.mean())

    @property
    def relation_hits(self) -> float:
        """Hits@1 of relation queries, filtered."""
        return float(self.hits.mean())

    @property
    def each(self) -> FloatArray:
        """(n,): the figure of each triple."""
        return (self.reciprocal + self.hits) / 2

    @property
    def figure(self) -> float:
        """The one figure that is tuned for: the mean of entity MRR and relation Hits@1, each counting for a half."""
        return float(self.each.mean())

    def to_json(self) -> dict[str, float | None]:
        """The three figures."""
        return {"figure": self.figure, "entityMrr": self.entity_mrr, "relationHits": self.relation_hits}

    def beats(self, other: Judged) -> bool:
        """Whether this is better on the same triples by more than NOISE standard errors of the difference."""
        lead = self.each - other.each
        return bool(lead.mean() > NOISE * lead.std() / np.sqrt(len(lead)))


@dataclass(frozen=True)
class Tried:
    """One training of a tuning: the values that differ from the settings in force, and its figures or why it failed."""

    number: int
    values: Mapping[str, Any]
    seconds: float
    judged: Judged | None
    failure: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data, the figures None where it failed."""
        figures = self.judged.to_json() if self.judged else dict.fromkeys(("figure", "entityMrr", "relationHits"))
        about = {"values": dict(self.values), "seconds": round(self.seconds, 1), "failure": self.failure}
        return {"trial": self.number, **figures, **about}


@dataclass(frozen=True)
class Tuning:
    """What a tuning found.

    values: what the best settings change, by 'section.key'; nothing where none were better beyond noise. before, after:
    the trainings that decided it, of the settings in force and of the best ones; `confirmed` where they were trained
    for that with another seed.
    """

    plan: Plan
    trials: tuple[Tried, ...]
    values: Mapping[str, Any]
    before: Judged
    after: Judged
    confirmed: bool
    stopped: bool
    snapshot: str
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "trials": [tried.to_json() for tried in self.trials],
            "planned": self.plan.trials,
            "secondsEach": round(self.plan.seconds, 1),
            "best": dict(self.values),
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "confirmed": self.confirmed,
            "stopped": self.stopped,
            "snapshot": self.snapshot,
            "seed": self.seed,
        }


def tune(workspace: Workspace, data: Snapshot, plan: Plan, progress: Progress) -> Tuning:
    """Tries the settings in force, then others, and confirms the best ones with another seed.

    Ctrl-C ends the search, and what it found until then counts. A trial that fails is one that says why, unless it is
    the first: settings in force that cannot be trained raise what `relpred train` would. Raises TooLittleData,
    DependencyMissing.
    """
    require_sampler()
    bench = _Bench.of(workspace, data, plan, progress)
    budget, settings = Budget.minutes(plan.seconds * (plan.trials + CONFIRMING) / 60), workspace.settings
    first = bench.judge(settings)
    bench = replace(bench, test=first.triples, all_of_it=True)
    trials = [Tried(1, {}, budget.used, first)]
    fresh: tuple[Judged, Judged] | None = None
    stopped = False
    try:
        _search(bench, settings, trials, budget, progress)
        fresh = _confirmed(bench, settings, _best(trials), progress)
    except KeyboardInterrupt:
        stopped = True
    best = _best(trials)
    assert best.judged is not None
    before, after = fresh or (first, best.judged)
    better = best.number > 1 and after.beats(before)
    return Tuning(
        trials=tuple(trials),
        plan=plan,
        values=best.values if better else {},
        before=before,
        after=after,
        confirmed=fresh is not None,
        stopped=stopped,
        snapshot=data.content_hash,
        seed=settings.training.seed,
    )


@dataclass(frozen=True)
class _Bench:
    """What all trials share. test (n, 3); all_of_it: rank all of it, however long that takes."""

    lesson: Lesson
    test: IntArray
    known: KnowledgeGraph
    plan: Plan
    all_of_it: bool = False

    @classmethod
    def of(cls, workspace: Workspace, data: Snapshot, plan: Plan, progress: Progress) -> _Bench:
        """Splits once what `relpred train` would learn from, and encodes the texts once. Raises TooLittleData."""
        settings = workspace.settings
        tested = workspace.graph(data, split_snapshot(workspace, data)[0].test)
        kept = ~tested.holds(data.triples)
        times = data.edge_property(settings.graph.time_property)
        share = settings.evaluation.test_share
        salt = f"tuning {settings.training.seed}"
        lots = draw_lots(data.triples[kept], data.ids, data.relations, salt, tested.symmetric)
        split = draw_split(data.triples[kept], None if times is None else times[kept], settings, share, lots)
        if not len(split.test) or not len(split.holdout):
            raise TooLittleData(
                f"{len(data.triples)} relationships are too few to compare settings on.",
                hint="Read more labels or types, or raise evaluation.test_share and training.holdout_share.",
            )
        return cls(
            lesson=Lesson(
                workspace.graph(data, split.train),
                split.holdout,
                torch.from_numpy(workspace.encode(data, progress)),
                workspace.words(data),
            ),
            test=np.random.default_rng([settings.training.seed, 7]).permutation(split.test)[:MOST_TESTED],
            known=workspace.graph(data, data.triples),
            plan=plan,
        )

    def judge(self, settings: Settings) -> Judged:
        """Trains for its share of a slot of the plan, and ranks the test triples, or as many as there is time for."""
        minutes = TRAINING_SHARE * self.plan.seconds / 60
        training = settings.training.model_copy(update={"minutes": minutes})
        model = fit(self.lesson, settings.model, training)
        seen = model.over(model.graph.with_triples(self.lesson.holdout))
        seconds = float("inf") if self.all_of_it else (1 - TRAINING_SHARE) * self.plan.seconds
        workers = workers_asking(seen, training)
        return _judged(*try_out(seen, self.test, self.known, (), seconds, workers=workers), self.known.num_relations)

    def attempt(self, number: int, settings: Settings, values: Mapping[str, Any]) -> Tried:
        """`judge` of the settings with other values; where that fails, whatever it was, the others are worth having."""
        started = time.monotonic()
        judged, failure = None, ""
        try:
            judged = self.judge(with_values(settings, values))
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
        return Tried(number, values, time.monotonic() - started, judged, failure)


def _judged(entities: Trial, relations: Trial, num_relations: int) -> Judged:
    """Brings both kinds of questions into the order of their triples."""
    asked, back = entities.queries(), entities.queries()[:, 1] >= num_relations
    asked[back] = asked[back][:, ::-1] - [0, num_relations, 0]
    both = np.lexsort(asked.T[::-1])  # a triple's two queries stand side by side
    own = np.lexsort(relations.queries().T[::-1])
    reciprocal = (1 / entities.ranks().realistic)[both].reshape(-1, 2).mean(1)
    return Judged(relations.queries()[own], reciprocal, (relations.ranks().realistic[own] <= 1).astype(np.float64))


def _search(bench: _Bench, settings: Settings, trials: list[Tried], budget: Budget, progress: Progress) -> None:
    """Adds trials while there is time; the list is whole after each of them, since Ctrl-C may come at any time.

    The least that a training does may take longer than its slot: then fewer trials fit.
    """
    plan, first = bench.plan, trials[0].judged
    assert first is not None
    model = with_entity_width(settings.model, bench.lesson.vectors)
    sampler = Sampler(settings.model_copy(update={"model": model}), bench.known, first.figure)
    while len(trials) < plan.trials:
        usual = max(plan.seconds, float(np.mean([tried.seconds for tried in trials])))
        if budget.left <= (CONFIRMING + 0.5) * usual:
            return
        progress("tune", len(trials) / (plan.trials + CONFIRMING))
        trial = sampler.ask()
        values = changed(with_values(settings, trial.params), settings)
        trials.append(bench.attempt(len(trials) + 1, settings, values))
        judged = trials[-1].judged
        sampler.tell(trial, judged.figure if judged else None)


def _confirmed(bench: _Bench, settings: Settings, best: Tried, progress: Progress) -> tuple[Judged, Judged] | None:
    """The settings in force and the best ones, trained with another seed.

    The best of many trials is partly the luckiest of them, and would be the better one of two trainings that differ in
    nothing but their seed. None where there is nothing to confirm, or where one of the two failed.
    """
    if best.number == 1:
        return None
    again: list[Judged | None] = []
    for values in ({}, best.values):
        progress("confirm", len(again) / 2)
        again.append(bench.attempt(0, settings, {**values, "training.seed": settings.training.seed + 1}).judged)
    progress("confirm", 1.0)
    before, after = again
    return (before, after) if before and after else None


def _best(trials: list[Tried]) -> Tried:
    """The one with the highest figure, the first of equals."""
    return max(trials, key=lambda tried: tried.judged.figure if tried.judged else -1.0)
