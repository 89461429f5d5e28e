"""A large graph within a time and a memory: seconds of each stage, peak memory, and ranks beside popularity.

    python -m benchmarks.scale [--nodes 1000000] [--edges 10000000] [--relations 20] [--minutes 10] [--json FILE]

The graph is made up (benchmarks/synthetic.py), with vectors in place of texts. Minutes are those of the training; after
it, a random sample of test triples is ranked among all nodes for --ranking-minutes.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from benchmarks.fitting import settings_of
from benchmarks.output import json_option, print_figures, say, write_json
from benchmarks.synthetic import synthetic_graph
from neo4j_relpred.config import Settings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.data.splits import split_triples
from neo4j_relpred.evaluation.report import Report, evaluate
from neo4j_relpred.training.baselines import Frequency, Popularity
from neo4j_relpred.training.cores import prepare_torch, workers_asking
from neo4j_relpred.training.fit import fit
from neo4j_relpred.training.lesson import Lesson
from neo4j_relpred.training.memory import Size, demand

UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes


class Stages:
    """Seconds and peak memory of each stage, told when the next one begins."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began, self._stage = time.monotonic(), ""

    def __call__(self, stage: str, share: float = 0.0) -> None:
        """`stage` goes on, or begins."""
        if stage == self._stage:
            return
        now = time.monotonic()
        if self._stage:
            spent = now - self._began
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + spent
            say(f"{self._stage:<18} {spent:7.1f} s, peak until then {peak_gb():5.2f} GB")
        self._began, self._stage = now, stage


def peak_gb() -> float:
    """The most memory that this process has had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT / 1e9


def measure(triples: IntArray, vectors: Tensor, relations: int, settings: Settings) -> dict[str, float]:
    """Trains, ranks, and gives the figures."""
    stages = Stages()
    stages("split")
    rng = np.random.default_rng([settings.training.seed, 0])
    lots = rng.permutation(len(triples))
    split = split_triples(triples, settings.training.holdout_share, settings.evaluation.test_share, lots)
    graph = KnowledgeGraph(len(vectors), relations, split.train)
    size = Size(len(vectors), len(triples), relations, vectors.shape[1], len(split.holdout))
    estimate = peak_gb() + sum(demand(size, settings.model, settings.training).values()) / 1e9
    began = time.monotonic()
    stages("rules")  # told of by `fit` when they are done
    model = fit(Lesson(graph, split.holdout, vectors), settings.model, settings.training, progress=stages)
    training = time.monotonic() - began
    training_peak = peak_gb()
    stages("seen edges")
    seen = model.over(graph.with_triples(split.holdout))
    stages("ranking")
    known = KnowledgeGraph(len(vectors), relations, triples)
    names = tuple(f"r{number}" for number in range(relations))
    rivals = (Frequency(seen.graph), Popularity(seen.graph))
    workers = workers_asking(seen, settings.training)
    report = evaluate(seen, split.test, known, names, rivals, settings.evaluation.minutes, workers=workers)
    stages("end")
    for warning in report.warnings:
        say(warning)
    costs = {f"seconds_{stage.replace(' ', '_')}": spent for stage, spent in stages.seconds.items()}
    peaks = {
        "training_seconds": training,
        "training_peak_gb": training_peak,
        "peak_gb": peak_gb(),
        "estimated_peak_gb": estimate,
    }
    return {"edges": float(len(triples)), **peaks, **costs, **_figures(report)}


def _figures(report: Report) -> dict[str, float]:
    frequency, popularity = report.baselines["frequency"].relations, report.baselines["popularity"].entities
    assert frequency is not None
    assert popularity is not None
    return {
        "ranked_triples": float(report.triples),
        "entity_mrr": report.entities.mrr,
        "entity_hits_at_10": report.entities.hits_at(10),
        "popularity_entity_mrr": popularity.mrr,
        "relation_hits_at_1": report.relations.hits_at(1),
        "frequency_relation_hits_at_1": frequency.hits_at(1),
        "ece_entities": report.calibration.entities.ece,
        "ece_relations": report.calibration.relations.ece,
    }


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description="A large graph, made up.")
    parser.add_argument("--nodes", type=int, default=1_000_000, help="how many (default: 1000000)")
    parser.add_argument("--edges", type=int, default=10_000_000, help="how many (default: 10000000)")
    parser.add_argument("--relations", type=int, default=20, help="types of them (default: 20)")
    parser.add_argument("--text-width", type=int, default=64, help="of the vectors in place of texts; 0 for none")
    parser.add_argument("--minutes", type=float, default=10.0, help="training (default: 10)")
    parser.add_argument("--ranking-minutes", type=float, default=1.5, help="ranking test triples (default: 1.5)")
    parser.add_argument("--seed", type=int, default=0, help="of the graph and the training (default: 0)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.NAME=VALUE", help="another setting")
    json_option(parser)
    options = parser.parse_args(words)
    times = [f"training.minutes={options.minutes}", f"evaluation.minutes={options.ranking_minutes}"]
    settings = settings_of([*times, *options.set], options.seed)
    prepare_torch(settings.training)
    triples, vectors = synthetic_graph(
        options.nodes, options.edges, options.relations, options.text_width, options.seed
    )
    say(f"{len(triples):,} edges of {options.nodes:,} nodes are made")
    figures = measure(triples, vectors, options.relations, settings)
    print_figures(figures)
    write_json(figures, options.json)


if __name__ == "__main__":
    main()
