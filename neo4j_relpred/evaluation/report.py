"""The report of a training: filtered ranks of test triples, calibration, and the cheap baselines beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.evaluation.calibration import CalibrationReport, measure
from neo4j_relpred.evaluation.parts import Part, parts_of
from neo4j_relpred.evaluation.ranking import Ranks, RankSummary, summarize
from neo4j_relpred.evaluation.slices import Slices, slices_of

if TYPE_CHECKING:
    from neo4j_relpred.evaluation.trial import Baseline, Trial
    from neo4j_relpred.model.trained import TrainedModel

__all__ = ["Calibrated", "Report", "Scores", "evaluate"]

FloatArray = npt.NDArray[np.floating]
FEW = 50  # test triples
JOINED = 0.05  # share of first answers; fewer move the calibration error by little


@dataclass(frozen=True)
class Scores:
    """Entity and relation ranks of one system."""

    entities: RankSummary | None
    relations: RankSummary | None


@dataclass(frozen=True)
class Calibrated:
    """Calibration of the first answers to entity and relation queries.

    unlinked: of entity queries whose first answer no known edge joins to the anchor.
    """

    entities: CalibrationReport
    relations: CalibrationReport
    unlinked: CalibrationReport | None = None

    @property
    def ece(self) -> float:
        """The larger of the two expected calibration errors."""
        return max(self.entities.ece, self.relations.ece)


@dataclass(frozen=True)
class Report:
    """What a training ended with.

    `seconds` is the training alone; `per_relation`: MRR of its entity queries; `slices`: entity queries by their kind;
    `parts`: what proposed the candidates.
    """

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
    slices: Slices = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

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
            name: Scores(*(_summary(scores[kind]) if scores[kind] else None for kind in ("entities", "relations")))
            for name, scores in data["baselines"].items()
        }
        kinds = ("entities", "relations", "unlinked")  # reports of older versions lack the last
        measured = data["calibration"]
        calibration = Calibrated(*(_calibration(measured[kind]) for kind in kinds if measured.get(kind)))
        plain = {key: data[key] for key in ("per_relation", "triples", "base_rate", "seconds", "threads", "device")}
        slices = {
            kind: {name: _summary(summary) for name, summary in named.items()}
            for kind, named in data.get("slices", {}).items()  # reports of older versions have neither these nor parts
        }
        return cls(
            _summary(data["entities"]),
            _summary(data["relations"]),
            calibration,
            baselines,
            **plain,
            warnings=tuple(data["warnings"]),
            slices=slices,
            parts=tuple(Part(**part) for part in data.get("parts", ())),
        )


def evaluate(
    model: TrainedModel,
    test: IntArray,
    known: KnowledgeGraph,
    names: tuple[str, ...],
    baselines: tuple[Baseline, ...] = (),
    minutes: float = float("inf"),
    settled: KnowledgeGraph | None = None,
    workers: int = 1,
) -> Report:
    """Ranks test triples (n, 3) among all entities, both sides, and among all relations.

    `model` must not hold the test triples; `known` holds every true triple, theirs too (the filter). Test triples
    with entities that have no edge stay in. When `minutes` are over, the triples ranked until then are a random part
    of them, and the report says so. settled: what is known and no answer, where it is more than the model's graph.
    """
    from neo4j_relpred.evaluation.trial import try_out  # with torch, which reading a report does without

    entities, relations = try_out(model, test, known, baselines, minutes * 60, settled, workers)
    ranks, asked = entities.ranks(), entities.queries()
    triples = len(asked) // 2
    cautions = []
    if triples < len(test):
        which = f"{triples:,} of {len(test):,} test triples, drawn at random"
        cautions.append(f"Time (evaluation.minutes) allowed for {which}; each was ranked among all candidates.")
    elif triples < FEW:
        cautions.append(f"There are {triples} test triples: chance moves such figures by more than most differences.")
    report = Report(
        entities=summarize(ranks),
        relations=summarize(relations.ranks()),
        calibration=_calibrated(entities, relations),
        baselines={
            rival.name: Scores(*(_summarized(trial.rival(rival.name)) for trial in (entities, relations)))
            for rival in baselines
        },
        per_relation=_per_relation(1 / ranks.realistic, asked[:, 1] % known.num_relations, names),
        triples=triples,
        base_rate=model.base_rate,
        slices=slices_of(ranks, asked, model.graph, model.members.words),
        parts=parts_of(model.members),
    )
    cautions += _artefact(report.calibration, test, model.graph)
    return replace(report, warnings=(*cautions, *_beaten(report, entities, relations)))


def _calibrated(entities: Trial, relations: Trial) -> Calibrated:
    first, linked = np.split(entities.first_answers([0, 1]), [2], axis=1)
    unlinked = measure(*first[linked[:, 0] == 0].T)
    return Calibrated(measure(*first.T), measure(*relations.first_answers([0, 2])[:, :2].T), unlinked)


def _artefact(calibration: Calibrated, test: IntArray, graph: KnowledgeGraph) -> list[str]:
    """A sentence where test triples (n, 3) were chosen so that answers which are joined already cannot hold."""
    unlinked = calibration.unlinked
    if unlinked is None or not len(test) or len(graph.linking_relations(test[:, 0], test[:, 2])[0]):
        return []
    share = 1 - unlinked.count / calibration.entities.count
    if share < JOINED or len(test) < FEW:
        return []
    return [
        f"No test triple joins nodes that another edge joins, but {share:.0%} of the first answers are joined so: the "
        f"test cannot show whether those hold. The calibration error of the others is {unlinked.ece:.3f}."
    ]


def _beaten(report: Report, entities: Trial, relations: Trial) -> list[str]:
    """What a reader should know before the model is preferred to something cheaper."""
    advice = "give training.minutes more"
    found = []
    name, rival = report.best_baseline("entities") if entities.rivals else ("", None)
    if rival is not None and entities.is_beaten_by(name):
        figures = f"MRR {rival.mrr:.3f} against {report.entities.mrr:.3f}"
        found.append(f"The baseline {name!r} ranks entities better than the model ({figures}): {advice}.")
    name, rival = report.best_baseline("relations") if relations.rivals else ("", None)
    if rival is not None and relations.is_beaten_by(name, at=1):
        figures = f"H@1 {rival.hits_at(1):.3f} against {report.relations.hits_at(1):.3f}"
        found.append(f"The baseline {name!r} ranks relationship types better than the model ({figures}): {advice}.")
    return found


def _summarized(ranks: Ranks | None) -> RankSummary | None:
    return None if ranks is None else summarize(ranks)


def _per_relation(reciprocal: FloatArray, relations: IntArray, names: tuple[str, ...]) -> dict[str, float]:
    return {names[r]: float(reciprocal[relations == r].mean()) for r in np.unique(relations)}


def _summary(data: Mapping[str, Any]) -> RankSummary:
    hits = {int(k): float(v) for k, v in data["hits"].items()}
    return RankSummary(**{**data, "hits": hits, "interval": tuple(data["interval"])})


def _calibration(data: Mapping[str, Any]) -> CalibrationReport:
    return CalibrationReport(**{**data, "diagram": tuple(tuple(row) for row in data["diagram"])})
