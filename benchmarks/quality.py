"""Quality of the predictions on a data folder, without Neo4j: filtered ranks over all candidates, and calibration.

    python -m benchmarks.quality FOLDER [--minutes 30] [--seeds 1] [--json FILE]

FOLDER holds gzip tables entities (id, name, text, type), relations, train, valid, test (head, relation, tail); or two
such folders, graph and ind, with other entities and the same relations: then the model is trained on the one and asked
about the other. Minutes are everything: encoding the texts, training, the baselines that train, and ranking all test
triples. Train is what the members learn from, valid what the reasoner and the calibration are fitted on; every part
filters. Baselines that train get a third of the model's time each, and no less than it takes to converge.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.folders import DataSet, read_data_set
from benchmarks.output import json_option, say, write_json
from neo4j_relpred.config import Settings
from neo4j_relpred.data.knowledge_graph import IntArray, both_directions
from neo4j_relpred.evaluation.classification import classification_accuracy
from neo4j_relpred.evaluation.report import Report, evaluate
from neo4j_relpred.evaluation.trial import Baseline
from neo4j_relpred.model.trained import TrainedModel, chunks_by_relation
from neo4j_relpred.model.words import Words
from neo4j_relpred.text.cache import CachedEncoder
from neo4j_relpred.text.encoder import Encoder, open_encoder
from neo4j_relpred.training.baselines import cheap_baselines
from neo4j_relpred.training.fit import fit

FloatArray = npt.NDArray[np.float64]
RANKING_SHARE = 0.12  # of the time, kept for the baselines and for ranking the test triples
BASELINE_MINUTES = 1.0


@dataclass(frozen=True)
class Task:
    """What is trained on and what is asked about: the same data set, or another one with the same relations."""

    learnt: DataSet
    asked: DataSet

    @classmethod
    def read(cls, folder: Path) -> Task:
        """FOLDER, or FOLDER/graph and FOLDER/ind."""
        if not (folder / "graph").is_dir():
            data = read_data_set(folder)
            return cls(data, data)
        learnt = read_data_set(folder / "graph")
        return cls(learnt, read_data_set(folder / "ind", learnt.relations))

    @property
    def inductive(self) -> bool:
        """Whether the entities asked about were never trained on."""
        return self.learnt is not self.asked


def measure(task: Task, minutes: float, settings: Settings, cache: Path | None) -> dict[str, float]:
    """Figures of one seed."""
    started, cpu = time.monotonic(), time.process_time()
    torch.set_num_threads(settings.training.threads)
    encoder: Encoder = open_encoder(settings.text, threads=settings.training.threads)
    if cache is not None:
        encoder = CachedEncoder(encoder, cache)
    vectors = [torch.from_numpy(encoder.encode(data.texts)) for data in _distinct(task)]
    encoded = time.monotonic() - started
    left = minutes * (1 - RANKING_SHARE) - encoded / 60
    settings = settings.model_copy(update={"training": settings.training.model_copy(update={"minutes": left})})
    learnt = task.learnt
    words = [Words.of(data.names, data.texts) for data in _distinct(task)]
    model = fit(
        learnt.graph(learnt.train),
        learnt.valid,
        vectors[0],
        settings.model,
        settings.training,
        progress=_Stages(),
        words=words[0],
    )
    trained = time.monotonic() - started
    say(f"encoded in {encoded:.0f} s, trained after {trained:.0f} s")
    rivals = cheap_baselines(model.members, settings.training, BASELINE_MINUTES)
    seen = _over(task, model, vectors[-1], words[-1])
    report = _report(task, seen, rivals)
    for warning in report.warnings:
        say(warning)
    _say_slices(report)
    return {
        **_figures(report),
        **_classification(task, seen),
        "seconds": time.monotonic() - started,
        "cpu_seconds": time.process_time() - cpu,
        "encoding_seconds": encoded,
        "training_seconds": trained - encoded,
    }


def _distinct(task: Task) -> list[DataSet]:
    return [task.learnt, task.asked] if task.inductive else [task.learnt]


def _over(task: Task, model: TrainedModel, vectors: torch.Tensor, words: Words) -> TrainedModel:
    """The model over the training edges of what is asked about, and no others: so published figures have it."""
    graph = task.asked.graph(task.asked.train)
    return model.moved(graph, vectors, words) if task.inductive else model.over(graph)


def _report(task: Task, model: TrainedModel, rivals: Sequence[Baseline]) -> Report:
    """Every true triple filters."""
    data = task.asked
    known = data.graph(data.train, data.valid, data.test)
    return evaluate(model, data.test, known, data.relations, tuple(rivals))


def _figures(report: Report) -> dict[str, float]:
    entities, relations = report.entities, report.relations
    figures = {
        "relation_mrr": relations.mrr,
        "relation_hits_at_1": relations.hits_at(1),
        "entity_mrr": entities.mrr,
        **{f"entity_hits_at_{k}": entities.hits_at(k) for k in (1, 3, 10)},
        "ece_relations": report.calibration.relations.ece,
        "ece_entities": report.calibration.entities.ece,
    }
    for name, scores in report.baselines.items():
        kept = "baseline_" + name.replace(" ", "_")
        if scores.relations is not None:
            figures |= {f"{kept}_relation_hits_at_1": scores.relations.hits_at(1)}
        if scores.entities is not None:
            figures |= {f"{kept}_entity_mrr": scores.entities.mrr}
    for kind, named in report.slices.items():
        figures |= {f"slice_{kind}_{name}_entity_mrr": summary.mrr for name, summary in named.items()}
    figures["best_baseline_relation_hits_at_1"] = report.best_baseline("relations")[1].hits_at(1)
    figures["best_baseline_entity_mrr"] = report.best_baseline("entities")[1].mrr
    return figures


def _say_slices(report: Report) -> None:
    say(f"{'entity queries':<20} {'number':>8} {'MRR':>6} {'H@1':>6} {'H@10':>6}")
    for kind, named in report.slices.items():
        for name, summary in named.items():
            shares = (summary.mrr, summary.hits_at(1), summary.hits_at(10))
            say(f"{kind:<10} {name:<9} {summary.queries:>8,} " + " ".join(f"{share:6.3f}" for share in shares))


def _classification(task: Task, model: TrainedModel) -> dict[str, float]:
    """Accuracy on triples verified to be true and false; a threshold per relation from the validation part."""
    data = task.asked
    if not {"valid", "test"} <= data.negatives.keys():
        return {}
    scored = {}
    for part, true in (("valid", data.valid), ("test", data.test)):
        triples = np.concatenate([true, data.negatives[part]])
        truth = np.arange(len(triples)) < len(true)
        scored[part] = triples[:, 1], _log_odds(model, triples), truth
    found = classification_accuracy(scored["valid"], scored["test"])
    return {"classification_accuracy": found}


def _log_odds(model: TrainedModel, triples: IntArray) -> FloatArray:
    """(n,): log odds as an answer to the tail question plus those as an answer to the head question."""
    total = np.zeros(len(triples))
    asked = both_directions(triples, model.graph.num_relations)
    for relation, rows in chunks_by_relation(asked[:, 1], model.graph.num_entities):
        wanted = asked[rows, 2]
        answers = model.answer_entities(relation, asked[rows, 0], wanted=wanted)
        place = (answers.candidates == wanted[:, None]).argmax(1)
        p = np.clip(answers.probabilities[np.arange(len(rows)), place], 1e-9, 1 - 1e-9)
        np.add.at(total, rows % len(triples), np.log(p) - np.log1p(-p))
    return total


def mean_and_spread(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each figure, and for several seeds its standard deviation as NAME_spread."""
    names = runs[0].keys()
    figures = {name: float(np.mean([run[name] for run in runs])) for name in names}
    if len(runs) > 1:
        figures |= {f"{name}_spread": float(np.std([run[name] for run in runs], ddof=1)) for name in names}
    return figures


