"""The shares of evidence: the same however many candidates and queries are looked at at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neo4j_relpred.model.reasoner import Reasoner, Reasoners
from neo4j_relpred.scoring.evidence import evidence_shares, shares_of_each

COLUMNS = {"some": [0, 2], "other": [1], "nothing": []}


def reasoners(kind: str) -> Reasoners:
    torch.manual_seed(0)
    made = Reasoners(Reasoner(kind, 3, 5) for _ in range(2)).train(mode=False)  # type: ignore[arg-type]  # of parametrize
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    return made


@pytest.mark.parametrize("kind", ["mlp", "attention"])
@pytest.mark.parametrize("asked", [[3], [0, 1, 2, 3, 4, 0, 1]])
def test_queries_together_have_the_shares_that_each_has_alone(kind: str, asked: list[int]) -> None:
    made, features = reasoners(kind), np.random.default_rng(0).normal(size=(3, 7, 3)).astype(np.float32)
    rows = [np.array([4, 0]), np.array([], np.int64), np.array([6, 2, 1])]
    together = list(shares_of_each(made, features, np.array(asked), rows, COLUMNS))
    alone = [
        evidence_shares(made, own, np.array(asked), chosen, COLUMNS) for own, chosen in zip(features, rows, strict=True)
    ]
    assert together == alone
    assert [len(told) for told in together] == [2, 0, 3]


@pytest.mark.parametrize("kind", ["mlp", "attention"])
def test_a_group_that_says_nothing_has_no_share_and_the_others_have_all(kind: str) -> None:
    made, features = reasoners(kind), np.random.default_rng(1).normal(size=(7, 3)).astype(np.float32)
    told = evidence_shares(made, features, np.array([1]), np.arange(7), COLUMNS)
    assert all(shares["nothing"] == 0 for shares in told)
    assert any(shares["some"] > 0 for shares in told)
    assert all(sum(shares.values()) == pytest.approx(1, abs=0.002) or not any(shares.values()) for shares in told)


def test_only_networks_that_compare_candidates_need_all_of_them() -> None:
    assert reasoners("mlp").alone
    assert not reasoners("attention").alone
