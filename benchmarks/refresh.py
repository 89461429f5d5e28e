"""A refresh from the live weights beside the stale model and a full retraining, after a tenth of the edges changed.

    python -m benchmarks.refresh FOLDER [--minutes 4] [--seed 0] [--parts refresh sync] [--json FILE]

FOLDER as for benchmarks.quality. The old graph is all edges of it but a tenth, and some nodes of it have none yet. Then
a tenth of the old edges goes, and that tenth comes. Part of what came is kept for the measure, and nothing learns from
it: entity MRR on it of the model of the old graph (stale), of the refresh and of the full retraining, each over the
present graph. Shares are of the full retraining's MRR and of its seconds. Minutes are those of a full training.
Encoding the texts is no part of the seconds: a refresh finds them encoded. The figures of a sync are those of
benchmarks.syncing, which starts a server of its own.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.fitting import Stages, encoded, open_texts, settings_of, settings_options
from benchmarks.folders import DataSet, read_data_set
from benchmarks.output import json_option, print_figures, say, write_json
from benchmarks.syncing import sync_figures
from neo4j_relpred.config import Settings, TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.data.splits import draw_lots, split_triples
from neo4j_relpred.evaluation.report import evaluate
from neo4j_relpred.model.grown import grown
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.model.words import Words
from neo4j_relpred.training.cores import prepare_torch, workers_asking
from neo4j_relpred.training.fit import fit
from neo4j_relpred.training.lesson import Lesson

PARTS = ("refresh", "sync")
REPLACED = 0.1  # of the edges
NEW_NODES = 0.3  # of the edges that come: those of nodes that come with them
MEASURED, MOST_MEASURED = 0.3, 1_500  # of the edges that come


@dataclass(frozen=True)
class Change:
    """Edges (n, 3) of the old graph and of the present one, and those of the measure; nodes of the old graph."""

    old: IntArray
    present: IntArray
    measured: IntArray
    nodes: IntArray

    @classmethod
    def of(cls, data: DataSet, seed: int) -> Change:
        """A tenth of all edges comes, while a tenth of the others goes."""
        rng = np.random.default_rng([seed, 1])
        every = rng.permutation(np.unique(np.concatenate([data.train, data.valid, data.test]), axis=0))
        ends, count = every[:, [0, 2]], round(REPLACED * len(every))
        late = np.zeros(len(data.ids), bool)
        for node in rng.permutation(len(data.ids)):
            if late[ends].any(1).sum() >= NEW_NODES * count:
                break
            late[node] = True
        comes = late[ends].any(1)
        comes[np.flatnonzero(~comes)[: max(0, count - comes.sum())]] = True
        came, old = rng.permutation(every[comes]), every[~comes]
        measured = min(round(MEASURED * len(came)), MOST_MEASURED)
        present = np.concatenate([old[round(REPLACED * len(old)) :], came[measured:]])  # old ones are in no order
        return cls(old, present, came[:measured], np.unique(old[:, [0, 2]]))


@dataclass(frozen=True)
class Trained:
    """nodes: (n,) which of the data set the rows of the model are; learnt: (m, 3) edges in rows of the data set."""

    model: TrainedModel
    nodes: IntArray
    learnt: IntArray
    seconds: float


class Learning:
    """Trainings on a data set. Triples (m, 3) and nodes (n,) are rows of it."""

    def __init__(self, data: DataSet, settings: Settings, cache: Path | None) -> None:
        self._data, self._settings = data, settings
        prepare_torch(settings.training)
        self._vectors = encoded(open_texts(settings, cache), data.texts)

    def fit(
        self, training: TrainingSettings, triples: IntArray, nodes: IntArray, live: Trained | None = None
    ) -> Trained:
        """From scratch or from what is live, holding out what a training of the service would."""
        began, data, start = time.monotonic(), self._data, None
        lots = draw_lots(triples, data.ids, data.relations, str(training.seed), data.symmetric)
        if live is not None:
            rows = np.full(len(data.ids), -1)
            rows[live.nodes] = np.arange(len(live.nodes))
            start = grown(live.model, rows[nodes], np.arange(len(data.relations)), training.seed)
            lots = lots[~data.graph(live.learnt).holds(triples)[lots]]
        split = split_triples(triples, training.holdout_share, 0.0, lots)
        train, holdout = (self._graph(part, nodes) for part in (split.train, split.holdout))
        lesson = Lesson(train, holdout.triples, self._vectors[nodes], self._words(nodes))
        model = fit(lesson, self._settings.model, training, Stages(), start)
        return Trained(model, nodes, split.train, time.monotonic() - began)

    def mrr(self, trained: Trained, change: Change) -> float:
        """Entity MRR on what came and was kept for the measure; every true edge filters."""
        nodes = np.concatenate([trained.nodes, np.setdiff1d(np.arange(len(self._data.ids)), trained.nodes)])
        present, measured = (self._graph(part, nodes) for part in (change.present, change.measured))
        model = trained.model.over(present, self._vectors[nodes], self._words(nodes))
        known, workers = present.with_triples(measured.triples), workers_asking(model, self._settings.training)
        report = evaluate(model, measured.triples, known, self._data.relations, settled=present, workers=workers)
        return report.entities.mrr

    def _graph(self, triples: IntArray, nodes: IntArray) -> KnowledgeGraph:
        """Over these nodes, row by row."""
        rows = np.full(len(self._data.ids), -1)
        rows[nodes] = np.arange(len(nodes))
        moved = np.stack([rows[triples[:, 0]], triples[:, 1], rows[triples[:, 2]]], axis=1)
        return KnowledgeGraph.of(len(nodes), len(self._data.relations), moved, self._data.symmetric)

    def _words(self, nodes: IntArray) -> Words:
        return Words.of([self._data.names[node] for node in nodes], [self._data.texts[node] for node in nodes])


def refresh_figures(data: DataSet, settings: Settings, cache: Path | None) -> dict[str, float]:
    """What a refresh reaches of a full retraining, and in which share of its time."""
    change, everyone = Change.of(data, settings.training.seed), np.arange(len(data.ids))
    learning = Learning(data, settings, cache)
    say(f"{len(change.old)} edges of {len(change.nodes)} nodes, then {len(change.present)} of {len(everyone)}")
    live = learning.fit(settings.training, change.old, change.nodes)
    stale = learning.mrr(live, change)
    say(f"stale {stale:.4f}")
    refreshed = learning.fit(settings.refreshing().training, change.present, everyone, live)
    refresh = learning.mrr(refreshed, change)
    say(f"refresh {refresh:.4f} in {refreshed.seconds:.0f} s")
    retrained = learning.fit(settings.training, change.present, everyone)
    full = learning.mrr(retrained, change)
    say(f"full retraining {full:.4f} in {retrained.seconds:.0f} s")
    return {
        "stale_mrr": stale,
        "refresh_mrr": refresh,
        "full_mrr": full,
        "stale_mrr_share": stale / full,
        "refresh_mrr_share": refresh / full,
        "refresh_time_share": refreshed.seconds / retrained.seconds,
    }


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refresh", description="A refresh and a retraining.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where its files are")
    parser.add_argument("--minutes", type=float, default=4.0, help="of a full training (default: 4)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure (default: both); sync starts a Neo4j"
    )
    settings_options(parser)
    json_option(parser)
    options = parser.parse_args(words)
    settings = settings_of([*options.set, f"training.minutes={options.minutes}"], options.seed)
    figures: dict[str, float] = {}
    if "refresh" in options.parts:
        figures |= refresh_figures(read_data_set(options.folder), settings, options.cache)
    if "sync" in options.parts:
        figures |= sync_figures(options.folder, options.minutes)
    print_figures(figures)
    write_json(figures, options.json)


if __name__ == "__main__":
    main()
