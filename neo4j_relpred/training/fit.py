"""Trains a whole model within a time budget: members, relation head, reasoners, calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neo4j_relpred.config import ModelSettings, TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, both_directions, closed
from neo4j_relpred.errors import TooLittleData
from neo4j_relpred.model.calibration import Calibration
from neo4j_relpred.model.encoding import encode_all
from neo4j_relpred.model.grown import Start, lend
from neo4j_relpred.model.members import Members
from neo4j_relpred.model.reasoner import Reasoners
from neo4j_relpred.model.relation_head import RelationHead
from neo4j_relpred.model.rules import Rules, mine_rules
from neo4j_relpred.model.structure import ComplEx
from neo4j_relpred.model.tower import Tower
from neo4j_relpred.model.trained import TrainedModel, centred
from neo4j_relpred.model.unasked import Unasked
from neo4j_relpred.model.words import Words
from neo4j_relpred.text.processor import device_of
from neo4j_relpred.training.aside import Aside
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.checks import check_members, check_model, check_vectors
from neo4j_relpred.training.cores import prepare_torch, workers_for
from neo4j_relpred.training.curves import Curves
from neo4j_relpred.training.holdout import (
    HeldOut,
    Questions,
    entity_data,
    fit_on_folds,
    links_tell,
    relation_data,
)
from neo4j_relpred.training.lesson import Lesson, fingerprint
from neo4j_relpred.training.memory import Size, give_back, refuse_too_large
from neo4j_relpred.training.plan import plan_training, untrained
from neo4j_relpred.training.rejections import with_rejected_entities, with_rejected_relations
from neo4j_relpred.training.relation_head import fit_relation_head
from neo4j_relpred.training.structure import fit_structure
from neo4j_relpred.training.tower import fit_tower, with_entity_width
from neo4j_relpred.training.unfinished import Place, State, Unfinished
from neo4j_relpred.training.weights import weigh

__all__ = ["Progress", "fit", "missing_shares"]

Progress = Callable[[str, float], None]
HEAD_SHARE = 0.15  # of what the reasoners leave; the members share the rest
SHARES = {"structure": 0.47, "tower": 0.53}
SLACK = 1.6  # over the pace of the entity reasoner, for the features of pairs
LEAST_TRIPLES = 20
FEW_NODES = 20.0  # with a type, that count as much as all other types for what is missing of it
WORTH_TRIPLES = 10_000  # from these on, a process of its own for the structure member is worth its start
WORTH_SECONDS = 20.0


@dataclass(frozen=True)
class _Stage:
    """What every stage needs."""

    graph: KnowledgeGraph
    text: Tensor
    words: Words | None
    rejected: IntArray
    workers: int
    model: ModelSettings
    settings: TrainingSettings
    progress: Progress
    unfinished: Unfinished
    curves: Curves


def fit(
    lesson: Lesson,
    model: ModelSettings,
    settings: TrainingSettings,
    progress: Progress = lambda stage, share: None,
    start: Start | None = None,
    unfinished: Unfinished | None = None,
    curves: Curves | None = None,
) -> TrainedModel:
    """Trains the members, then the reasoners and the calibration on what was held out.

    A refresh goes on from `start`, weights that are laid out over these entities and relations, at the same rates.
    What lies in `unfinished` of this very training is gone on with, and gives the weights that it would have given;
    only a stage without a state of its own, a reasoner, begins again. Raises TooLittleData, TooLittleMemory, NotFinite.
    """
    lesson = lesson.distinct()
    train, holdout, vectors = lesson.train, lesson.holdout, lesson.vectors
    model = with_entity_width(model, vectors)
    workers = workers_for(_refuse(lesson, model, settings), model, settings)
    kept, curves = unfinished or Unfinished(), curves or Curves()
    budget = kept.begin(lambda: fingerprint(lesson, model, settings, start), settings.minutes)
    prepare_torch(settings)
    train = replace(train)  # what is worked out about the graph goes when the graph does: the caller keeps theirs
    centre = vectors.mean(0) if start is None or start.centre.shape != vectors.shape[1:] else start.centre
    text = centred(vectors, centre)
    stage = _Stage(train, text, lesson.words, lesson.rejected, workers, model, settings, progress, kept, curves)
    holdout = holdout[np.random.default_rng([settings.seed, 5]).permutation(len(holdout))]
    rng = np.random.default_rng([settings.seed, 7])
    questions, pairs = Questions.of_entities(holdout, train.num_relations, rng), Questions.of_relations(holdout, rng)
    rules = mine_rules(train, model.rule_length)
    progress("rules", 1.0)
    affordable, free = _planned(stage, rules, questions, budget)
    pairs = pairs.first(-(-len(pairs) * affordable // len(questions)))
    questions = questions.first(affordable)
    members = _fit_members(stage, rules, budget, free * (1 - HEAD_SHARE), start)
    members = replace(members, weights=weigh(members, holdout))
    asked = partial(_entity_queries, stage, members, questions, linked=not links_tell(train, holdout))
    entities = _reasoned(stage, "entities", asked, partial(_before_the_head, budget, free), start)
    # What the entity reasoner left goes to the relation head, and its pace tells what relation queries will need.
    needed = SLACK * entities.pace * len(pairs) * train.num_relations
    head = _fit_head(stage, budget.part(budget.left - min(0.5 * budget.left, needed)), start)
    held = partial(_relation_queries, stage, members, head, pairs)
    relations = _reasoned(stage, "relations", held, budget.rest, start)
    progress("relation reasoner", 1.0)
    trained = TrainedModel(
        members=replace(members),  # without what was worked out while asking
        head=head,
        entity_reasoner=entities.reasoner,
        relation_reasoner=relations.reasoner,
        entity_calibration=entities.calibration,
        relation_calibration=relations.calibration,
        base_rate=_base_rate(train, holdout),
        missing=missing_shares(train, holdout),
        unasked=Unasked.plain(train.num_relations),
        centre=centre,
    )
    check_model(trained)
    return trained


def _before_the_head(budget: Budget, free: float) -> Budget:
    """All that is left but the share of the relation head."""
    return budget.part(max(0.0, budget.left - free * HEAD_SHARE))


def _entity_queries(stage: _Stage, members: Members, questions: Questions, *, linked: bool) -> HeldOut:
    stage.progress("reasoner", 0.0)
    held = entity_data(members, questions, linked=linked, workers=stage.workers)
    return with_rejected_entities(held, members, stage.rejected, stage.settings.seed)


def _relation_queries(stage: _Stage, members: Members, head: RelationHead, pairs: Questions) -> HeldOut:
    stage.progress("relation reasoner", 0.0)
    held = relation_data(members, head, pairs)
    return with_rejected_relations(held, members, head, stage.rejected, stage.settings.seed)


def _refuse(lesson: Lesson, model: ModelSettings, settings: TrainingSettings) -> Size:
    """Refuses what cannot be learnt from and what would not fit into memory; the size of the rest."""
    check_vectors(lesson.vectors)
    train, held_out = lesson.train, len(lesson.holdout)
    every = len(train.triples) + held_out
    if len(train.triples) < LEAST_TRIPLES or not held_out:
        raise TooLittleData(
            f"{every} relationships are too few to train on.",
            hint=f"At least {LEAST_TRIPLES} are needed after some are held out; read more types or labels.",
        )
    width = lesson.vectors.shape[1]
    size = Size(train.num_entities, every, train.num_relations, width, held_out, lesson.words is not None)
    refuse_too_large(size, model, settings)
    return size


def _planned(stage: _Stage, rules: Rules, questions: Questions, budget: Budget) -> tuple[int, float]:
    """How many questions the reasoners have time for, and the seconds that they leave; as it was kept, if it was."""
    state = stage.unfinished.take("plan")
    if state is not None:
        return state.about["affordable"], state.about["free"]
    members = untrained(stage.graph, stage.text, rules, stage.words, stage.model)
    plan = plan_training(members, questions, stage.settings, budget, stage.workers)
    affordable, free = plan.questions, max(0.0, budget.left - plan.reasoner_seconds - plan.between_seconds)
    give_back()
    stage.unfinished.write("plan", State({}, {"affordable": affordable, "free": free}))
    return affordable, free


def _fit_members(stage: _Stage, rules: Rules, budget: Budget, seconds: float, start: Start | None) -> Members:
    """Both members at once, each with all of the seconds, or one after the other, each with its share of them."""
    graph, text, model = stage.graph, stage.text, stage.model
    lent, lent_tower = (start.structure, start.tower) if start else (None, None)
    shares = {name: share for name, share in SHARES.items() if name != "structure" or model.structure_rank > 0}
    each = {name: seconds * share / sum(shares.values()) for name, share in shares.items()}
    structure = None
    if "structure" in each and _pays_beside(stage, seconds):
        with Aside(graph, model.structure_rank, stage.settings, budget.part(seconds), lent, stage.unfinished) as aside:
            tower = _fit_tower(stage, budget.part(seconds), lent_tower)
            there = aside.wait(stage.curves)
        structure = _fit_structure(stage, there or stage.unfinished, budget.part(each["structure"]), lent)
    else:
        if "structure" in each:
            structure = _fit_structure(stage, stage.unfinished, budget.part(each["structure"]), lent)
        tower = _fit_tower(stage, budget.part(each["tower"]), lent_tower)
    encoded = encode_all(tower, graph, text, model)
    members = Members(graph, text, rules, structure, tower, encoded, model, graph.num_entities, stage.words)
    check_members(members)
    return members


def _pays_beside(stage: _Stage, seconds: float) -> bool:
    """Whether another process for the structure member has a core, and is worth its start."""
    worth = len(stage.graph.triples) >= WORTH_TRIPLES and seconds >= WORTH_SECONDS and stage.workers > 1
    return worth and device_of(stage.settings.device, "training.device") == "cpu"


def _fit_structure(stage: _Stage, unfinished: Unfinished, budget: Budget, start: ComplEx | None) -> ComplEx:
    """Here, or what was learnt beside, where that is what `unfinished` holds."""
    place = Place(unfinished, "structure", budget)
    if not place.finished:
        stage.progress("structure", 0.0)  # of a large graph the first epoch takes longer than there is time
    shown = _shown(stage, "structure", place.budget)
    structure = fit_structure(
        stage.graph, stage.model.structure_rank, stage.settings, place.budget, start, shown, place
    )
    give_back()
    return structure


def _fit_tower(stage: _Stage, budget: Budget, start: Tower | None) -> Tower:
    place = Place(stage.unfinished, "tower", budget)
    if not place.finished:
        stage.progress("tower", 0.0)
    shown = _shown(stage, "tower", place.budget)
    tower = fit_tower(stage.graph, stage.text, stage.model, stage.settings, place.budget, start, shown, place)
    tower.zero_grad()
    stage.progress("tower", 1.0)
    give_back()
    return tower


def _fit_head(stage: _Stage, budget: Budget, start: Start | None) -> RelationHead:
    torch.manual_seed(stage.settings.seed + 5)  # what was drawn before depends on where the training was taken up
    head = RelationHead(stage.graph.num_relations, stage.text.shape[1])
    lend(start.head if start else None, head)
    place = Place(stage.unfinished, "head", budget)
    shown = _shown(stage, "relation head", place.budget)
    fit_relation_head(head, stage.graph, stage.text, stage.settings, place.budget, shown, place)
    head.zero_grad()  # of thousands of relations the last gradients are many, and nobody reads them
    return head


@dataclass(frozen=True)
class _Reasoned:
    """pace: seconds that the reasoner took for each candidate."""

    reasoner: Reasoners
    calibration: Calibration
    pace: float


def _reasoned(
    stage: _Stage, name: str, held: Callable[[], HeldOut], budget: Callable[[], Budget], start: Start | None
) -> _Reasoned:
    """What is kept of a reasoner that was done, or one fitted now."""
    width, kind = 2 * stage.graph.num_relations, stage.model.reasoner
    state = stage.unfinished.take(name)
    if state is not None:
        reasoner = Reasoners.of_state(kind, width, state.about["base"], state.part("reasoner"))
        values = {key: tensor.numpy().copy() for key, tensor in state.part("calibration").items()}
        return _Reasoned(reasoner, Calibration(**values), state.about["pace"])
    lent = {"entities": start.entity_reasoner, "relations": start.relation_reasoner}[name] if start else None
    data, part = held(), budget()
    before = part.used
    watched = partial(stage.curves.add, f"reasoner of {name}")
    reasoner, calibration = fit_on_folds(data, stage.model, stage.settings, part, width, watched, lent)
    pace = (part.used - before) / max(1, data.real.size)
    tensors = {f"reasoner/{key}": tensor for key, tensor in reasoner.state_dict().items()}
    for field in fields(calibration):
        tensors[f"calibration/{field.name}"] = torch.from_numpy(getattr(calibration, field.name))
    stage.unfinished.write(name, State(tensors, {"base": reasoner.base, "pace": pace}))
    return _Reasoned(reasoner, calibration, pace)


def _shown(stage: _Stage, name: str, budget: Budget) -> Callable[[float], None]:
    def shown(loss: float) -> None:
        stage.curves.add(name, loss)
        stage.progress(name, budget.fraction)

    return shown


def _base_rate(train: KnowledgeGraph, holdout: IntArray) -> float:
    """Share of the questions that could be asked, (head, relation) with an edge, to which held-out edges answer."""
    asked = both_directions(holdout, train.num_relations)
    hidden = np.unique(asked[:, 0] * 2 * train.num_relations + asked[:, 1])
    context = train.context.reshape(-1)
    everything = int(np.count_nonzero(context)) + int(np.count_nonzero(context[hidden] == 0))
    return float(np.clip(len(hidden) / max(1, everything), 1e-3, 1.0))


def missing_shares(train: KnowledgeGraph, holdout: IntArray) -> npt.NDArray[np.float64]:
    """(2R, 2) for TrainedModel.missing, as if the held-out edges were those that are missing.

    A type with few nodes takes most of both shares from all types.
    """
    asked = both_directions(closed(holdout, train.symmetric), train.num_relations)
    nodes, relations = np.unique(asked[:, :2], axis=0).T
    answered = train.context[nodes, relations] > 0
    having = np.count_nonzero(train.context, axis=0)
    alone, beside = (np.bincount(relations[chosen], minlength=len(having)) for chosen in (~answered, answered))
    columns = []
    for hidden, every in ((alone, having + alone), (beside, having)):
        overall = hidden.sum() / max(1, every.sum())
        columns.append((hidden + FEW_NODES * overall) / (every + FEW_NODES))
    return np.stack(columns, axis=1)
