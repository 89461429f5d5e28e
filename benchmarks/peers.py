"""Our model beside PyKEEN's on a data folder: the same triples, minutes and cores, ranked by one rule in one run.

    python -m benchmarks.peers FOLDER [--minutes 10] [--models complex,rotate,transe] [--json FILE]

Needs PyKEEN: pip install -e ".[peers]". Each system has the minutes, ours for encoding the texts too; a training of
PyKEEN's ends with an epoch, maybe later. All learn from train and choose by valid; ours also fits its reasoner on it.
All are ranked on the same test triples, a random part of them where ranking takes long, which it does for RotatE.
Ours learns in two processes of one thread where there are two cores, PyKEEN's in one of two threads; with
`--set training.workers=1` both have one core. PyKEEN's models know no text; settings: benchmarks/pykeen_models.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from benchmarks.fitting import fit_task, report_of, settings_of, settings_options
from benchmarks.folders import Task
from benchmarks.output import json_option, print_figures, say, write_json
from neo4j_relpred.evaluation.ranking import RankSummary
from neo4j_relpred.evaluation.report import Report
from neo4j_relpred.training.cores import prepare_torch, workers_asking

KINDS = {"entity": (1, 10), "relation": (1,)}  # of queries, and the ranks up to which hits count


def figures(report: Report) -> dict[str, float]:
    """Ours, each peer's, and ours as a ratio to the best of theirs."""
    ours = {"ours": (report.entities, report.relations)}
    theirs = {name: (scores.entities, scores.relations) for name, scores in report.baselines.items()}
    found: dict[str, float] = {}
    for name, summaries in (ours | theirs).items():
        for kind, summary in zip(KINDS, summaries, strict=True):
            if summary is not None:
                found |= {f"{name}_{figure}": value for figure, value in _of(kind, summary).items()}
    for figure in ("entity_mrr", "relation_hits_at_1"):
        best = max((found.get(f"{name}_{figure}", 0.0) for name in theirs), default=0.0)
        if best > 0:
            found[f"ratio_{figure}"] = found[f"ours_{figure}"] / best
    return found


def _of(kind: str, summary: RankSummary) -> dict[str, float]:
    hits = {f"{kind}_hits_at_{k}": summary.hits_at(k) for k in KINDS[kind]}
    return {f"{kind}_mrr": summary.mrr, **hits}


def _pykeen() -> Any:
    """The module that needs PyKEEN."""
    try:
        return import_module("benchmarks.pykeen_models")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "pykeen":
            raise
        raise SystemExit('PyKEEN is not installed: pip install -e ".[peers]"') from error


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="Our model beside PyKEEN's.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where its files are")
    parser.add_argument("--minutes", type=float, default=10.0, help="training of each system (default: 10)")
    parser.add_argument("--ranking-minutes", type=float, default=10.0, help="then a random part is left (default: 10)")
    parser.add_argument("--models", default="complex,rotate,transe", help="which of PyKEEN's, with commas between")
    parser.add_argument("--seed", type=int, default=0, help="of all trainings (default: 0)")
    settings_options(parser)
    json_option(parser)
    options = parser.parse_args(words)
    pykeen = _pykeen()
    names = options.models.split(",")
    if unknown := [name for name in names if name not in pykeen.MODELS]:
        parser.error(f"There is no {', '.join(unknown)}; there are {', '.join(pykeen.MODELS)}.")
    task = Task.read(options.folder)
    if task.inductive:
        parser.error(f"{options.folder} asks about entities that are not trained on; PyKEEN's models know no others.")
    data, settings = task.asked, settings_of(options.set, options.seed)
    fitted = fit_task(task, options.minutes, settings, options.cache)
    rivals, spent = [], {"ours_training_seconds": fitted.encoding_seconds + fitted.training_seconds}
    torch.set_num_threads(workers_asking(fitted.asked, settings.training))  # as many cores as ours had
    for name in names:
        rival, costs = pykeen.train(name, data, options.minutes, options.seed)
        rivals.append(rival)
        spent |= {f"{name}_{cost}": value for cost, value in costs.items()}
    prepare_torch(settings.training)
    say("ranking")
    report = report_of(task, fitted.asked, rivals, settings, options.ranking_minutes)
    for warning in report.warnings:
        say(warning)
    found = {**figures(report), "test_triples": float(report.triples), **spent}
    print_figures(found)
    write_json(found, options.json)


if __name__ == "__main__":
    main()
