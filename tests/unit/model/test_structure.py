"""ComplEx: its score from three sides."""

from __future__ import annotations

import pytest
import torch

from neo4j_relpred.model import structure
from neo4j_relpred.model.structure import ComplEx


@pytest.fixture
def model() -> ComplEx:
    torch.manual_seed(0)
    return ComplEx(5, 6, 3, init=1.0)


def by_definition(model: ComplEx, head: int, relation: int, tail: int) -> torch.Tensor:
    h, r, t = (torch.complex(*v.chunk(2)) for v in (model.entity[head], model.relation[relation], model.entity[tail]))
    return (h * r * t.conj()).sum().real


def test_tail_and_relation_scores_are_those_of_the_definition(model: ComplEx) -> None:
    tails = model(torch.tensor([1, 2]), torch.tensor([0, 5]))
    relations = model.pairs(torch.tensor([1, 2]), torch.tensor([3, 0]))
    assert tails.shape == (2, 5)
    assert relations.shape == (2, 6)
    for tail in range(5):
        torch.testing.assert_close(tails[1, tail], by_definition(model, 2, 5, tail))
    for relation in range(6):
        torch.testing.assert_close(relations[0, relation], by_definition(model, 1, relation, 3))


def test_n3_is_the_sum_of_cubed_moduli(model: ComplEx) -> None:
    h, r, t = (torch.tensor([row]) for row in (1, 4, 3))
    parts = (model.entity[1], model.relation[4], model.entity[3])
    expected = sum(torch.complex(*part.chunk(2)).abs().pow(3).sum() for part in parts)
    torch.testing.assert_close(model.n3(h, r, t), expected, rtol=1e-4, atol=1e-5)


def test_renaming_entities_renames_scores(model: ComplEx) -> None:
    names = torch.tensor([3, 0, 4, 1, 2])
    other = ComplEx(5, 6, 3)
    with torch.no_grad():
        other.entity[names] = model.entity
        other.relation.copy_(model.relation)
    anchors, relations = torch.tensor([0, 1, 2]), torch.tensor([0, 3, 5])
    torch.testing.assert_close(other(names[anchors], relations)[:, names], model(anchors, relations))


def test_the_share_of_a_relation_is_that_of_the_softmax_over_all(
    model: ComplEx, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads, tails = torch.tensor([0, 1, 2]), torch.tensor([[1, 2], [0, 0], [1, 2]])
    plain = torch.log_softmax(model.pairs(heads.repeat_interleave(2), tails.ravel()), -1)[:, 1].view(3, 2)
    vectors = model.entity[tails]
    torch.testing.assert_close(model.log_share(heads, vectors, 1), plain)
    monkeypatch.setattr(structure, "BLOCK", 4 * len(model.relation))
    torch.testing.assert_close(model.log_share(heads, vectors, 1), plain)
    assert model.log_share(heads[:0], vectors[:0], 1).shape == (0, 2)


def test_a_triple_scores_alike_from_either_end(model: ComplEx) -> None:
    heads, relations, tails = torch.tensor([0, 1, 2]), torch.tensor([0, 3, 5]), torch.tensor([1, 1, 4])
    forth = (model.query(heads, relations) * model.entity[tails]).sum(1)
    torch.testing.assert_close((model.asker(tails, relations) * model.entity[heads]).sum(1), forth)
