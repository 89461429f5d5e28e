"""The report of a training: filtered ranks of test triples, calibration, and the cheap baselines beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, both_directions
from neo4j_relpred.evaluation.calibration import CalibrationReport, measure
from neo4j_relpred.evaluation.ranking import Ranks, RankSummary, filtered_ranks, summarize
from neo4j_relpred.model.trained import TrainedModel, chunks_by_relation

__all__ = ["Baseline", "Calibrated", "Report", "Scores", "evaluate"]

FloatArray = npt.NDArray[np.floating]
PAIRS = 2_000


class Baseline(Protocol):
    """A cheap rival that is ranked by the same rule."""

    name: str

    def entity_scores(self, relation: int, anchors: IntArray) -> FloatArray | None:
        """(q,) anchors of queries by one relation -> (q, entities), or None where it has no answer to that."""

    def relation_scores(self, heads: IntArray, tails: IntArray) -> FloatArray | None:
        """(q,) pairs -> (q, R), or None."""


@dataclass(frozen=True)
class Scores:
    """Entity and relation ranks of one system."""

    entities: RankSummary | None
    relations: RankSummary | None


@dataclass(frozen=True)
class Calibrated:
    """Calibration of the first answers to entity and relation queries."""

    entities: CalibrationReport
    relations: CalibrationReport

    @property
    def ece(self) -> float:
        """The larger of the two expected calibration errors."""
        return max(self.entities.ece, self.relations.ece)


@dataclass(frozen=True)
class Report:
    """What a training ended with. `seconds` is the training alone; `per_relation`: MRR of its entity queries."""

    entities: RankSummary
    relations: RankSummary
    calibration: Calibrated
    baselines: Mapping[str, Scores]
    per_relation: Mapping[str, float]
    triples: int
    base_rate: float
    seconds: float = 0.0
    threads: int = 1
    device: str = "cpu"
    warnings: tuple[str, ...] = field(default=())

    def best_baseline(self, kind: str) -> tuple[str, RankSummary]:
        """The best rival by MRR for 'entities' and by Hits@1 for 'relations'."""
        rivals = [(name, getattr(scores, kind)) for name, scores in self.baselines.items()]
        known = [(name, summary) for name, summary in rivals if summary is not None]
        return max(known, key=lambda pair: pair[1].mrr if kind == "entities" else pair[1].hits_at(1))

    def to_json(self) -> dict[str, Any]:
        """Plain data for the checkpoint."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Report:
        """The report that `to_json` gave, also after a journey through JSON."""
        baselines = {
            name: Scores(*(_summary(scores[kind]) for kind in ("entities", "relations")))
            for name, scores in data["baselines"].items()
        }
        calibration = Calibrated(*(_calibration(data["calibration"][kind]) for kind in ("entities", "relations")))
        plain = {key: data[key] for key in ("per_relation", "triples", "base_rate", "seconds", "threads", "device")}
        entities, relations = _summary(data["entities"]), _summary(data["relations"])
        assert entities is not None
        assert relations is not None
        return cls(entities, relations, calibration, baselines, **plain, warnings=tuple(data["warnings"]))


def evaluate(
    model: TrainedModel,
    test: IntArray,
    known: KnowledgeGraph,
    names: tuple[str, ...],
    baselines: tuple[Baseline, ...] = (),
) -> Report:
    """Ranks test triples (n, 3) among all entities, both sides, and among all relations.

    `model` must not hold the test triples; `known` holds every true triple, theirs too (the filter). Test triples
    with entities that have no edge stay in.
    """
    queries = both_directions(test, known.num_relations)
    ours, rivals, first = [], {rival.name: list[Ranks]() for rival in baselines}, []
    order = []
    for relation, rows in chunks_by_relation(queries[:, 1], known.num_entities):
        anchors, target = queries[rows, 0], queries[rows, 2]
        mask = np.zeros((len(rows), known.num_entities), bool)
        mask[known.answers(anchors, queries[rows, 1])] = True
        answers = model.answer_entities(relation, anchors)
        ours.append(filtered_ranks(answers.full_scores(), target, mask))
        first.append(_first(answers.probabilities, np.take_along_axis(mask, answers.candidates, 1)))
        order.append(rows)
        for rival in baselines:
            scores = rival.entity_scores(relation, anchors)
            if scores is not None:
                rivals[rival.name].append(filtered_ranks(scores, target, mask))
    ranks, asked = Ranks.concatenate(ours), queries[np.concatenate(order)]
    _, unique = np.unique(asked[:, :2], axis=0, return_index=True)  # a question counts once, whatever its answers
    relation_ranks, relation_first, relation_rivals = _evaluate_relations(model, test, known, baselines)
    top = np.concatenate(first)[unique]
    figures = {
        rival.name: Scores(
            summarize(Ranks.concatenate(rivals[rival.name])) if rivals[rival.name] else None,
            relation_rivals.get(rival.name),
        )
        for rival in baselines
    }
    return Report(
        entities=summarize(ranks),
        relations=summarize(relation_ranks),
        calibration=Calibrated(measure(*top.T), measure(*relation_first.T)),
        baselines=figures,
        per_relation=_per_relation(1 / ranks.realistic, asked[:, 1] % known.num_relations, names),
        triples=len(test),
        base_rate=model.base_rate,
    )


def _evaluate_relations(
    model: TrainedModel, test: IntArray, known: KnowledgeGraph, baselines: tuple[Baseline, ...]
) -> tuple[Ranks, FloatArray, dict[str, RankSummary]]:
    """Ranks, first answers of distinct pairs (n, 2), and the rivals' figures."""
    ours, first = [], []
    rivals = {rival.name: list[Ranks]() for rival in baselines}
    for start in range(0, len(test), PAIRS):
        heads, relations, tails = test[start : start + PAIRS].T
        mask = np.zeros((len(heads), known.num_relations), bool)
        rows, holding = known.linking_relations(heads, tails)
        mask[rows[holding < known.num_relations], holding[holding < known.num_relations]] = True
        answers = model.answer_relations(heads, tails, model.known_relations(heads, tails))
        ours.append(filtered_ranks(answers.logits, relations, mask))
        first.append(_first(answers.probabilities, mask))
        for rival in baselines:
            scores = rival.relation_scores(heads, tails)
            if scores is not None:
                rivals[rival.name].append(filtered_ranks(scores, relations, mask))
    _, unique = np.unique(test[:, [0, 2]], axis=0, return_index=True)
    figures = {name: summarize(Ranks.concatenate(parts)) for name, parts in rivals.items() if parts}
    return Ranks.concatenate(ours), np.concatenate(first)[unique], figures


def _first(probabilities: FloatArray, truth: npt.NDArray[np.bool_]) -> FloatArray:
    """(q, c) -> (q, 2): probability of the first answer and whether it holds. Answers that the model knows are out."""
    best = probabilities.argmax(1)
    rows = np.arange(len(best))
    return np.stack([probabilities[rows, best], truth[rows, best].astype(float)], axis=1)


def _per_relation(reciprocal: FloatArray, relations: IntArray, names: tuple[str, ...]) -> dict[str, float]:
    return {names[r]: float(reciprocal[relations == r].mean()) for r in np.unique(relations)}


def _summary(data: Mapping[str, Any] | None) -> RankSummary | None:
    if data is None:
        return None
    hits = {int(k): float(v) for k, v in data["hits"].items()}
    return RankSummary(**{**data, "hits": hits, "interval": tuple(data["interval"])})


def _calibration(data: Mapping[str, Any]) -> CalibrationReport:
    return CalibrationReport(**{**data, "diagram": tuple(tuple(row) for row in data["diagram"])})
