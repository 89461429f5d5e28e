"""Graphs that are odd, but are somebody's: each is learnt from, or refused with words that say what is wrong."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from neo4j_relpred.config import ModelSettings, TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.data.splits import split_triples
from neo4j_relpred.errors import NotFinite, TooLittleData
from neo4j_relpred.evaluation.report import Report, evaluate
from neo4j_relpred.model import chunks, structure
from neo4j_relpred.model.tower import Tower
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.training import fit as fitting
from neo4j_relpred.training import holdout as fitting_holdout
from neo4j_relpred.training import reasoner as fitting_reasoner
from neo4j_relpred.training import relation_head as fitting_head
from neo4j_relpred.training.baselines import cheap_baselines
from neo4j_relpred.training.checks import check_features, check_model
from neo4j_relpred.training.tower import fit_tower
from tests.synthetic import BRIEF_TRAINING, TEXT_WIDTH, TINY_MODEL, TINY_TRAINING, World, fitted, graph_of

COUNT = 40


def random_graph(relations: int = 3, edges: int = 160, count: int = COUNT, seed: int = 0) -> KnowledgeGraph:
    rng = np.random.default_rng(seed)
    columns = (rng.integers(size, size=edges) for size in (count, relations, count))
    return graph_of(count, relations, np.stack(list(columns), axis=1))


def texts(count: int = COUNT) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.nn.functional.normalize(torch.randn(count, TEXT_WIDTH, generator=generator), dim=-1)


def learnt(
    graph: KnowledgeGraph,
    text: torch.Tensor,
    model: ModelSettings = TINY_MODEL,
    training: TrainingSettings = BRIEF_TRAINING,
    share: float = 0.15,
) -> tuple[TrainedModel, Report]:
    """Split, trained and judged as `relpred train` does it; every figure and every probability is a number."""
    split = split_triples(graph.triples, share, share, np.random.default_rng(0).permutation(len(graph.triples)))
    train = KnowledgeGraph(graph.num_entities, graph.num_relations, split.train)
    trained = fitted(train, split.holdout, text, model, training)
    rivals = cheap_baselines(trained.members, training, 0.001)
    seen = trained.over(train.with_triples(split.holdout))
    names = tuple(f"R{number}" for number in range(graph.num_relations))
    report = evaluate(seen, split.test, graph, names, rivals)
    for ranks in (report.entities, report.relations):
        assert 0 < ranks.mrr <= 1
    assert np.isfinite([report.calibration.ece, report.base_rate]).all()
    check_answers(seen, split.test)
    return seen, report


def check_answers(model: TrainedModel, asked: IntArray) -> None:
    for head, relation, tail in asked[:5].tolist():
        anchors = np.array([head])
        found = model.answer_entities(relation, anchors)
        pairs = model.answer_relations(anchors, np.array([tail]))
        for answers in (found, pairs):
            assert np.isfinite(answers.logits).all()
            assert ((answers.probabilities >= 0) & (answers.probabilities <= 1)).all()


@pytest.mark.slow
def test_a_relation_with_one_edge_is_learnt_beside_the_others() -> None:
    graph = random_graph().with_triples(np.array([[3, 2, 5]]))
    triples = np.concatenate([graph.triples * [1, 1, 1], [[7, 3, 9]]])
    model, report = learnt(graph_of(COUNT, 4, triples), texts())
    assert (model.graph.triples[:, 1] == 3).sum() == 1  # its one edge is trained on, never tested
    assert "R3" not in report.per_relation


@pytest.mark.slow
def test_a_node_that_is_linked_to_everything_is_learnt() -> None:
    hub = [(0, 0, other) for other in range(1, COUNT)] + [(other, 1, 0) for other in range(1, COUNT)]
    _, report = learnt(graph_of(COUNT, 2, hub), texts())
    assert report.entities.queries > 0


@pytest.mark.slow
def test_duplicate_edges_count_once_and_give_no_held_out_answer_away() -> None:
    graph = random_graph()
    split = split_triples(graph.triples, 0.15, 0.1, np.random.default_rng(0).permutation(len(graph.triples)))
    plain = fitted(KnowledgeGraph(COUNT, 3, split.train), split.holdout, texts(), training=BRIEF_TRAINING)
    twice = KnowledgeGraph(COUNT, 3, np.concatenate([split.train, split.train]))
    model = fitted(twice, np.concatenate([split.holdout, split.train[:9]]), texts(), training=BRIEF_TRAINING)
    np.testing.assert_array_equal(model.graph.triples, plain.graph.triples)
    assert model.base_rate == plain.base_rate
    assert torch.equal(model.members.encoded, plain.members.encoded)


@pytest.mark.slow
def test_texts_that_are_all_equal_do_no_harm() -> None:
    model, report = learnt(random_graph(), texts()[:1].expand(COUNT, -1).contiguous())
    assert (model.members.text == model.members.text[0]).all()  # they tell no node from another
    assert report.entities.queries > 0


@pytest.mark.slow
def test_nodes_without_any_text_are_learnt_from_their_edges() -> None:
    for nothing in (torch.zeros(COUNT, TEXT_WIDTH), torch.zeros(COUNT, 0)):
        _, report = learnt(random_graph(), nothing)
        assert report.entities.queries > 0


@pytest.mark.slow
def test_one_relation_alone_is_ranked_first_every_time() -> None:
    _, report = learnt(random_graph(relations=1, edges=200), texts())
    assert report.relations.hits_at(1) == 1


def test_edges_that_all_lead_back_to_where_they_began_are_learnt() -> None:
    loops = np.stack([np.arange(COUNT).repeat(3), np.tile(np.arange(3), COUNT), np.arange(COUNT).repeat(3)], axis=1)
    _, report = learnt(graph_of(COUNT, 3, loops), texts())
    assert report.entities.queries > 0


@pytest.mark.slow
def test_hundreds_of_relations_are_learnt_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits as small beside 600 relations as the real ones are beside thousands."""
    graph = random_graph(relations=600, edges=700)
    settings = TINY_MODEL.model_copy(update={"candidates": 20})
    with monkeypatch.context() as patch:
        patch.setattr(structure, "BLOCK", 100_000)
        patch.setattr(chunks, "CELLS", 6_000)
        patch.setattr(fitting_reasoner, "CELLS", 4_800)
        patch.setattr(fitting_head, "INPUTS", 100_000)
        patch.setattr(fitting_holdout, "HELD_NUMBERS", 100_000)
        model, report = learnt(graph, texts(), settings, share=0.05)
        ends = graph.triples[:30, 0], graph.triples[:30, 2]
        blocks = model.answer_relations(*ends, model.known_relations(*ends))
    assert report.relations.queries > 20
    whole = model.answer_relations(*ends, model.known_relations(*ends))
    for name in ("logits", "probabilities", "features"):
        np.testing.assert_allclose(getattr(blocks, name), getattr(whole, name), rtol=1e-4, atol=1e-5)


