"""Our model trained on a data folder within a time: what the benchmarks of quality share."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.folders import Task
from benchmarks.output import say
from neo4j_relpred.config import Settings
from neo4j_relpred.data.knowledge_graph import IntArray, both_directions
from neo4j_relpred.evaluation.report import Report, evaluate
from neo4j_relpred.evaluation.trial import Baseline
from neo4j_relpred.model.chunks import ask_by_relation
from neo4j_relpred.model.members import Members
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.model.words import Words
from neo4j_relpred.text.cache import CachedEncoder
from neo4j_relpred.text.encoder import Encoder, open_encoder
from neo4j_relpred.training.cores import prepare_torch, workers_asking, workers_wanted
from neo4j_relpred.training.fit import fit
from neo4j_relpred.training.lesson import Lesson

__all__ = [
    "Fitted",
    "Stages",
    "encoded",
    "fit_task",
    "log_odds",
    "open_texts",
    "ranking_minutes",
    "report_of",
    "settings_of",
    "settings_options",
]

FloatArray = npt.NDArray[np.float64]
SMALLEST = 1e-9  # probability
WANTED = 16  # triples at most that are candidates of one question together
RANKING_SHARE = 0.13  # of a benchmark's time, kept for baselines that train and for ranking the test triples
LEAST_RANKING, MOST_OF_IT = 1.2, 0.3  # minutes that it takes however few they are, but not more than this share
RANKED_SECONDS = 0.022  # of each triple, on one core, where candidates are some ten thousand


@dataclass(frozen=True)
class Fitted:
    """learnt: the model as trained; asked: over the training edges of what is asked about."""

    learnt: TrainedModel
    asked: TrainedModel
    encoding_seconds: float
    training_seconds: float


def ranking_minutes(minutes: float, triples: int, settings: Settings) -> float:
    """What is kept of a benchmark's minutes for baselines that train and for ranking so many test triples."""
    needed = LEAST_RANKING + triples * RANKED_SECONDS / 60 / workers_wanted(settings.training)
    return max(RANKING_SHARE * minutes, min(needed, MOST_OF_IT * minutes))


def fit_task(task: Task, minutes: float, settings: Settings, cache: Path | None) -> Fitted:
    """Encodes the texts and trains, all in these minutes: train for the members, valid for reasoner and calibration."""
    started = time.monotonic()
    prepare_torch(settings.training)
    encoder = open_texts(settings, cache)
    distinct = [task.learnt, task.asked] if task.inductive else [task.learnt]
    vectors = [encoded(encoder, data.texts) for data in distinct]
    done = time.monotonic()
    left = minutes - (done - started) / 60
    training = settings.training.model_copy(update={"minutes": left})
    words = [Words.of(data.names, data.texts) for data in distinct]
    learnt, asked = task.learnt, task.asked.graph(task.asked.train)
    lesson = Lesson(learnt.graph(learnt.train), learnt.valid, vectors[0], words[0])
    model = fit(lesson, settings.model, training, progress=Stages())
    seen = model.moved(asked, vectors[1], words[1]) if task.inductive else model.over(asked)
    fitted = Fitted(model, seen, done - started, time.monotonic() - done)
    say(f"encoded in {fitted.encoding_seconds:.0f} s, trained in {fitted.training_seconds:.0f} s")
    return fitted


def open_texts(settings: Settings, cache: Path | None) -> Encoder:
    """The text encoder, behind a cache where one is named."""
    encoder = open_encoder(settings.text, threads=settings.training.threads)
    return encoder if cache is None else CachedEncoder(encoder, cache)


def encoded(encoder: Encoder, texts: Sequence[str]) -> torch.Tensor:
    """(texts, text width); no columns where no text says anything."""
    return torch.from_numpy(encoder.encode(texts)) if any(texts) else torch.zeros(len(texts), 0)


def report_of(
    task: Task, model: TrainedModel, rivals: Sequence[Baseline], settings: Settings, minutes: float = float("inf")
) -> Report:
    """Test triples, or a random part when the minutes are over; every true triple filters.

    Those that the reasoner was fitted on are known.
    """
    data = task.asked
    known, settled = data.graph(data.train, data.valid, data.test), data.graph(data.train, data.valid)
    workers = workers_asking(model, settings.training)
    return evaluate(model, data.test, known, data.relations, tuple(rivals), minutes, settled, workers)


def log_odds(model: TrainedModel, triples: IntArray, workers: int = 1) -> FloatArray:
    """(n,): log odds as an answer to the tail question plus those as an answer to the head question.

    Triples that answer the same question are candidates of it together, some at a time: it is asked once for them.
    """
    together = max(1, min(WANTED, model.members.settings.candidates // 4))
    asked = both_directions(triples, model.graph.num_relations)
    order = np.lexsort((asked[:, 0], asked[:, 1]))
    rows = asked[order]
    starts = np.flatnonzero(np.diff(rows[:, 0], prepend=-1) | np.diff(rows[:, 1], prepend=-1))
    position = np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))  # among its question's
    column, line = position % together, np.cumsum(position % together == 0) - 1
    questions = rows[column == 0]
    wanted = np.repeat(questions[:, 2:], together, axis=1)  # filled up with the first
    wanted[line, column] = rows[:, 2]
    found = np.zeros(wanted.shape)

    def ask(members: Members, relation: int, chosen: IntArray) -> None:
        asking = replace(model, members=members)
        answers = asking.answer_entities(relation, questions[chosen, 0], wanted=wanted[chosen])
        place = (answers.candidates[:, None] == wanted[chosen][..., None]).argmax(2)  # (q, together)
        found[chosen] = np.take_along_axis(answers.probabilities, place, 1)

    for _ in ask_by_relation(ask, questions[:, 1], model.graph.num_entities, model.members, workers):
        pass  # each chunk keeps its own
    p = np.empty(len(rows))
    p[order] = np.clip(found[line, column], SMALLEST, 1 - SMALLEST)
    total: FloatArray = (np.log(p) - np.log1p(-p)).reshape(2, -1).sum(0)
    return total


def settings_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cache", type=Path, metavar="FILE", help="keep text vectors here between runs")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.NAME=VALUE", help="another setting")


def settings_of(chosen: Sequence[str], seed: int) -> Settings:
    """The defaults, with this seed and what `--set` chose."""
    given: dict[str, dict[str, str | int]] = {"training": {"seed": seed}}
    for word in chosen:
        place, value = word.split("=", 1)
        section, name = place.split(".")
        given.setdefault(section, {})[name] = value
    return Settings.model_validate(given)


class Stages:
    """Says once when a stage begins."""

    def __init__(self) -> None:
        self._started, self._last = time.monotonic(), ""

    def __call__(self, stage: str, share: float) -> None:
        if stage != self._last:
            say(f"{time.monotonic() - self._started:6.0f} s  {stage}")
            self._last = stage
