"""The tower: fusion, context, and what its signals are for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neo4j_relpred.config import ModelSettings
from neo4j_relpred.model.encoding import encode_all
from neo4j_relpred.model.fusion import SIGNALS, Fusion
from neo4j_relpred.model.neighborhood import gather
from neo4j_relpred.model.tower import Tower
from tests.synthetic import TEXT_WIDTH, graph_of, text_for

GRAPH = graph_of(6, 2, [(0, 0, 1), (1, 1, 2), (2, 0, 3), (3, 1, 0), (0, 0, 4)])  # 5 stands alone
SETTINGS = ModelSettings(hidden=16, entity_width=4, gnn_layers=2, neighbors=4)


@pytest.fixture(scope="module")
def tower() -> Tower:
    torch.manual_seed(0)
    return Tower(6, 4, TEXT_WIDTH, SETTINGS).eval()


def encoded(tower: Tower, seeds: list[int], fanout: int = 16) -> torch.Tensor:
    nothing = np.full((len(seeds), 2), -1)
    with torch.no_grad():
        return tower.encode(gather(GRAPH, np.array(seeds), nothing, fanout, 2, seed=0), text_for(GRAPH))


def test_a_node_is_encoded_alike_alone_and_in_a_batch(tower: Tower) -> None:
    together = encoded(tower, [0, 1, 2, 5])
    for row, seed in enumerate([0, 1, 2, 5]):
        torch.testing.assert_close(encoded(tower, [seed])[0], together[row])


def test_a_node_without_edges_and_text_is_encoded(tower: Tower) -> None:
    assert torch.isfinite(encoded(tower, [5])).all()


def test_encoding_all_is_encoding_each(tower: Tower) -> None:
    torch.testing.assert_close(encode_all(tower, GRAPH, text_for(GRAPH), SETTINGS), encoded(tower, list(range(6))))
    some = encode_all(tower, GRAPH, text_for(GRAPH), SETTINGS, np.array([3, 1]))
    torch.testing.assert_close(some, encoded(tower, [3, 1]))


def test_text_two_edges_away_reaches_a_node_of_a_tower_with_two_layers(tower: Tower) -> None:
    text = text_for(GRAPH)
    nothing = np.full((1, 2), -1)
    around = gather(GRAPH, np.array([4]), nothing, 16, 2, seed=0)
    with torch.no_grad():
        before = tower.encode(around, text)
        text[1] += 1  # 4 - 0 - 1
        assert not torch.allclose(tower.encode(around, text), before)


def test_few_texts_lose_numbers_in_training_and_none_when_asked() -> None:
    torch.manual_seed(0)
    few, many = (Fusion(nodes, 16, 0, 16) for nodes in (50, 100_000))
    text, nodes, signals = torch.randn(8, 16), torch.arange(8), torch.zeros(8, SIGNALS)
    assert not torch.allclose(few(nodes, text, signals), few(nodes, text, signals))
    few.eval()
    torch.testing.assert_close(few(nodes, text, signals), few(nodes, text, signals))
    assert many.text_dropout.p < 0.02 < few.text_dropout.p <= 0.5


def test_scores_are_cosines_over_the_temperature(tower: Tower) -> None:
    with torch.no_grad():
        query = tower.query(encoded(tower, [0, 1]), torch.tensor([0, 3]))
        torch.testing.assert_close(query.norm(dim=-1), torch.ones(2))
        scores = tower.scores(query, encoded(tower, [0, 1, 2]))
    assert scores.shape == (2, 3)
    assert scores.abs().max() <= 1 / tower.log_temperature.exp() + 1e-4


def test_a_new_entity_gets_the_unknown_vector_and_not_that_of_another() -> None:
    torch.manual_seed(0)
    fusion = Fusion(3, TEXT_WIDTH, 4, 16)
    torch.nn.init.normal_(fusion.unknown)
    found = fusion.entities(torch.tensor([0, 2, 3, 9]))
    assert torch.equal(found[:2], fusion.entity[[0, 2]])
    assert torch.equal(found[2:], fusion.unknown.expand(2, -1))
    assert torch.equal(fusion.entities(torch.tensor([0, 1]), unknown_share=1.0), fusion.unknown.expand(2, -1))


def test_the_gate_sees_degree_and_presence_of_text() -> None:
    torch.manual_seed(0)
    fusion = Fusion(3, TEXT_WIDTH, 4, 16).eval()
    nodes, text = torch.tensor([0]), torch.ones(1, TEXT_WIDTH)
    few, many = fusion(nodes, text, torch.zeros(1, SIGNALS)), fusion(nodes, text, torch.ones(1, SIGNALS))
    assert not torch.allclose(few, many)
    fixed = Fusion(3, TEXT_WIDTH, 4, 16, gate="fixed").eval()
    assert torch.equal(fixed(nodes, text, torch.zeros(1, SIGNALS)), fixed(nodes, text, torch.ones(1, SIGNALS)))


def test_the_contrast_hides_what_the_node_itself_is(tower: Tower) -> None:
    """With own_share 0 a node is told by its neighbourhood alone."""
    text = text_for(GRAPH)
    around = gather(GRAPH, np.array([0]), np.full((1, 2), -1), 16, 1, seed=0)
    shallow = Tower(6, 4, TEXT_WIDTH, SETTINGS.model_copy(update={"gnn_layers": 1})).eval()
    with torch.no_grad():
        before = shallow.encode(around, text, own_share=0.0)
        text[0] += 1
        torch.testing.assert_close(shallow.encode(around, text, own_share=0.0), before)
        assert not torch.allclose(shallow.encode(around, text), before)
