"""Quality of the predictions on a data folder, without Neo4j: filtered ranks over all candidates, and calibration.

    python -m benchmarks.quality FOLDER [--minutes 30] [--seeds 1] [--json FILE]

FOLDER holds gzip tables entities (id, name, text, type), relations, train, valid, test (head, relation, tail); or two
such folders, graph and ind, with other entities and the same relations: then the model is trained on the one and asked
about the other. Minutes are everything: encoding the texts, training, the baselines that train, and ranking all test
triples. Train is what the members learn from, valid what the reasoner and the calibration are fitted on; every part
filters. Baselines that train share a minute at most, in which such small networks converge.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.fitting import fit_task, log_odds, ranking_minutes, report_of, settings_of, settings_options
from benchmarks.folders import Task
from benchmarks.output import json_option, print_figures, say, write_json
from neo4j_relpred.config import Settings
from neo4j_relpred.evaluation.classification import classification_accuracy
from neo4j_relpred.evaluation.report import Report
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.text.processor import device_of
from neo4j_relpred.training.baselines import cheap_baselines
from neo4j_relpred.training.cores import workers_asking

BASELINE_SHARE, BASELINE_MINUTES = 0.3, 1.0  # of what is kept for ranking, and at most
CLASSIFYING_SHARE = 0.05  # of the minutes, where there are triples verified to be false
PILOT = 10  # a tenth of them tells how many there is time for


def measure(task: Task, minutes: float, settings: Settings, cache: Path | None) -> dict[str, float]:
    """Figures of one seed."""
    started, cpu = time.monotonic(), time.process_time()
    verified = {"valid", "test"} <= task.asked.negatives.keys()
    kept = ranking_minutes(minutes, len(task.asked.test), settings) + CLASSIFYING_SHARE * minutes * verified
    fitted = fit_task(task, minutes - kept, settings, cache)
    rivals_minutes = min(BASELINE_MINUTES, BASELINE_SHARE * kept)
    rivals = cheap_baselines(fitted.learnt.members, settings.training, rivals_minutes, fitted.asked.members)
    report = report_of(task, fitted.asked, rivals, settings)
    for warning in report.warnings:
        say(warning)
    _say_slices(report)
    _say_diagrams(report)
    workers, until = workers_asking(fitted.asked, settings.training), started + 60 * minutes
    return {
        **_figures(report),
        **(_classification(task, fitted.asked, workers, until) if verified else {}),
        "seconds": time.monotonic() - started,
        "cpu_seconds": time.process_time() - cpu,
        "encoding_seconds": fitted.encoding_seconds,
        "training_seconds": fitted.training_seconds,
    }


def _figures(report: Report) -> dict[str, float]:
    entities, relations = report.entities, report.relations
    figures = {
        "relation_mrr": relations.mrr,
        "relation_hits_at_1": relations.hits_at(1),
        "entity_mrr": entities.mrr,
        **{f"entity_hits_at_{k}": entities.hits_at(k) for k in (1, 3, 10)},
        "ece_relations": report.calibration.relations.ece,
        "ece_entities": report.calibration.entities.ece,
        "ece_entities_by_chance": report.calibration.entities.chance,
        **_unlinked(report),
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


def _unlinked(report: Report) -> dict[str, float]:
    """ECE of first answers that no known edge joins to the anchor, and their share."""
    found, every = report.calibration.unlinked, report.calibration.entities
    if found is None or not found.count:
        return {}
    return {"ece_entities_unlinked": found.ece, "unlinked_share": found.count / every.count}


def _say_slices(report: Report) -> None:
    say(f"{'entity queries':<20} {'number':>8} {'MRR':>6} {'H@1':>6} {'H@10':>6}")
    for kind, named in report.slices.items():
        for name, summary in named.items():
            shares = (summary.mrr, summary.hits_at(1), summary.hits_at(10))
            say(f"{kind:<10} {name:<9} {summary.queries:>8,} " + " ".join(f"{share:6.3f}" for share in shares))


def _say_diagrams(report: Report) -> None:
    """Of first answers: the mean probability of each tenth, and the share that holds."""
    calibration = report.calibration
    parts = {"entities": calibration.entities, "unlinked": calibration.unlinked, "relations": calibration.relations}
    for name, measured in parts.items():
        if measured is not None and measured.count:
            say(f"{name:<10} " + " ".join(f"{claimed:.2f}:{held:.2f}" for claimed, held, _ in measured.diagram))


def _classification(task: Task, model: TrainedModel, workers: int, until: float) -> dict[str, float]:
    """Accuracy on triples verified to be true and false; a threshold per relation from the validation part.

    As many as there is time for, drawn at random: a few tell the pace.
    """
    data, rng = task.asked, np.random.default_rng(0)
    parts = (data.valid, data.negatives["valid"], data.test, data.negatives["test"])
    triples = np.concatenate(parts)
    kind = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    order = rng.permutation(len(triples))
    begun, few = time.monotonic(), max(1, len(order) // PILOT)
    scores = np.empty(len(order))
    scores[:few] = log_odds(model, triples[order[:few]], workers)
    pace = (time.monotonic() - begun) / few
    count = few + int(np.clip((until - time.monotonic()) / pace, 0, len(order) - few))
    if count > few:
        scores[few:count] = log_odds(model, triples[order[few:count]], workers)
    relations, kinds = triples[order[:count], 1], kind[order[:count]]
    valid, test = ((relations[mine], scores[:count][mine], kinds[mine] % 2 == 0) for mine in (kinds < 2, kinds >= 2))
    return {"classification_accuracy": classification_accuracy(valid, test), "classified_share": count / len(order)}


def mean_and_spread(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each figure, and for several seeds its standard deviation as NAME_spread."""
    names = runs[0].keys()
    figures = {name: float(np.mean([run[name] for run in runs])) for name in names}
    if len(runs) > 1:
        figures |= {f"{name}_spread": float(np.std([run[name] for run in runs], ddof=1)) for name in names}
    return figures


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description="Quality on a data folder.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where its files are")
    parser.add_argument("--minutes", type=float, default=30.0, help="everything, for each seed (default: 30)")
    parser.add_argument("--seeds", type=int, default=1, help="how many (default: 1, seed 0)")
    settings_options(parser)
    json_option(parser)
    options = parser.parse_args(words)
    task = Task.read(options.folder)
    runs = []
    for seed in range(options.seeds):
        say(f"seed {seed}")
        runs.append(measure(task, options.minutes, settings_of(options.set, seed), options.cache))
    training = settings_of(options.set, 0).training
    figures: dict[str, float | str] = {**mean_and_spread(runs), "device": device_of(training.device, "training.device")}
    print_figures(figures)
    write_json(figures, options.json)


if __name__ == "__main__":
    main()
