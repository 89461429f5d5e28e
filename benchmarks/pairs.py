"""One relation of a data folder: pairs told from drawn ones, and tails ranked, beside two rivals that cost nothing.

    python -m benchmarks.pairs FOLDER RELATION [--minutes 10] [--symmetric] [--seed 0] [--json FILE]

RELATION is an id of the folder's relations. The model learns all relations of the folder's train and valid parts within
the minutes; scoring comes on top. Its score of a pair is the log odds of both questions that the pair answers; its
ranking of tails is that of one tail question. The protocol: benchmarks/pair_protocol.py.
"""

from __future__ import annotations

import argparse
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.fitting import fit_task, log_odds, settings_of, settings_options
from benchmarks.folders import Task, read_data_set
from benchmarks.output import json_option, print_figures, say, write_json
from benchmarks.pair_protocol import PairTask, figures
from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.training.cores import workers_asking

FloatArray = npt.NDArray[np.float64]
CHUNK = 200


class ModelScorer:
    """Our model."""

    def __init__(self, model: TrainedModel, relation: int, workers: int = 1) -> None:
        self._model, self._relation, self._workers = model, relation, workers

    def pairs(self, pairs: IntArray) -> FloatArray:
        """(n, 2) -> (n,)."""
        heads, tails = pairs.T
        triples = np.stack([heads, np.full(len(pairs), self._relation), tails], axis=1)
        return log_odds(self._model, triples, self._workers)

    def tails(self, heads: IntArray) -> FloatArray:
        """(q,) -> (q, entities)."""
        return self._model.answer_entities(self._relation, heads).full_scores()


class _ByHead(ABC):
    """A rival for whom a pair is one of the tails of its head."""

    def pairs(self, pairs: IntArray) -> FloatArray:
        """(n, 2) -> (n,)."""
        scores = np.empty(len(pairs))
        heads, place = np.unique(pairs[:, 0], return_inverse=True)
        for first in range(0, len(heads), CHUNK):
            mine = (place >= first) & (place < first + CHUNK)
            scores[mine] = self.tails(heads[first : first + CHUNK])[place[mine] - first, pairs[mine, 1]]
        return scores

    @abstractmethod
    def tails(self, heads: IntArray) -> FloatArray:
        """(q,) -> (q, entities)."""


class Popularity(_ByHead):
    """How often a node is a tail of the relation in training."""

    def __init__(self, task: PairTask) -> None:
        stored = task.train if task.symmetric else task.train[:, 1]
        self._counts = np.bincount(stored.ravel(), minlength=len(task.data.ids)).astype(np.float64)

    def tails(self, heads: IntArray) -> FloatArray:
        """(q,) -> (q, entities)."""
        return np.broadcast_to(self._counts, (len(heads), len(self._counts)))


class ShortPaths(_ByHead):
    """Where random walks of the relation end: two steps forward, or forward, back, forward. Popularity parts ties."""

    def __init__(self, task: PairTask) -> None:
        pairs = np.concatenate([task.train, task.train[:, ::-1]]) if task.symmetric else task.train
        self._heads, self._tails = np.unique(pairs, axis=0).T
        self._count = len(task.data.ids)
        self._little = 1e-9 * Popularity(task).tails(np.zeros(1, np.int64))[0]

    def tails(self, heads: IntArray) -> FloatArray:
        """(q,) -> (q, entities)."""
        return np.stack([self._walks(head) for head in heads])

    def _walks(self, head: int) -> FloatArray:
        start = np.zeros(self._count)
        start[head] = 1
        once = self._step(start, self._heads, self._tails)
        twice = self._step(once, self._heads, self._tails)
        back = self._step(once, self._tails, self._heads)
        thrice = self._step(back, self._heads, self._tails)
        return np.asarray(twice + thrice + self._little)

    def _step(self, mass: FloatArray, sources: IntArray, targets: IntArray) -> FloatArray:
        leaving = np.maximum(np.bincount(sources, minlength=self._count), 1)
        return np.bincount(targets, (mass / leaving)[sources], self._count).astype(np.float64)


def measure(task: PairTask, model: TrainedModel, workers: int = 1) -> dict[str, float]:
    """Figures of the model, and with their names before them those of the rivals."""
    started = time.monotonic()
    found = figures(task, ModelScorer(model, task.relation, workers))
    found["scoring_seconds"] = time.monotonic() - started
    for name, rival in (("popularity", Popularity(task)), ("short_paths", ShortPaths(task))):
        found |= {f"{name}_{figure}": value for figure, value in figures(task, rival).items()}
    return found


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pairs", description="One relation of a data folder.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where its files are")
    parser.add_argument("relation", metavar="RELATION", help="id of a relation of it")
    parser.add_argument("--minutes", type=float, default=10.0, help="encoding and training (default: 10)")
    parser.add_argument("--symmetric", action="store_true", help="a stored pair also holds the other way round")
    parser.add_argument("--seed", type=int, default=0, help="of the training (default: 0)")
    settings_options(parser)
    json_option(parser)
    options = parser.parse_args(words)
    data = read_data_set(options.folder)
    if options.relation not in data.relations:
        parser.error(f"{options.folder} has no relation {options.relation!r}; it has {', '.join(data.relations)}")
    relation = data.relations.index(options.relation)
    data = replace(data, symmetric=frozenset({relation} if options.symmetric else ()))
    task = PairTask(data, relation, options.symmetric)
    if not len(task.test):
        parser.error(f"The test part of {options.folder} has no triple of {options.relation!r}.")
    say(f"{len(task.train):,} pairs in train, {len(task.test):,} in test, {len(task.queries()):,} ranked")
    settings = settings_of(options.set, options.seed)
    fitted = fit_task(Task(data, data), options.minutes, settings, options.cache)
    found = {
        **measure(task, fitted.asked, workers_asking(fitted.asked, settings.training)),
        "encoding_seconds": fitted.encoding_seconds,
        "training_seconds": fitted.training_seconds,
    }
    print_figures(found)
    write_json(found, options.json)


if __name__ == "__main__":
    main()