def test_text_vectors_that_are_no_numbers_are_refused_with_their_rows(world: World) -> None:
    broken = world.text.clone()
    broken[[3, 11], 2] = torch.tensor([float("nan"), float("inf")])
    with pytest.raises(NotFinite, match=r"2 of 60 nodes .* rows 3, 11") as caught:
        fitted(world.train, world.split.holdout, broken, training=BRIEF_TRAINING)
    assert "text.encoder" in caught.value.hint


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_member_that_diverged_is_named(value: float, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverged(*arguments: Any) -> Tower:
        tower = fit_tower(*arguments)
        tower.log_temperature.data.fill_(value)
        return tower

    monkeypatch.setattr(fitting, "fit_tower", diverged)
    with pytest.raises(NotFinite, match="1 weights of the tower"):
        fitted(world.train, world.split.holdout, world.text, training=BRIEF_TRAINING)


def test_weights_of_a_reasoner_that_diverged_are_refused(world: World) -> None:
    training = TINY_TRAINING.model_copy(update={"bce_weight": float("inf"), "max_epochs": 2})
    with pytest.raises(NotFinite, match="logits of a reasoner"):
        fitted(world.train, world.split.holdout, world.text, training=training)


def test_features_are_named_that_are_no_numbers() -> None:
    features = np.zeros((3, 4, 2), np.float32)
    check_features(features, ("first", "second"), "entity")
    features[0, 0, 1], features[1, 1, 1] = np.inf, -np.inf
    with pytest.raises(NotFinite, match=r"2 features of held-out entity queries \(second\) are NaN or infinite"):
        check_features(features, ("first", "second"), "entity")


def test_a_model_with_a_weight_that_is_no_number_is_refused(trained: TrainedModel) -> None:
    check_model(trained)
    slope = trained.relation_calibration.slope.copy()
    slope[1] = np.nan
    broken = replace(trained, relation_calibration=replace(trained.relation_calibration, slope=slope))
    with pytest.raises(NotFinite, match="1 numbers of the relation calibration"):
        check_model(broken)
    head = copy.deepcopy(trained.head)
    next(head.parameters()).data[0, 0] = torch.inf
    with pytest.raises(NotFinite, match="1 weights of the relation head"):
        check_model(replace(trained, head=head))


def test_a_vector_that_is_no_number_gives_an_error_and_no_probability(trained: TrainedModel) -> None:
    """A node that came later, whose text the encoder choked on."""
    vector = torch.full((TEXT_WIDTH,), float("nan"))
    grown = trained.with_node(vector, np.array([[4, 0, 60]]))
    with pytest.raises(NotFinite):
        grown.answer_entities(0, np.array([60]))
    with pytest.raises(NotFinite):
        grown.answer_relations(np.array([60]), np.array([4]))


def test_edges_that_are_all_the_same_are_too_few() -> None:
    same = KnowledgeGraph(COUNT, 1, np.tile([[1, 0, 2]], (50, 1)))
    with pytest.raises(TooLittleData):
        fitted(same, np.array([[3, 0, 4]]), texts(), training=BRIEF_TRAINING)
