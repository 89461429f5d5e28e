"""How often published edges are right, without Neo4j: edges that nobody asked for, at base rates.

    python -m benchmarks.published FOLDER [--minutes 3] [--sweep-minutes 3] [--json FILE]

FOLDER holds gzip tables as of benchmarks.quality. Train is what the members learn from, valid what the reasoner and the
calibration are fitted on. Then the graph of both is swept, as a publication does, and the test edges are what it lacks:
about as many as were held out, which base rates assume. A published edge that is no test edge counts as wrong, though
it may be true: data sets lack facts, too. What is measured is a lower bound.

Each figure by three ways: `trial`, as in use: by what a trial over train showed of the edges in valid; `kinds`, with a
base rate for each kind of question alone; and `alike`, with one rate for all. WAY_published: edges of a probability of
.5 or more. WAY_right, WAY_claimed: the share of them that are test edges, and their mean probability. WAY_found: test
edges among as many edges, the most probable ones, as there are test edges, over that number. WAY_calibration_error: of
all edges of a probability of .1 or more, in ten bins of equal number. WAY_precise, WAY_precise_right: what a
publication with a precision of .8 would write, and the share of it that is test edges.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.fitting import fit_task, settings_of, settings_options
from benchmarks.folders import DataSet, Task
from benchmarks.output import json_option, print_figures, say, write_json
from neo4j_relpred.api.training import TRIAL_SHARE
from neo4j_relpred.config import PublishingSettings, Settings
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.scoring.limits import limit
from neo4j_relpred.scoring.scorer import Scorer
from neo4j_relpred.scoring.serving import Serving
from neo4j_relpred.scoring.unasked import tried_out
from neo4j_relpred.training.cores import workers_asking
from neo4j_relpred.triples import ScoredTriple

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
LEAST, PUBLISHED, PRECISE, BINS = 0.1, 0.5, 0.8, 10
MOST = 10_000_000  # edges


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.published", description="How often edges are right.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a graph as tables")
    parser.add_argument("--minutes", type=float, default=3, help="of encoding and training (default: 3)")
    parser.add_argument("--sweep-minutes", type=float, default=3, help="of each sweep at most (default: 3)")
    parser.add_argument("--seed", type=int, default=0)
    settings_options(parser)
    json_option(parser)
    options = parser.parse_args(words)
    figures = measure(options, settings_of(options.set, options.seed))
    print_figures(figures)
    write_json(figures, options.json)


def measure(options: argparse.Namespace, settings: Settings) -> dict[str, float]:
    """The figures."""
    task = Task.read(options.folder)
    if task.inductive:
        raise SystemExit(f"{options.folder} holds two graphs; this benchmark asks about the one that was trained on.")
    data = task.learnt
    learnt = fit_task(task, options.minutes, settings, options.cache).learnt
    seconds = 60 * TRIAL_SHARE * options.minutes  # besides
    workers = workers_asking(learnt, settings.training)
    scorer = Scorer(_serving(data, learnt), workers=workers)
    hidden, nothing = data.graph(data.valid), data.graph(data.test[:0])  # test edges are missing: nobody knows them
    unasked = tried_out(scorer, hidden, nothing, seconds, options.seed)
    plain = learnt.over(data.graph(data.train, data.valid))
    found = dict[str, float]()
    ways = {
        "trial": (replace(plain, unasked=unasked), None),
        "kinds": (plain, None),
        "alike": (plain, plain.base_rate),
    }
    for name, (model, rate) in ways.items():
        scorer = Scorer(_serving(data, model), rate, workers=workers)
        triples, right = _swept(data, scorer, options.sweep_minutes)
        found |= {f"{name}_{key}": value for key, value in _figures(triples, right, len(data.test)).items()}
    return found


def _serving(data: DataSet, model: TrainedModel) -> Serving:
    names = tuple(data.ids), tuple(data.names)
    return Serving(model, *names, data.labels, np.ones(len(data.ids), bool), data.relations)


def _swept(data: DataSet, scorer: Scorer, minutes: float) -> tuple[list[ScoredTriple], Mask]:
    """Each edge that a sweep finds, the most probable first, and whether it is a test edge."""
    settings = PublishingSettings(min_probability=0.0, minutes=minutes, max_edges=MOST)
    triples = scorer.sweep(data.relations, settings, say=say).triples
    true = set(map(tuple, data.test.tolist()))
    right = [scorer.serving.triple_row(one.triple) in true for one in triples]
    return triples, np.array(right, bool)


def _figures(triples: Sequence[ScoredTriple], right: Mask, tests: int) -> dict[str, float]:
    probability: Floats = np.array([one.probability for one in triples])
    precise = {one.triple for one in limit(triples, PublishingSettings(precision=PRECISE, max_edges=MOST)).triples}
    sure = np.array([one.triple in precise for one in triples], bool)
    chosen, likely = probability >= PUBLISHED, probability >= LEAST
    bins = zip(np.array_split(probability[likely], BINS), np.array_split(right[likely], BINS), strict=True)
    off = sum(abs(float(p.sum()) - float(r.sum())) for p, r in bins)
    return {
        "precise": float(sure.sum()),
        "precise_right": float(right[sure].mean()) if sure.any() else float("nan"),
        "published": float(chosen.sum()),
        "right": float(right[chosen].mean()) if chosen.any() else float("nan"),
        "claimed": float(probability[chosen].mean()) if chosen.any() else float("nan"),
        "found": float(right[:tests].sum() / tests),
        "calibration_error": off / max(1, int(likely.sum())),
    }


if __name__ == "__main__":
    main()
