"""What every kind of reasoner promises, whatever the settings choose."""

from __future__ import annotations

from typing import ClassVar, get_args

import pytest
import torch
from torch import Tensor

from neo4j_relpred.config import ReasonerKind
from neo4j_relpred.model.reasoner import Reasoner, Reasoners

QUERIES, CANDIDATES, FEATURES, RELATIONS = 3, 6, 5, 4


class ReasonerContract:
    kind: ClassVar[ReasonerKind]
    compares: ClassVar[bool]  # whether candidates see each other

    @pytest.fixture(scope="class")
    @classmethod
    def reasoner(cls) -> Reasoner:
        return cls.made()

    @classmethod
    def made(cls) -> Reasoner:
        torch.manual_seed(0)
        reasoner = Reasoner(cls.kind, FEATURES, RELATIONS, hidden=16).eval()
        torch.nn.init.normal_(reasoner.by_relation.weight)
        return reasoner

    @pytest.fixture
    def features(self) -> Tensor:
        return torch.randn(QUERIES, CANDIDATES, FEATURES, generator=torch.Generator().manual_seed(1))

    @pytest.fixture
    def relations(self) -> Tensor:
        return torch.tensor([[0], [1], [3]])

    @pytest.fixture
    def real(self) -> Tensor:
        real = torch.ones(QUERIES, CANDIDATES, dtype=torch.bool)
        real[0, 4:] = False
        real[1, 0] = False
        return real

    @staticmethod
    def asked(reasoner: Reasoner, features: Tensor, relations: Tensor, real: Tensor) -> Tensor:
        with torch.no_grad():
            logits: Tensor = reasoner(features, relations, real)
        return logits

    def test_each_candidate_gets_one_finite_logit(
        self, reasoner: Reasoner, features: Tensor, relations: Tensor, real: Tensor
    ) -> None:
        logits = self.asked(reasoner, features, relations, real)
        assert logits.shape == (QUERIES, CANDIDATES)
        assert torch.isfinite(logits).all()

    def test_candidates_may_be_relations_themselves(self, reasoner: Reasoner, features: Tensor, real: Tensor) -> None:
        each = torch.arange(CANDIDATES).remainder(RELATIONS).expand(QUERIES, -1)
        same = torch.zeros(QUERIES, CANDIDATES, dtype=torch.long)
        assert not torch.allclose(
            self.asked(reasoner, features, each, real), self.asked(reasoner, features, same, real)
        )
        torch.testing.assert_close(
            self.asked(reasoner, features, same, real), self.asked(reasoner, features, same[:, :1], real)
        )

    def test_every_parameter_gets_a_finite_gradient(self, features: Tensor, relations: Tensor, real: Tensor) -> None:
        reasoner = self.made().train()
        reasoner(features, relations, real)[real].square().sum().backward()
        for name, parameter in reasoner.named_parameters():
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name

    def test_forward_changes_nothing(
        self, reasoner: Reasoner, features: Tensor, relations: Tensor, real: Tensor
    ) -> None:
        state = {name: value.clone() for name, value in reasoner.state_dict().items()}
        attributes = {name: repr(sorted(vars(module))) for name, module in reasoner.named_modules()}
        inputs = [part.clone() for part in (features, relations, real)]
        first = self.asked(reasoner, features, relations, real)
        assert torch.equal(first, self.asked(reasoner, features, relations, real))
        assert all(torch.equal(a, b) for a, b in zip(inputs, (features, relations, real), strict=True))
        assert all(torch.equal(value, state[name]) for name, value in reasoner.state_dict().items())
        assert {name: repr(sorted(vars(module))) for name, module in reasoner.named_modules()} == attributes

    def test_fillers_do_not_change_the_logits_of_real_candidates(
        self, reasoner: Reasoner, features: Tensor, relations: Tensor, real: Tensor
    ) -> None:
        before = self.asked(reasoner, features, relations, real)
        features[~real] = 3.0
        after = self.asked(reasoner, features, relations, real)
        torch.testing.assert_close(after[real], before[real])
        short = self.asked(reasoner, features[:1, :4], relations[:1], real[:1, :4])
        torch.testing.assert_close(short[0], before[0, :4])

    def test_the_order_of_candidates_does_not_matter(
        self, reasoner: Reasoner, features: Tensor, relations: Tensor, real: Tensor
    ) -> None:
        order = torch.tensor([5, 2, 0, 4, 1, 3])
        before = self.asked(reasoner, features, relations, real)
        after = self.asked(reasoner, features[:, order], relations, real[:, order])
        torch.testing.assert_close(after, before[:, order])

    def test_a_query_ignores_its_batch_mates(
        self, reasoner: Reasoner, features: Tensor, relations: Tensor, real: Tensor
    ) -> None:
        together = self.asked(reasoner, features, relations, real)
        for row in range(QUERIES):
            one = slice(row, row + 1)
            alone = self.asked(reasoner, features[one], relations[one], real[one])
            torch.testing.assert_close(alone, together[one])

    def test_only_reasoners_that_compare_let_candidates_see_each_other(
        self, reasoner: Reasoner, features: Tensor, relations: Tensor
    ) -> None:
        real = torch.ones(QUERIES, CANDIDATES, dtype=torch.bool)
        before = self.asked(reasoner, features, relations, real)
        features[:, 0] += 2.0
        others = (self.asked(reasoner, features, relations, real) - before)[:, 1:]
        assert bool((others.abs() > 1e-6).any()) is self.compares

    def test_a_query_without_candidates_gives_no_nan(
        self, reasoner: Reasoner, features: Tensor, relations: Tensor, real: Tensor
    ) -> None:
        real[2] = False
        assert torch.isfinite(self.asked(reasoner, features, relations, real)).all()


