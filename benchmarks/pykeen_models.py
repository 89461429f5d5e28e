"""PyKEEN's models, trained within a time and ranked as ours are. Importing it needs PyKEEN.

ComplEx has the settings of PyKEEN's reproduction of its paper, which the package carries. RotatE and TransE have
PyKEEN's defaults: the reproductions of their papers are made for hours on a GPU, and trail far behind after minutes.
Each is looked at several times on the valid part, and the best of its states is what is ranked in the end.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pykeen.models import model_resolver
from pykeen.optimizers import optimizer_resolver
from pykeen.training import SLCWATrainingLoop
from pykeen.triples import CoreTriplesFactory

from benchmarks.folders import DataSet
from benchmarks.output import say
from neo4j_relpred.data.knowledge_graph import IntArray, both_directions
from neo4j_relpred.evaluation.ranking import Ranks, filtered_ranks, summarize
from neo4j_relpred.model.chunks import chunks_by_relation

__all__ = ["MODELS", "PykeenModel", "train"]

FloatArray = npt.NDArray[np.floating]
MODELS: Mapping[str, tuple[str, str | None]] = {  # name in PyKEEN, and its reproduction where that is what is used
    "complex": ("ComplEx", "complex/trouillon2016_complex_fb15k.json"),
    "rotate": ("RotatE", None),
    "transe": ("TransE", None),
}
BATCH = 256  # where nothing is said: what PyKEEN's pipeline takes
ENDLESS = 1_000_000  # epochs; time ends the training
LOOKS = 8  # at the valid part
LOOKED_AT = 300  # triples of it
MEMORY = 32_000_000  # numbers in the largest array of a scoring


class PykeenModel:
    """A rival: scores of PyKEEN's model."""

    def __init__(self, name: str, model: Any, data: DataSet) -> None:
        self.name = name
        self._model, self._count = model, len(data.relations)
        numbers = sum(weights.numel() for weights in model.entity_representations.parameters())
        self._chunk = max(1, MEMORY // numbers)

    def entity_scores(self, relation: int, anchors: IntArray) -> FloatArray:
        """(q,) -> (q, entities); inverses are asked as heads."""
        return np.concatenate([self._entity_scores(relation, part) for part in self._parts(anchors)])

    def relation_scores(self, heads: IntArray, tails: IntArray) -> FloatArray:
        """(q,) pairs -> (q, R)."""
        parts = self._parts(np.stack([heads, tails], axis=1))
        return np.concatenate([self._scores(self._model.score_r, part) for part in parts])

    def _entity_scores(self, relation: int, anchors: IntArray) -> FloatArray:
        asked = np.full_like(anchors, relation % self._count)
        if relation < self._count:
            return self._scores(self._model.score_t, np.stack([anchors, asked], axis=1))
        return self._scores(self._model.score_h, np.stack([asked, anchors], axis=1))

    def _parts(self, rows: IntArray) -> list[IntArray]:
        return [rows[first : first + self._chunk] for first in range(0, len(rows), self._chunk)]

    @torch.no_grad()
    def _scores(self, score: Any, rows: IntArray) -> FloatArray:
        self._model.eval()
        scores: FloatArray = score(torch.from_numpy(rows)).numpy()
        return scores


class _Looks:
    """What PyKEEN calls a stopper: looks at the valid part from time to time, keeps the best state, ends on time."""

    best_epoch = None  # of the states that PyKEEN keeps: none

    def __init__(self, rival: PykeenModel, model: Any, data: DataSet, ends: float) -> None:
        self._rival, self._model, self._data = rival, model, data
        self._asked = np.random.default_rng(0).permutation(data.valid)[:LOOKED_AT]
        self._known = data.graph(data.train, data.valid)
        self._pause = (ends - time.monotonic()) / LOOKS
        self._ends, self._next = ends, time.monotonic() + self._pause
        self.best, self.state, self.epoch = -1.0, model.state_dict(), 0

    def should_evaluate(self, epoch: int) -> bool:
        self.epoch = epoch
        return time.monotonic() >= min(self._next, self._ends)

    def should_stop(self, epoch: int) -> bool:
        reached = self._mrr()
        say(f"{self._ends - time.monotonic():6.0f} s left  {self._rival.name}, epoch {epoch}: {reached:.3f} on valid")
        if reached > self.best:
            self.best = reached
            self.state = {name: value.clone() for name, value in self._model.state_dict().items()}
        self._model.train()
        self._next = time.monotonic() + self._pause
        return time.monotonic() >= self._ends

    def _mrr(self) -> float:
        queries, parts = both_directions(self._asked, self._known.num_relations), []
        for relation, rows in chunks_by_relation(queries[:, 1], self._known.num_entities):
            anchors = queries[rows, 0]
            mask = np.zeros((len(rows), self._known.num_entities), bool)
            mask[self._known.answers(anchors, queries[rows, 1])] = True
            parts.append(filtered_ranks(self._rival.entity_scores(relation, anchors), queries[rows, 2], mask))
        return summarize(Ranks.concatenate(parts)).mrr


def train(name: str, data: DataSet, minutes: float, seed: int) -> tuple[PykeenModel, dict[str, float]]:
    """A model of MODELS on the train part, and its epochs and seconds, all looks included."""
    started = time.monotonic()
    kind, reproduction = MODELS[name]
    settings = _reproduced(reproduction) if reproduction else {}
    triples = CoreTriplesFactory.create(torch.from_numpy(data.train), len(data.ids), len(data.relations))
    parts = ("loss", "loss_kwargs", "regularizer", "regularizer_kwargs")
    chosen = {part: settings[part] for part in parts if part in settings}
    model = model_resolver.make(kind, settings.get("model_kwargs"), triples_factory=triples, random_seed=seed, **chosen)
    optimizer = optimizer_resolver.make(
        settings.get("optimizer"), settings.get("optimizer_kwargs"), params=model.get_grad_params()
    )
    sampling = {part: settings[part] for part in ("negative_sampler", "negative_sampler_kwargs") if part in settings}
    rival = PykeenModel(name, model, data)
    looks = _Looks(rival, model, data, started + 60 * minutes)
    SLCWATrainingLoop(model=model, triples_factory=triples, optimizer=optimizer, **sampling).train(
        triples,
        num_epochs=ENDLESS,
        batch_size=settings.get("training_kwargs", {}).get("batch_size", BATCH),
        stopper=looks,
        use_tqdm=False,
    )
    model.load_state_dict(looks.state)
    return rival, {"epochs": float(looks.epoch), "training_seconds": time.monotonic() - started}


def _reproduced(file: str) -> dict[str, Any]:
    """The settings of a reproduction that PyKEEN carries."""
    text = files("pykeen").joinpath("experiments", *file.split("/")).read_text(encoding="utf-8")
    settings: dict[str, Any] = json.loads(text)["pipeline"]
    return settings
