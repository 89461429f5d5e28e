"""What a model is trained on, and a fingerprint of all that decides which weights come of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neo4j_relpred import __version__
from neo4j_relpred.config import ModelSettings, TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, closed
from neo4j_relpred.model.grown import Start
from neo4j_relpred.model.words import Words
from neo4j_relpred.text.processor import device_of, multiplies_bf16

__all__ = ["Lesson", "fingerprint"]


@dataclass(frozen=True)
class Lesson:
    """train: the graph; holdout (n, 3): triples that no member sees, for the reasoners and the calibration.

    vectors: (entities, text width) from the encoder; words: one row per entity; rejected (n, 3): triples that people
    found false.
    """

    train: KnowledgeGraph
    holdout: IntArray
    vectors: Tensor
    words: Words | None = None
    rejected: IntArray = field(default_factory=lambda: np.empty((0, 3), np.int64))

    def distinct(self) -> Lesson:
        """Each edge once, and none held out that is trained on: a second copy would give the first's answer away."""
        train = self.train
        holdout = closed(self.holdout, train.symmetric)
        keys = np.sort(train.keys(train.triples))  # np.unique and np.isin of ten million take a hundred times as long
        if (keys[1:] == keys[:-1]).any():
            train = train.with_triples(train.triples[:0])
        held, first = np.unique(train.keys(holdout), return_index=True)
        trained = np.searchsorted(keys, held, side="right") > np.searchsorted(keys, held)
        chosen = np.sort(first[~trained])
        holdout = holdout if len(chosen) == len(holdout) else holdout[chosen]
        return replace(self, train=train, holdout=holdout)


def fingerprint(lesson: Lesson, model: ModelSettings, settings: TrainingSettings, start: Start | None) -> str:
    """SHA-256 in hex of data, settings, lent weights and what computes."""
    device = device_of(settings.device, "training.device")
    versions = [__version__, torch.__version__, np.__version__, device, multiplies_bf16(device)]
    shape = [lesson.train.num_entities, lesson.train.num_relations, *sorted(lesson.train.symmetric)]
    words = json.dumps([versions, shape, model.model_dump(), settings.model_dump()], sort_keys=True)
    digest = hashlib.sha256(words.encode())
    for name, array in _arrays(lesson, start):
        digest.update(f"\0{name}\0{array.dtype}\0{array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _arrays(lesson: Lesson, start: Start | None) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    yield "train", lesson.train.triples
    yield "holdout", lesson.holdout
    yield "rejected", lesson.rejected
    yield "vectors", lesson.vectors.numpy()
    if lesson.words is not None:
        for kind in fields(lesson.words):
            bags = getattr(lesson.words, kind.name)
            yield f"{kind.name}.offsets", bags.offsets
            yield f"{kind.name}.tokens", bags.tokens
    if start is not None:
        yield "centre", start.centre.numpy()
        for name in ("structure", "tower", "head", "entity_reasoner", "relation_reasoner"):
            part = getattr(start, name)
            for key, value in part.state_dict().items() if part is not None else ():
                yield f"{name}.{key}", value.numpy()