class _Stages:
    """Says once when a stage begins."""

    def __init__(self) -> None:
        self._started, self._last = time.monotonic(), ""

    def __call__(self, stage: str, share: float) -> None:
        if stage != self._last:
            say(f"{time.monotonic() - self._started:6.0f} s  {stage}")
            self._last = stage


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description="Quality on a data folder.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where its files are")
    parser.add_argument("--minutes", type=float, default=30.0, help="everything, for each seed (default: 30)")
    parser.add_argument("--seeds", type=int, default=1, help="how many (default: 1, seed 0)")
    parser.add_argument("--cache", type=Path, metavar="FILE", help="keep text vectors here between runs")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.NAME=VALUE", help="another setting")
    json_option(parser)
    options = parser.parse_args(words)
    task = Task.read(options.folder)
    runs = []
    for seed in range(options.seeds):
        say(f"seed {seed}")
        runs.append(measure(task, options.minutes, _settings(options.set, seed), options.cache))
    figures = mean_and_spread(runs)
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:<{width}}  {value:>10.4f}")
    write_json(figures, options.json)


def _settings(chosen: Sequence[str], seed: int) -> Settings:
    given: dict[str, dict[str, str | int]] = {"training": {"seed": seed}}
    for word in chosen:
        place, value = word.split("=", 1)
        section, name = place.split(".")
        given.setdefault(section, {})[name] = value
    return Settings.model_validate(given)


if __name__ == "__main__":
    main()