class TestMlp(ReasonerContract):
    kind = "mlp"
    compares = False


class TestAttention(ReasonerContract):
    kind = "attention"
    compares = True


class TestTransformer(ReasonerContract):
    kind = "transformer"
    compares = True


def test_every_kind_of_the_settings_keeps_the_contract() -> None:
    assert {contract.kind for contract in ReasonerContract.__subclasses__()} == set(get_args(ReasonerKind))


def test_features_are_scaled_by_real_candidates_only() -> None:
    reasoner = Reasoner("mlp", 2, 1, hidden=16)
    features = torch.tensor([[[1.0, 5.0], [3.0, 5.0], [100.0, 7.0]]])
    reasoner.fit_scale(features, torch.tensor([[True, True, False]]))
    assert reasoner.mean.tolist() == [2.0, 5.0]
    assert reasoner.scale.tolist() == pytest.approx([1.0, 1e-3])


def test_a_single_candidate_has_a_scale() -> None:
    reasoner = Reasoner("mlp", 2, 1, hidden=16)
    reasoner.fit_scale(torch.ones(1, 1, 2), torch.ones(1, 1, dtype=torch.bool))
    assert torch.isfinite(reasoner.scale).all()


def of_several(kind: ReasonerKind, base: int | None = None) -> Reasoners:
    torch.manual_seed(0)
    several = Reasoners(Reasoner(kind, FEATURES, RELATIONS, base) for _ in range(3)).eval()
    for network in several.networks:
        network.get_buffer("mean").normal_()
    return several


@torch.no_grad()
def test_several_reasoners_answer_the_mean_of_their_logits() -> None:
    several = of_several("mlp")
    asked = torch.randn(2, 4, FEATURES), torch.tensor([[0], [1]]), torch.ones(2, 4, dtype=torch.bool)
    each = [network(*asked) for network in several.networks]
    assert not torch.allclose(each[0], each[1])
    assert torch.allclose(several(*asked), (each[0] + each[1] + each[2]) / 3, atol=1e-6)
    means = torch.stack([network.get_buffer("mean") for network in several.networks])
    assert torch.allclose(several.mean, means.mean(0))


@torch.no_grad()
@pytest.mark.parametrize("kind", get_args(ReasonerKind))
def test_several_reasoners_are_whole_again_from_their_state(kind: ReasonerKind) -> None:
    several = of_several(kind, base=1)
    again = Reasoners.of_state(kind, RELATIONS, several.base, several.state_dict())
    asked = torch.randn(2, 4, FEATURES), torch.tensor([[0], [1]]), torch.ones(2, 4, dtype=torch.bool)
    assert again.base == 1
    assert not again.training
    assert torch.equal(again(*asked), several(*asked))


def test_a_state_of_another_kind_is_refused() -> None:
    with pytest.raises(RuntimeError, match="compare"):
        Reasoners.of_state("attention", RELATIONS, None, of_several("mlp").state_dict())
