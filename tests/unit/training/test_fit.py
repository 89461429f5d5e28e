"""A whole training: it learns what is there to learn, nothing else, and the same each time."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from neo4j_relpred.config import TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, both_directions
from neo4j_relpred.data.splits import split_triples
from neo4j_relpred.errors import TooLittleData
from neo4j_relpred.evaluation.ranking import Ranks, RankSummary, filtered_ranks, summarize
from neo4j_relpred.model.calibration import Calibration
from neo4j_relpred.model.chunks import chunks_by_relation
from neo4j_relpred.model.grown import grown
from neo4j_relpred.model.reasoner import Reasoners
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.training import fit as fitting
from neo4j_relpred.training import plan as planning
from neo4j_relpred.training import reasoner as fitting_reasoner
from neo4j_relpred.training.fit import fit
from neo4j_relpred.training.holdout import HeldOut, fit_on_folds
from neo4j_relpred.training.lesson import Lesson
from tests.synthetic import BRIEF_TRAINING, NOTHING, PARENT, TINY_MODEL, TINY_TRAINING, World, fitted, graph_of

FEW_CANDIDATES = TINY_MODEL.model_copy(update={"candidates": 20})


@dataclass(frozen=True)
class Fit:
    """A brief training of the family, what it told of its progress, and copies of its inputs from before."""

    model: TrainedModel
    progress: list[tuple[str, float]]
    triples: IntArray
    holdout: IntArray
    text: torch.Tensor


@pytest.fixture(scope="module")
def brief(world: World) -> Fit:
    seen: list[tuple[str, float]] = []
    split, text = world.split, world.text
    before = split.train.copy(), split.holdout.copy(), text.clone()
    model = fitted(world.train, split.holdout, text, training=BRIEF_TRAINING, progress=lambda *step: seen.append(step))
    return Fit(model, seen, *before)


def judged(model: TrainedModel, test: IntArray, everything: KnowledgeGraph) -> RankSummary:
    """Filtered ranking of test triples, both sides, over all entities."""
    asked = both_directions(test, everything.num_relations)
    parts = []
    for relation, rows in chunks_by_relation(asked[:, 1], everything.num_entities):
        anchors, truth = asked[rows, 0], asked[rows, 2]
        scores = model.answer_entities(relation, anchors).full_scores()
        known = np.zeros(scores.shape, bool)
        known[everything.answers(anchors, np.full(len(anchors), relation))] = True
        parts.append(filtered_ranks(scores, truth, known))
    return summarize(Ranks.concatenate(parts))


def popularity(train: KnowledgeGraph, test: IntArray, everything: KnowledgeGraph) -> RankSummary:
    asked = both_directions(test, everything.num_relations)
    scores = train.context[:, (asked[:, 1] + train.num_relations) % (2 * train.num_relations)].T
    known = np.zeros(scores.shape, bool)
    known[everything.answers(asked[:, 0], asked[:, 1])] = True
    return summarize(filtered_ranks(scores, asked[:, 2], known))


def parameters(model: TrainedModel) -> dict[str, torch.Tensor]:
    members = model.members
    assert members.structure
    assert members.tower
    parts = (members.structure, members.tower, model.head, model.entity_reasoner, model.relation_reasoner)
    return {f"{n}.{key}": value for n, part in enumerate(parts) for key, value in part.state_dict().items()}


def test_a_family_is_learnt_far_better_than_by_popularity(trained: TrainedModel, world: World) -> None:
    ours = judged(trained, world.split.test, world.graph)
    cheap = popularity(world.train, world.split.test, world.graph)
    assert ours.mrr > 0.8
    assert ours.mrr > 3 * cheap.mrr


def test_answers_are_more_probable_than_others(trained: TrainedModel, world: World) -> None:
    parents = world.split.test[world.split.test[:, 1] == PARENT]
    answers = trained.answer_entities(PARENT, parents[:, 0], wanted=parents[:, 2:])
    true = answers.candidates == parents[:, 2:]
    assert answers.probabilities[true].mean() > 5 * answers.probabilities[~true & answers.real].mean()


@pytest.mark.slow
def test_shuffled_labels_fall_to_chance(world: World) -> None:
    """Edges drawn at random hold nothing to learn; whoever ranks them well was told the answer."""
    rng = np.random.default_rng(0)
    count, size = 60, len(world.graph.triples)
    graph = graph_of(count, 4, np.stack([rng.integers(count, size=size), rng.integers(4, size=size),
                                         rng.integers(count, size=size)], axis=1))  # fmt: skip
    split = split_triples(graph.triples, 0.15, 0.2, rng.permutation(len(graph.triples)))
    model = fitted(KnowledgeGraph(count, 4, split.train), split.holdout, world.text)
    found = judged(model, split.test, graph)
    assert 0.75 < found.adjusted_mean_rank < 1.25
    assert found.mrr < 0.2
    relations = model.answer_relations(split.test[:, 0], split.test[:, 2]).logits.argmax(1)
    assert (relations == split.test[:, 1]).mean() < 0.5


def test_the_reasoner_is_not_taught_by_the_members_own_edges(world: World) -> None:
    """Random graphs again: what is held out must look as unknown as the future, with no trace of the answer in it."""
    rng = np.random.default_rng(1)
    triples = graph_of(60, 2, [(rng.integers(60), rng.integers(2), rng.integers(60)) for _ in range(250)]).triples
    split = split_triples(triples, 0.2, 0.2, rng.permutation(len(triples)))
    train = KnowledgeGraph(60, 2, split.train)
    two_epochs = TINY_TRAINING.model_copy(update={"max_epochs": 2})
    model = fitted(train, split.holdout, torch.zeros(60, 0), training=two_epochs)
    seen = judged(model, split.holdout, KnowledgeGraph(60, 2, triples))
    fresh = judged(model, split.test, KnowledgeGraph(60, 2, triples))
    assert abs(seen.mrr - fresh.mrr) < 0.1


def test_the_same_seed_gives_the_same_model_bit_by_bit(brief: Fit, world: World) -> None:
    models = [brief.model, fitted(world.train, world.split.holdout, world.text, training=BRIEF_TRAINING)]
    first, second = map(parameters, models)
    assert first.keys() == second.keys()
    assert [key for key in first if not torch.equal(first[key], second[key])] == []
    for name in ("weights", "slope", "intercept"):
        for part in ("entity_calibration", "relation_calibration"):
            left, right = (getattr(getattr(model, part), name) for model in models)
            np.testing.assert_array_equal(left, right)


def test_another_seed_gives_another_model(brief: Fit, world: World) -> None:
    other = BRIEF_TRAINING.model_copy(update={"seed": 1})
    models = [brief.model, fitted(world.train, world.split.holdout, world.text, training=other)]
    left, right = map(parameters, models)
    assert not torch.equal(left["0.entity"], right["0.entity"])


def test_training_leaves_its_inputs_as_they_were(brief: Fit, world: World) -> None:
    np.testing.assert_array_equal(world.split.train, brief.triples)
    np.testing.assert_array_equal(world.split.holdout, brief.holdout)
    assert torch.equal(world.text, brief.text)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"structure_rank": 0},
        {"rule_length": 0},
        {"rule_length": 1, "gnn_layers": 0},
        {"entity_width": 0, "gnn_layers": 2},
        {"structure_rank": 0, "rule_length": 0},
        {"gnn": "gcn"},
        {"gnn": "sage"},
        {"gnn": "gat", "reasoner": "attention"},
        {"gnn": "rgcn", "reasoner": "transformer"},
    ],
    ids=str,
)
def test_any_part_may_be_switched_off_or_exchanged(changes: dict[str, object], world: World) -> None:
    settings = FEW_CANDIDATES.model_copy(update=changes)
    check(fitted(world.train, world.split.holdout, world.text, settings, BRIEF_TRAINING), world.split.test)


def check(model: TrainedModel, test: IntArray) -> None:
    """Finite answers, probabilities among them."""
    relation, anchors = int(test[0, 1]), test[test[:, 1] == test[0, 1], 0]
    answers = model.answer_entities(relation, anchors)
    assert np.isfinite(answers.logits).all()
    assert ((answers.probabilities >= 0) & (answers.probabilities < 1)).all()
    assert (answers.probabilities.max(1) > 0).all()
    pairs = model.answer_relations(test[:, 0], test[:, 2])
    assert np.isfinite(pairs.logits).all()
    assert 0 < model.base_rate <= 1


@pytest.mark.slow
def test_a_graph_without_text_is_learnt_from_its_edges(world: World) -> None:
    model = fitted(world.train, world.split.holdout, torch.zeros(60, 0))
    check(model, world.split.test)
    assert judged(model, world.split.test, world.graph).mrr > 0.8


def test_a_tower_without_text_and_entity_vectors_still_sees_the_graph(world: World) -> None:
    settings = TINY_MODEL.model_copy(update={"entity_width": 0})
    check(fitted(world.train, world.split.holdout, torch.zeros(60, 0), settings, BRIEF_TRAINING), world.split.test)


def test_a_graph_in_which_no_node_has_text_is_learnt_from_its_edges(world: World) -> None:
    check(fitted(world.train, world.split.holdout, torch.zeros(60, 8), training=BRIEF_TRAINING), world.split.test)


def test_a_graph_of_one_relation_can_be_learnt(world: World) -> None:
    triples = world.graph.triples[world.graph.triples[:, 1] == 3] * [1, 0, 1]
    split = split_triples(triples, 0.15, 0.1, np.random.default_rng(0).permutation(len(triples)))
    model = fitted(KnowledgeGraph(60, 1, split.train), split.holdout, world.text, training=BRIEF_TRAINING)
    check(model, split.test)
    assert model.answer_relations(split.test[:, 0], split.test[:, 2]).logits.shape[1] == 1


def test_one_held_out_edge_is_enough_for_a_model_without_nan(world: World) -> None:
    triples = world.graph.triples[world.graph.triples[:, 1] == 3] * [1, 0, 1]
    for reasoner in ("mlp", "attention"):
        settings = TINY_MODEL.model_copy(update={"reasoner": reasoner})
        model = fitted(KnowledgeGraph(60, 1, triples[1:]), triples[:1], world.text, settings, BRIEF_TRAINING)
        check(model, triples)


def test_a_graph_of_two_nodes_can_be_learnt() -> None:
    triples = np.array(list(itertools.product((0, 1), range(8), (0, 1))))
    model = fitted(KnowledgeGraph(2, 8, triples[:-4]), triples[-4:], torch.zeros(2, 0), training=BRIEF_TRAINING)
    assert model.answer_entities(0, np.array([0])).candidates.shape == (1, 2)


@pytest.mark.parametrize("train", [0, 19])
def test_too_few_edges_are_told_with_a_hint(train: int, world: World) -> None:
    few = KnowledgeGraph(60, 4, world.train.triples[:train])
    with pytest.raises(TooLittleData, match="too few to train on") as caught:
        fit(Lesson(few, world.split.holdout, world.text), TINY_MODEL, BRIEF_TRAINING)
    assert "At least 20" in caught.value.hint
    with pytest.raises(TooLittleData):
        fit(Lesson(world.train, NOTHING, world.text), TINY_MODEL, BRIEF_TRAINING)


def test_a_refresh_goes_on_from_the_weights_it_is_lent(brief: Fit, world: World, trained: TrainedModel) -> None:
    start = grown(trained, np.arange(60), np.arange(4))
    refreshed = fitted(world.train, world.split.holdout, world.text, training=BRIEF_TRAINING, start=start)
    members = (brief.model.members, refreshed.members, trained.members)
    entities = [m.structure.entity.detach() for m in members if m.structure]
    assert (entities[1] - entities[2]).norm() < (entities[0] - entities[2]).norm()


def test_a_budget_that_runs_out_still_gives_a_model(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting_reasoner, "LEAST_STEPS", 9)  # each reasoner makes these, however little time there is
    hurried = TrainingSettings(minutes=0.004, batch_size=64)
    model = fitted(world.train, world.split.holdout, world.text, FEW_CANDIDATES, hurried)
    check(model, world.split.test)


def test_only_as_many_questions_are_asked_as_memory_has_room_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[HeldOut] = []

    def spy(held: HeldOut, *rest: Any) -> tuple[Reasoners, Calibration]:
        asked.append(held)
        return fit_on_folds(held, *rest)

    monkeypatch.setattr(planning, "HELD_BYTES", 1)
    monkeypatch.setattr(planning, "PILOT", 8)
    monkeypatch.setattr(fitting, "fit_on_folds", spy)
    fitted(world.train, world.split.holdout, world.text, training=BRIEF_TRAINING)
    entities, relations = ((held.known.size, np.unique(held.questions).size) for held in asked)
    assert entities == (9, 8)  # and one of them again, as if its nodes were new
    assert relations[1] < len(world.split.holdout) / 4


def test_progress_names_its_stages_in_order_and_never_exceeds_one(brief: Fit) -> None:
    stages = list(dict.fromkeys(stage for stage, _ in brief.progress))
    assert stages == ["rules", "structure", "tower", "reasoner", "relation head", "relation reasoner"]
    assert all(0 <= share <= 1 for _, share in brief.progress)
    assert brief.progress[-1] == ("relation reasoner", 1.0)
