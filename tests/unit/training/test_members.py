"""How the members are fitted: no edge is asked while it can be seen, and each fit does what it is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from neo4j_relpred.config import ModelSettings
from neo4j_relpred.data.knowledge_graph import KnowledgeGraph
from neo4j_relpred.model import neighborhood, relation_head
from neo4j_relpred.model.relation_head import RelationHead, pair_inputs
from neo4j_relpred.model.tower import Tower
from neo4j_relpred.training import relation_head as fitting_head
from neo4j_relpred.training import structure
from neo4j_relpred.training import tower as fitting_tower
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.reasoner import RankingData, fit_reasoner, ranking_loss
from neo4j_relpred.training.relation_head import fit_relation_head
from neo4j_relpred.training.structure import fit_structure
from neo4j_relpred.training.tower import fit_tower, with_entity_width
from tests.synthetic import TINY_MODEL, TINY_TRAINING, World, graph_of

BRIEF = TINY_TRAINING.model_copy(update={"max_epochs": 2})


def endless() -> Budget:
    return Budget.minutes(1e20)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the fits ask of `gather` and `pair_inputs`, which go on to do their work."""
    calls: list[tuple[Any, ...]] = []

    def recording(real: Callable[..., Any]) -> Callable[..., Any]:
        def record(*arguments: Any) -> Any:
            calls.append(arguments)
            return real(*arguments)

        return record

    monkeypatch.setattr(fitting_tower, "gather", recording(neighborhood.gather))
    monkeypatch.setattr(fitting_head, "pair_inputs", recording(relation_head.pair_inputs))
    return calls


def test_the_tower_is_fitted_with_every_asked_edge_left_out_at_both_ends(
    world: World, recorded: list[tuple[Any, ...]]
) -> None:
    graph = world.train
    fit_tower(graph, world.text, TINY_MODEL, BRIEF, endless())
    triples = {tuple(row) for row in graph.triples.tolist()}
    asked_edges: set[tuple[int, ...]] = set()
    assert recorded
    for _, seeds, asked, *_ in recorded:
        size = int((asked[:, 0] >= 0).sum()) // 2
        for first, second in zip(range(size), range(size, 2 * size), strict=True):
            head, (relation, tail) = int(seeds[first]), asked[first].tolist()
            assert (head, relation, tail) in triples
            assert int(seeds[second]) == tail
            assert asked[second].tolist() == [(relation + 4) % 8, head]
            asked_edges.add((head, relation, tail))
        assert (asked[2 * size :] == -1).all()
    assert asked_edges == triples


def test_the_relation_head_is_fitted_with_every_asked_edge_left_out(
    world: World, recorded: list[tuple[Any, ...]]
) -> None:
    fit_relation_head(RelationHead(4, 8), world.train, world.text, BRIEF, endless())
    asked = [np.stack([heads, relations, tails], 1) for _, heads, tails, relations in recorded]
    assert len(asked) >= 2
    np.testing.assert_array_equal(np.unique(np.concatenate(asked), axis=0), world.train.triples)


def test_a_fit_with_no_time_left_gives_an_untrained_member(world: World) -> None:
    spent = Budget(0.0, 0.0)
    assert fit_structure(world.train, 4, BRIEF, spent).entity.shape == (60, 8)
    assert not fit_tower(world.train, world.text, TINY_MODEL, BRIEF, spent).training
    assert not fit_relation_head(RelationHead(4, 8), world.train, world.text, BRIEF, spent).training


def test_a_relation_that_has_become_common_gains_as_much_as_its_share_grew(world: World) -> None:
    head = fit_relation_head(RelationHead(4, 8), world.train, world.text, BRIEF, endless())
    counts = torch.bincount(torch.from_numpy(world.train.triples[:, 1]), minlength=4)
    assert torch.equal(head.counts, counts.float())
    assert torch.allclose(head.shift(counts), torch.zeros(4), atol=1e-6)
    tenfold = counts * 10 + 9  # every share stays what it was
    assert torch.allclose(head.shift(tenfold), torch.zeros(4), atol=1e-6)
    tenfold[2] = 100 * (counts[2] + 1) - 1
    shift = head.shift(tenfold)
    assert torch.allclose(shift[2] - shift[[0, 1, 3]], torch.log(torch.tensor(10.0)), atol=1e-4)


def test_the_structure_member_learns_its_edges(world: World) -> None:
    training = TINY_TRAINING.model_copy(update={"max_epochs": 20})
    model = fit_structure(world.train, 16, training, endless())
    heads, relations, tails = torch.from_numpy(world.train.triples).T
    with torch.no_grad():
        ranks = (model(heads, relations) > model(heads, relations).gather(1, tails[:, None])).sum(1)
        found = model.pairs(heads, tails)[:, :4].argmax(1)
    assert ranks.float().mean() < 5
    assert (found == relations).float().mean() > 0.9


