"""Whether a new version may take over from the live one: both answered the same questions, and are compared in pairs.

A figure speaks against the candidate when it is worse by more than its tolerance and the interval of the difference
leaves no room for chance. Intervals are percentiles of a paired bootstrap (Efron and Tibshirani 1993; for comparing two
systems on one test set Koehn 2004), seeded, so that the same answers give the same verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neo4j_relpred.config import PromotionSettings
from neo4j_relpred.data.knowledge_graph import IntArray, both_directions
from neo4j_relpred.evaluation.calibration import calibration_error

__all__ = ["Answered", "Decided", "Measure", "Ranked", "Verdict", "judge", "unopposed"]

FloatArray = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
DRAWS = 500
LEVEL = 0.05  # one minus the confidence of an interval
MOST_RELATIONS = 50  # kept in the record, the worst first


@dataclass(frozen=True)
class Ranked:
    """Realistic ranks (q,) of queries; first (q, 2): probability of the first answer to each, and whether it holds.

    NaN where there was no time to ask.
    """

    ranks: FloatArray
    first: FloatArray


@dataclass(frozen=True)
class Answered:
    """What a model made of n triples, in their order: n tail queries, then n head queries; n relation queries."""

    entities: Ranked
    relations: Ranked


@dataclass(frozen=True)
class Decided:
    """Probabilities (d, 2) that candidate and live model give to decided triples; accepted: (d,) what people said."""

    probabilities: FloatArray
    accepted: Mask


@dataclass(frozen=True)
class Measure:
    """A figure of both, over `count` questions. difference: how much better the candidate is; low, high: at 95 %."""

    name: str
    candidate: float
    live: float
    difference: float
    low: float
    high: float
    tolerance: float
    setting: str
    count: int

    @property
    def worse(self) -> bool:
        """Whether it speaks against the candidate."""
        return self.difference < -self.tolerance and self.high < 0

    @property
    def sentence(self) -> str:
        """What there is to say where it does."""
        return (
            f"{self.name} is {self.candidate:.3f} against {self.live:.3f}: worse by {-self.difference:.3f} (95 % "
            f"interval {-self.high:.3f} to {-self.low:.3f}, {self.count:,} questions), and {self.setting} allows "
            f"{self.tolerance:g}."
        )


@dataclass(frozen=True)
class Verdict:
    """passed: whether the candidate may go live. against: the label of the live version, '' where there was none.

    triples of `of` test triples were ranked by both; relations: MRR of types, the worst first.
    """

    passed: bool
    code: str
    reason: str
    against: str = ""
    triples: int = 0
    of: int = 0
    measures: tuple[Measure, ...] = ()
    relations: tuple[Measure, ...] = ()
    caveats: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data for the checkpoint."""
        return asdict(self)


def unopposed(code: str, reason: str, against: str = "") -> Verdict:
    """The verdict where nobody can be compared with."""
    return Verdict(passed=True, code=code, reason=reason, against=against)


def judge(
    candidate: Answered,
    live: Answered,
    triples: IntArray,
    names: Sequence[str],
    settings: PromotionSettings,
    test: int | None = None,
    decided: Decided | None = None,
) -> Verdict:
    """triples: (n, 3), what both were asked about; names: of their relations. Compares where both answered.

    test: how many of the triples are held out; the others are those that people accepted.
    """
    test, sides = len(triples) if test is None else test, (candidate, live)
    there = np.isfinite(candidate.relations.ranks) & np.isfinite(live.relations.ranks)
    held, accepted = (there & (part := np.arange(len(triples)) < test)), there & ~part
    reciprocal = _reciprocal(sides, held)
    measures = [*_of_ranks(sides, held, "", settings), *_of_first_answers(sides, held, triples, len(names), settings)]
    if accepted.sum() >= settings.decisions:
        measures += _of_ranks(sides, accepted, " of accepted triples", settings)
    if decided is not None and len(decided.accepted) >= settings.decisions:
        measures += _of_decisions(decided, settings)
    relations = _by_relation(reciprocal, triples[held, 1], names, settings)
    worse = [one for one in (*measures, *relations) if one.worse]
    code = _code(worse[0], relations) if worse else "not-worse"
    reason = " ".join(one.sentence for one in worse) or "No figure is worse beyond its tolerance."
    kept = tuple(sorted(relations, key=lambda one: one.difference)[:MOST_RELATIONS])
    verdict = Verdict(not worse, code, reason, measures=tuple(measures), relations=kept)
    return replace(verdict, triples=int(held.sum()), of=test)


