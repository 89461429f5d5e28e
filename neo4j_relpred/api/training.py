"""From a snapshot to a new version of the model, with its report."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from neo4j_relpred.api.cautions import cautions, tuned_otherwise
from neo4j_relpred.api.events import write_events
from neo4j_relpred.api.loaded import Loaded
from neo4j_relpred.api.promotion import compare_with_live, held_out_by
from neo4j_relpred.api.refreshing import beginning
from neo4j_relpred.api.workspace import Progress, Workspace
from neo4j_relpred.config import Settings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.data.profile import profile_of
from neo4j_relpred.data.rejections import rows_of
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.data.splits import Split, draw_lots, split_by_time, split_triples
from neo4j_relpred.data.triple_file import read_triple_file
from neo4j_relpred.errors import TooLittleData
from neo4j_relpred.evaluation.report import Report, evaluate
from neo4j_relpred.model.checkpoint import Checkpoint
from neo4j_relpred.model.layout import CURVES
from neo4j_relpred.model.registry import ModelVersion
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.scoring.scorer import Scorer
from neo4j_relpred.scoring.serving import serve_again
from neo4j_relpred.scoring.unasked import tried_out
from neo4j_relpred.text.processor import device_of
from neo4j_relpred.training.baselines import cheap_baselines
from neo4j_relpred.training.cores import workers_asking
from neo4j_relpred.training.curves import Curves
from neo4j_relpred.training.fit import fit
from neo4j_relpred.training.lesson import Lesson
from neo4j_relpred.training.memory import Size, limit_caches, refuse_too_large

__all__ = ["TRIAL_SHARE", "draw_split", "evaluate_file", "split_snapshot", "train"]

TRIAL_SHARE = 0.12  # of the minutes of a training


def train(
    workspace: Workspace, data: Snapshot, progress: Progress, *, go_on: bool, fresh: bool, gate: bool
) -> tuple[ModelVersion, Report]:
    """Trains, evaluates, calibrates and saves a version; it becomes the live one.

    `go_on` makes it a refresh: it goes on from the live version's weights, in a share of the time. With `gate` the new
    version takes over only if it is not worse beyond a tolerance; without, the report warns where it is. A training of
    the same data and settings that was interrupted is taken up, unless `fresh`. Raises TooLittleData, TooLittleMemory,
    NotFinite, InvalidSettings.
    """
    settings, registry, unfinished = workspace.settings, workspace.registry, workspace.unfinished
    with workspace.exclusive():
        if fresh:
            unfinished.clear()
        limit_caches()
        # once more with the texts when they are encoded, which may take longer than all else
        refuse_too_large(Size(len(data.ids), len(data.triples), len(data.relations)), settings.model, settings.training)
        vectors = torch.from_numpy(workspace.encode(data, progress))
        before = registry.load() if go_on and registry.live_version() is not None else None
        begun = beginning(workspace, data, vectors, before)
        split, warnings = split_snapshot(workspace, data, begun.learnt)
        warnings = (*warnings, *cautions(data, vectors.numpy(), settings.graph.symmetric), *tuned_otherwise(settings))
        warnings = (*warnings, *begun.warnings)
        graph = workspace.graph(data, split.train)
        started = time.monotonic()
        wrong = rows_of(workspace.rejections.read(), data.index, data.relation_index)
        lesson = Lesson(graph, split.holdout, vectors, workspace.words(data), wrong)
        curves = Curves()
        training = begun.settings.training
        training = training.model_copy(update={"minutes": (1 - TRIAL_SHARE) * training.minutes})
        model = fit(lesson, settings.model, training, progress, begun.start, unfinished, curves)
        progress("trial", 0.0)
        here = replace(workspace, settings=begun.settings)
        model = _tried_out(here, model, data, split, wrong)
        seconds = unfinished.earlier + time.monotonic() - started
        report = _evaluate(here, model, data, split, progress)
        device = device_of(settings.training.device, "training.device")
        threads, warnings = settings.training.threads, (*warnings, *report.warnings)
        report = replace(report, seconds=seconds, threads=threads, device=device, warnings=warnings)
        everything = model.over(workspace.graph(data, data.triples))
        learnt = graph.holds(everything.graph.triples)
        about = {**_about(workspace, data), "minutes": begun.settings.training.minutes, **begun.about}
        candidate = Checkpoint(everything, tuple(data.ids), data.relations, about, learnt)
        verdict = compare_with_live(workspace, data, split, candidate, vectors.numpy(), progress)
        if not (verdict.passed or gate):
            report = replace(report, warnings=(*report.warnings, f"Worse than {verdict.against}: {verdict.reason}"))
        about = {**candidate.about, "report": report.to_json(), "gate": verdict.to_json()}
        version = registry.save(replace(candidate, about=about))
        _keep_curves(workspace, version, curves, report)
        unfinished.clear()
        if verdict.passed or not gate:
            registry.promote(version.version)
        return registry.get(version.version), report


def split_snapshot(
    workspace: Workspace, data: Snapshot, learnt: KnowledgeGraph | None = None
) -> tuple[Split, tuple[str, ...]]:
    """The split, and what a reader of the report should be warned of. Raises TooLittleData, InvalidSettings.

    None of the edges in `learnt` is held out.
    """
    settings = workspace.settings
    graph = workspace.graph(data, data.triples)
    lots = draw_lots(data.triples, data.ids, data.relations, str(settings.training.seed), graph.symmetric)
    if learnt is not None:
        lots = lots[~learnt.holds(data.triples)[lots]]
    file = settings.evaluation.test_file
    share = settings.evaluation.test_share if file is None else 0.0
    times = data.edge_property(settings.graph.time_property)
    split = draw_split(data.triples, times, settings, share, lots)
    if graph.symmetric:  # who knows one of two twins knows the other
        seen = workspace.graph(data, np.concatenate([split.train, split.holdout]))
        split = replace(split, test=split.test[~seen.holds(split.test)])
    warnings = []
    if settings.graph.time_property and times is None:
        warnings.append(f"No relationship has the property {settings.graph.time_property!r}: the split is at random.")
    if file is not None:
        test, dropped = read_triple_file(file, data.index, data.relation_index)
        split = replace(split, test=test[~graph.holds(test)])  # a model that saw them would be praised for it
        if dropped:
            warnings.append(f"{dropped} triples of {file.name} name nodes or types that the graph lacks.")
        if len(split.test) < len(test):
            warnings.append(f"{len(test) - len(split.test)} triples of {file.name} stand in the graph: left out.")
    if not len(split.test) or not len(split.holdout):
        raise TooLittleData(
            f"{len(data.triples)} relationships are too few to keep some for the report.",
            hint="Read more labels or types, or raise evaluation.test_share and training.holdout_share.",
        )
    return split, tuple(warnings)


def draw_split(
    triples: IntArray, times: npt.NDArray[Any] | None, settings: Settings, test_share: float, lots: IntArray
) -> Split:
    """Triples (n, 3) in the order of the lots (n,), or by their times (n,) where edges are dated."""
    holdout_share = settings.training.holdout_share
    if times is None:
        return split_triples(triples, holdout_share, test_share, lots)
    return split_by_time(triples, times, holdout_share, test_share, lots)


def evaluate_file(loaded: Loaded, file: Path) -> Report:
    """The live model on the triples of a file that the graph does not hold. Raises InvalidSettings, TooLittleData."""
    serving = loaded.serving
    graph = serving.model.graph
    test, dropped = read_triple_file(file, serving.rows, serving.relation_rows)
    unseen = test[~graph.holds(test)]
    if not len(unseen):
        raise TooLittleData(f"{file} holds no triple that is new to the graph.", hint="Give triples by key property.")
    left_out = len(test) - len(unseen)
    warnings = [f"{dropped} triples name nodes or types that the graph lacks."] if dropped else []
    if left_out:
        warnings.append(f"{left_out} triples stand in the graph: left out.")
    report = evaluate(serving.model, unseen, graph.with_triples(unseen), serving.relations)
    return replace(report, warnings=(*warnings, *report.warnings))


def _tried_out(
    workspace: Workspace, model: TrainedModel, data: Snapshot, split: Split, rejected: IntArray
) -> TrainedModel:
    """The model with what a trial of publishing shows of edges that nobody asked for."""
    settings = workspace.settings
    serving = serve_again(Checkpoint(model, tuple(data.ids), data.relations, {}), data, settings.graph)
    scorer = Scorer(serving, None, rejected, workers_asking(model, settings.training))
    hidden, apart = (workspace.graph(data, triples) for triples in (split.holdout, split.test))
    seconds = 60 * TRIAL_SHARE * settings.training.minutes
    return replace(model, unasked=tried_out(scorer, hidden, apart, seconds, settings.training.seed))


def _evaluate(workspace: Workspace, model: TrainedModel, data: Snapshot, split: Split, progress: Progress) -> Report:
    """Ranks the test triples; held-out edges are known facts by then."""
    progress("evaluate", 0.0)
    training = workspace.settings.training
    # a rival that learns one thing needs no more than a third of what the whole model had
    minutes = min(workspace.settings.evaluation.baseline_minutes, training.minutes / 3)
    rivals = cheap_baselines(model.members, training, minutes) if minutes > 0 else ()
    progress("evaluate", 0.4)
    seen = model.over(model.graph.with_triples(split.holdout))
    known = workspace.graph(data, data.triples).with_triples(split.test)
    workers, minutes = workers_asking(seen, training), workspace.settings.evaluation.minutes
    report = evaluate(seen, split.test, known, data.relations, rivals, minutes, workers=workers)
    progress("evaluate", 1.0)
    return report


def _keep_curves(workspace: Workspace, version: ModelVersion, curves: Curves, report: Report) -> None:
    """Beside the version, and for TensorBoard where that is installed."""
    workspace.registry.note(version.version, CURVES, curves.to_json())
    figures = {
        "entity MRR": report.entities.mrr,
        "entity Hits@10": report.entities.hits_at(10),
        "relation Hits@1": report.relations.hits_at(1),
        "ECE": report.calibration.ece,
        "seconds": report.seconds,
    }
    folder = workspace.settings.home / "tensorboard" / version.name / str(version.version)
    write_events(folder, curves.to_json(), figures, curves.began)


def _about(workspace: Workspace, data: Snapshot) -> dict[str, Any]:
    settings = workspace.settings
    return {
        "snapshot": data.content_hash,
        "encoder": workspace.encoder.fingerprint if settings.text.encoder else "none",
        "trainedAt": datetime.now(UTC).isoformat(timespec="seconds"),
        "minutes": settings.training.minutes,
        "seed": settings.training.seed,
        "heldOutBy": held_out_by(settings),
        "profile": profile_of(data, list(workspace.texts(data))),
    }
