"""What every message passing layer promises, whatever the settings choose."""

from __future__ import annotations

from typing import ClassVar, get_args

import pytest
import torch
from torch import Tensor

from neo4j_relpred.config import Gnn
from neo4j_relpred.model.gnn import GraphLayer, build_layer

HIDDEN, RELATIONS, ROWS, TARGETS = 16, 6, 7, 3
DEGREE = torch.log1p(torch.tensor([3.0, 2.0, 0.0, 5.0, 1.0, 4.0, 2.0]))
EDGES = torch.tensor([[3, 4, 1, 5, 6], [0, 0, 0, 1, 1]])  # target 2 has no neighbour
TYPES = torch.tensor([0, 1, 5, 2, 2])


class LayerContract:
    kind: ClassVar[Gnn]
    knows_relations: ClassVar[bool]

    @pytest.fixture(scope="class")
    @classmethod
    def layer(cls) -> GraphLayer:
        torch.manual_seed(0)
        return build_layer(cls.kind, HIDDEN, RELATIONS).eval()

    @pytest.fixture
    def x(self) -> Tensor:
        return torch.randn(ROWS, HIDDEN, generator=torch.Generator().manual_seed(1))

    @staticmethod
    def passed(layer: GraphLayer, x: Tensor, edges: Tensor = EDGES, types: Tensor = TYPES) -> Tensor:
        with torch.no_grad():
            out: Tensor = layer(x, edges, types, DEGREE[: len(x)], TARGETS)
        return out

    def test_each_target_gets_one_finite_vector(self, layer: GraphLayer, x: Tensor) -> None:
        out = self.passed(layer, x)
        assert out.shape == (TARGETS, HIDDEN)
        assert torch.isfinite(out).all()

    def test_every_parameter_gets_a_finite_gradient(self, x: Tensor) -> None:
        torch.manual_seed(0)
        layer = build_layer(self.kind, HIDDEN, RELATIONS)
        x.requires_grad_()
        layer(x, EDGES, TYPES, DEGREE, TARGETS).square().sum().backward()
        for name, parameter in layer.named_parameters():
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
        assert x.grad is not None
        assert (x.grad[EDGES[0]].abs().sum(1) > 0).all()

    def test_forward_changes_nothing(self, layer: GraphLayer, x: Tensor) -> None:
        state = {name: value.clone() for name, value in layer.state_dict().items()}
        attributes = {name: repr(sorted(vars(module))) for name, module in layer.named_modules()}
        given = x.clone()
        first = self.passed(layer, x)
        assert torch.equal(first, self.passed(layer, x))
        assert torch.equal(given, x)
        assert all(torch.equal(value, state[name]) for name, value in layer.state_dict().items())
        assert {name: repr(sorted(vars(module))) for name, module in layer.named_modules()} == attributes

    def test_a_neighbour_changes_its_target_and_no_other(self, layer: GraphLayer, x: Tensor) -> None:
        before = self.passed(layer, x)
        x[3] += 1.0
        changed = (self.passed(layer, x) - before).abs().amax(1) > 1e-6
        assert changed.tolist() == [True, False, False]

    def test_the_order_of_edges_does_not_matter(self, layer: GraphLayer, x: Tensor) -> None:
        order = torch.tensor([4, 2, 0, 3, 1])
        shuffled = self.passed(layer, x, EDGES[:, order], TYPES[order])
        torch.testing.assert_close(shuffled, self.passed(layer, x))

    def test_rows_of_other_targets_do_not_matter(self, layer: GraphLayer, x: Tensor) -> None:
        mine = EDGES[1] == 0
        torch.testing.assert_close(self.passed(layer, x, EDGES[:, mine], TYPES[mine])[0], self.passed(layer, x)[0])

    def test_no_edge_at_all_is_no_error(self, layer: GraphLayer, x: Tensor) -> None:
        out = self.passed(layer, x, EDGES[:, :0], TYPES[:0])
        torch.testing.assert_close(out[2], self.passed(layer, x)[2])

    def test_relation_types_matter_to_layers_that_know_them(self, layer: GraphLayer, x: Tensor) -> None:
        changed = self.passed(layer, x, EDGES, (TYPES + 1) % RELATIONS)
        same = torch.allclose(changed, self.passed(layer, x), atol=1e-6)
        assert same is not self.knows_relations


class TestGcn(LayerContract):
    kind = "gcn"
    knows_relations = False


class TestSage(LayerContract):
    kind = "sage"
    knows_relations = False


class TestGat(LayerContract):
    kind = "gat"
    knows_relations = True


class TestRgcn(LayerContract):
    kind = "rgcn"
    knows_relations = True


class TestCompGcn(LayerContract):
    kind = "compgcn"
    knows_relations = True


def test_every_kind_of_the_settings_keeps_the_contract() -> None:
    assert {contract.kind for contract in LayerContract.__subclasses__()} == set(get_args(Gnn))


def test_gcn_over_all_edges_is_that_of_kipf_and_welling() -> None:
    torch.manual_seed(0)
    layer = build_layer("gcn", HIDDEN, RELATIONS).eval()
    x = torch.randn(3, HIDDEN)
    edges = torch.tensor([[1, 2], [0, 0]])  # 0 has exactly these two
    degree = torch.tensor([2.0, 4.0, 1.0])
    with torch.no_grad():
        passed = layer.layer(x, edges, _weights(edges, degree))[0]
        by_hand = layer.layer.lin(x[1] / (2 * 4) ** 0.5 + x[2] / (2 * 1) ** 0.5) + layer.layer.bias
    torch.testing.assert_close(passed, by_hand)


def _weights(edges: Tensor, degree: Tensor) -> Tensor:
    from neo4j_relpred.model.gnn import _symmetric

    return _symmetric(edges, torch.log1p(degree))