def _reciprocal(sides: Sequence[Answered], chosen: Mask) -> FloatArray:
    """(n, 2): both queries of a triple are one draw, since they are right or wrong together."""
    both = np.tile(chosen, 2)
    return np.stack([(1 / side.entities.ranks[both]).reshape(2, -1).mean(0) for side in sides], axis=1)


def _of_ranks(sides: Sequence[Answered], chosen: Mask, of: str, settings: PromotionSettings) -> list[Measure]:
    hits = np.stack([side.relations.ranks[chosen] <= 1 for side in sides], axis=1).astype(float)
    return [
        _of_means(f"Entity MRR{of}", _reciprocal(sides, chosen), settings.mrr_tolerance, "promotion.mrr_tolerance"),
        _of_means(f"Relation Hits@1{of}", hits, settings.hits_tolerance, "promotion.hits_tolerance"),
    ]


def _of_first_answers(
    sides: Sequence[Answered], chosen: Mask, triples: IntArray, num_relations: int, settings: PromotionSettings
) -> list[Measure]:
    """Calibration of both kinds of queries; a question counts once, however many answers it has."""
    asked = both_directions(triples[chosen], num_relations)
    found = []
    for name, mask, questions in (
        ("entities", np.tile(chosen, 2), asked[:, [0, 1]]),
        ("relations", chosen, triples[chosen][:, [0, 2]]),
    ):
        _, once = np.unique(questions, axis=0, return_index=True)
        ours, theirs = (getattr(side, name).first[mask][once] for side in sides)
        found.append(_of_errors(f"ECE of {name}", ours, theirs, settings.ece_tolerance))
    return found


def _code(worst: Measure, relations: Sequence[Measure]) -> str:
    return "worse-relation" if worst in relations else "worse-" + worst.name.lower().replace(" ", "-").replace("@", "-")


def _of_means(name: str, pairs: FloatArray, tolerance: float, setting: str, level: float = LEVEL) -> Measure:
    """pairs: (q, 2) of candidate and live, larger is better."""
    gains = pairs[:, 0] - pairs[:, 1]
    low, high = _interval(len(gains), lambda rows: float(gains[rows].mean()), level)
    ours, theirs = (float(mean) for mean in pairs.mean(0))
    return Measure(name, ours, theirs, ours - theirs, low, high, tolerance, setting, len(pairs))


def _of_errors(name: str, ours: FloatArray, theirs: FloatArray, tolerance: float) -> Measure:
    """Calibration errors: ours, theirs (q, 2) are probabilities and whether they came true."""
    low, high = _interval(len(ours), lambda rows: calibration_error(*theirs[rows].T) - calibration_error(*ours[rows].T))
    own, other = calibration_error(*ours.T), calibration_error(*theirs.T)
    return Measure(name, own, other, other - own, low, high, tolerance, "promotion.ece_tolerance", len(ours))


def _of_decisions(decided: Decided, settings: PromotionSettings) -> list[Measure]:
    """Brier score and calibration error of what people decided."""
    truth = decided.accepted.astype(float)
    losses = (decided.probabilities - truth[:, None]) ** 2
    mean = _of_means("Brier score of decisions", -losses, settings.decision_tolerance, "promotion.decision_tolerance")
    ours, theirs = (np.stack([column, truth], axis=1) for column in decided.probabilities.T)
    return [
        replace(mean, candidate=-mean.candidate, live=-mean.live),
        _of_errors("ECE of decisions", ours, theirs, settings.ece_tolerance),
    ]


def _by_relation(
    pairs: FloatArray, relations: IntArray, names: Sequence[str], settings: PromotionSettings
) -> list[Measure]:
    """Types with enough edges. Of many, some look worse by chance: each interval is wider by Bonferroni's rule."""
    rows, counts = np.unique(relations, return_counts=True)
    enough = rows[counts >= settings.relation_edges].tolist()
    limits = settings.relation_tolerance, "promotion.relation_tolerance", LEVEL / max(1, len(enough))
    return [_of_means(f"Entity MRR of {names[row]}", pairs[relations == row], *limits) for row in enough]


def _interval(count: int, of: Callable[[IntArray], float], level: float = LEVEL) -> tuple[float, float]:
    """Percentiles of a figure over rows drawn again with replacement."""
    if not count:
        return float("nan"), float("nan")
    rng = np.random.default_rng(0)
    found = [of(rng.integers(count, size=count)) for _ in range(DRAWS)]
    low, high = np.quantile(found, (level / 2, 1 - level / 2))
    return float(low), float(high)