def test_a_large_graph_is_learned_by_the_vectors_that_a_batch_meets(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(structure, "EXACT_ENTITIES", 10)
    monkeypatch.setattr(structure, "SHARED_NEGATIVES", 200)  # nearly all of them, so the losses are nearly equal
    training = TINY_TRAINING.model_copy(update={"max_epochs": 20})
    model = fit_structure(world.train, 16, training, endless())
    heads, relations, tails = torch.from_numpy(world.train.triples).T
    with torch.no_grad():
        ranks = (model(heads, relations) > model(heads, relations).gather(1, tails[:, None])).sum(1)
    assert ranks.float().mean() < 5


def test_losses_fall_while_members_are_fitted(world: World) -> None:
    losses: dict[str, list[float]] = {"structure": [], "tower": [], "head": []}
    training = TINY_TRAINING.model_copy(update={"max_epochs": 5, "selfsupervised_share": 0.0})
    fit_structure(world.train, 8, training, endless(), report=losses["structure"].append)
    fit_tower(world.train, world.text, TINY_MODEL, training, endless(), report=losses["tower"].append)
    fit_relation_head(RelationHead(4, 8), world.train, world.text, training, endless(), losses["head"].append)
    for name, seen in losses.items():
        assert len(seen) == 5, name
        assert seen[-1] < 0.95 * seen[0], name


def test_the_self_supervised_pass_trains_the_view_of_the_text(world: World) -> None:
    with_pass = BRIEF.model_copy(update={"selfsupervised_share": 0.9})
    without = BRIEF.model_copy(update={"selfsupervised_share": 0.0})
    untrained = fit_tower(world.train, world.text, TINY_MODEL, BRIEF, Budget(0.0, 0.0)).text_view.bias
    trained = fit_tower(world.train, world.text, TINY_MODEL, with_pass, endless()).text_view.bias
    same = fit_tower(world.train, world.text, TINY_MODEL, without, endless()).text_view.bias
    assert not torch.allclose(trained, untrained)
    torch.testing.assert_close(same, untrained, atol=1e-4, rtol=1e-3)


def test_other_relations_of_a_pair_are_no_wrong_answers() -> None:
    graph = KnowledgeGraph(3, 2, graph_of(3, 2, [(0, 0, 1), (0, 1, 1), (1, 0, 2)]).triples)
    pairs = pair_inputs(graph, np.array([0, 1]), np.array([1, 2]), np.array([0, 0]))
    assert pairs.links[:, :2].tolist() == [[0, 1], [0, 0]]


def ranking_data(size: int = 200) -> RankingData:
    """The answer is the candidate with the largest first feature; the second one is noise."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(size, 6, 2, generator=generator)
    real = torch.ones(size, 6, dtype=torch.bool)
    real[:, 5] = False
    labels = torch.zeros(size, 6)
    labels[torch.arange(size), features[:, :5, 0].argmax(1)] = 1.0
    return RankingData(features, torch.zeros(size, 1, dtype=torch.long), labels, real)


@pytest.mark.parametrize("kind", ["mlp", "attention", "transformer"])
def test_a_reasoner_learns_which_feature_tells(kind: Any) -> None:
    data = ranking_data()
    settings = TINY_TRAINING.model_copy(update={"max_epochs": 10})
    reasoner = fit_reasoner(data, kind, 1, settings, endless())
    assert not reasoner.training
    with torch.no_grad():
        logits = reasoner(data.features, data.relations, data.real).masked_fill(~data.real, -1e9)
    assert (logits.argmax(1) == data.labels.argmax(1)).float().mean() > 0.85


def test_the_loss_ignores_fillers_and_other_answers() -> None:
    data = RankingData(
        torch.zeros(1, 4, 1),
        torch.zeros(1, 1, dtype=torch.long),
        torch.tensor([[1.0, 1.0, 0.0, 0.0]]),
        torch.tensor([[True, True, True, False]]),
    )
    logits = torch.tensor([[2.0, 1.0, 0.0, 0.0]])
    alone = TINY_TRAINING.model_copy(update={"bce_weight": 0.0})
    loss = ranking_loss(logits, data, alone)
    expected = -(torch.sigmoid(torch.tensor(2.0)).log() + torch.sigmoid(torch.tensor(1.0)).log())
    torch.testing.assert_close(loss, expected)
    for place, value in ((3, 9.0), (0, 2.0)):
        other = logits.clone()
        other[0, place] = value
        both = (ranking_loss(values, data, TINY_TRAINING) for values in (other, logits))
        torch.testing.assert_close(*both)
    silent = TINY_TRAINING.model_copy(update={"bce_weight": 0.0, "softmax_weight": 0.0})
    assert ranking_loss(logits, data, silent) == 0


def test_a_part_of_a_budget_never_outlasts_it() -> None:
    budget = Budget.minutes(1)
    assert budget.part(10).seconds == 10
    assert budget.part(1000).seconds <= 60
    spent = Budget(0.0, 0.0)
    assert (spent.left, spent.fraction) == (0.0, 1.0)
    assert 0 <= budget.fraction < 0.1


def test_the_softmax_by_hand_has_the_loss_and_the_gradients_of_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "multiplies_bf16", lambda device: False)  # so that both count in fp32
    generator = torch.Generator().manual_seed(0)
    query, table = (torch.randn(rows, 8, generator=generator).requires_grad_() for rows in (5, 30))
    row, column = torch.tensor([0, 0, 1, 3, 4, 4]), torch.tensor([2, 7, 7, 0, 29, 11])
    by_hand = structure.GroupedSoftmax.apply(query, table, row, column)
    logits = query @ table.T
    plain = (torch.logsumexp(logits, 1)[row] - logits[row, column]).mean()
    torch.testing.assert_close(by_hand, plain)
    found, expected = (torch.autograd.grad(loss, (query, table)) for loss in (by_hand, plain))
    torch.testing.assert_close(found, expected)


def test_the_tower_has_entity_vectors_where_most_nodes_have_no_text() -> None:
    texts, unset = torch.eye(10), ModelSettings()
    assert with_entity_width(unset, texts).entity_width == 0
    few = texts.clone()
    few[4:] = 0
    assert with_entity_width(unset, few).entity_width == with_entity_width(unset, torch.zeros(10, 0)).entity_width == 32
    assert with_entity_width(TINY_MODEL, texts).entity_width == 4


def in_force(nodes: int, types: int, edges: int, **given: float) -> tuple[float, float]:
    """Weights of the relation softmax and of N3 for a graph of so many nodes, types and edges."""
    rng = np.random.default_rng(0)
    graph = KnowledgeGraph(nodes, types, rng.integers((nodes, types, nodes), size=(edges, 3)))
    settings = structure.settled(TINY_TRAINING.model_copy(update=given), graph)
    assert settings.relation_weight is not None
    assert settings.structure_regularisation is not None
    return settings.relation_weight, settings.structure_regularisation


def test_the_relation_softmax_weighs_more_where_there_are_more_types() -> None:
    weights = [in_force(100, types, 1000)[0] for types in (1, 11, 50, 237, 5_000)]
    assert weights == sorted(weights)
    assert weights[-1] == 4
    assert in_force(100, 50, 1000, relation_weight=0.5)[0] == 0.5


def test_vectors_are_held_more_where_few_edges_teach_them_and_against_a_larger_loss() -> None:
    """As search found it for the degrees and types of CoDEx-S, WN18RR and FB15k-237."""
    many_edges, few_edges, many_types = in_force(100, 42, 1600), in_force(1000, 11, 2100), in_force(100, 237, 1870)
    assert 0.01 <= many_edges[1] < 0.02
    assert 0.04 < few_edges[1] <= 0.1
    assert 0.04 < many_types[1] < 0.06
    assert in_force(100, 42, 1600, structure_regularisation=0.2)[1] == 0.2
    assert in_force(100, 42, 0)[1] == 0.1


def test_in_a_large_graph_a_step_of_the_tower_moves_only_the_vectors_that_it_meets(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting_tower, "DENSE_ENTITIES", 10)
    monkeypatch.setattr(fitting_tower, "NEGATIVES", 2)
    graph = KnowledgeGraph(60, world.train.num_relations, world.train.triples[:4])
    one = TINY_TRAINING.model_copy(update={"max_epochs": 1})
    torch.manual_seed(one.seed)
    before = Tower(60, 2 * graph.num_relations, world.text.shape[1], TINY_MODEL).fusion.entity
    after = fit_tower(graph, world.text, TINY_MODEL, one, endless()).fusion.entity
    moved = (before != after).any(1)
    ends = np.unique(graph.triples[:, [0, 2]])
    assert moved[ends].float().mean() > 0.5  # a share of them is unknown in each use
    assert moved.sum() <= len(ends) + 2


@pytest.mark.slow
def test_the_tower_learns_alike_whether_all_vectors_are_moved_or_those_it_meets(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses: dict[int, list[float]] = {10: [], 100_000: []}
    for limit, seen in losses.items():
        monkeypatch.setattr(fitting_tower, "DENSE_ENTITIES", limit)
        fit_tower(world.train, world.text, TINY_MODEL, TINY_TRAINING, endless(), report=seen.append)
    sparse, dense = losses.values()
    assert sparse != dense
    assert sparse[-1] < 0.8 * sparse[0]
    assert sparse[-1] == pytest.approx(dense[-1], rel=0.1)


@pytest.mark.parametrize("limit", [10, 100_000])
def test_a_step_of_the_tower_is_as_long_as_its_whole_gradient_allows(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting_tower, "DENSE_ENTITIES", limit)
    tower = Tower(20, 4, 3, TINY_MODEL)
    optimizer = fitting_tower._Optimizer(tower)
    nodes = torch.tensor([1, 1, 2])
    loss = 1e3 * tower.fusion.entities(nodes).sum() + 1e3 * tower.relation.weight.sum()
    optimizer.step(loss, 1e-3)
    parts = [weight.grad for weight in tower.parameters() if weight.grad is not None]
    total = sum(float(part.to_dense().square().sum()) for part in parts) ** 0.5
    assert total == pytest.approx(fitting_tower.LONGEST_STEP, rel=1e-3)
