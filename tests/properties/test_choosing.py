"""Choosing candidates in one loop: the same as by whole arrays, whatever the members say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.model import rough
from neo4j_relpred.model.choosing import FloatArray, Said, choose
from neo4j_relpred.model.members import standing
from neo4j_relpred.model.rough import RoughTable
from neo4j_relpred.model.rules import SILENT, any_rule, mine_rules
from neo4j_relpred.model.walks import any_walk, walk_shares, walked
from tests.synthetic import graphs

NOBODY = -1e9


def best(scores: FloatArray, size: int) -> IntArray:
    order: IntArray = np.argsort(-scores, kind="stable")[:size]
    return order[scores[order] > NOBODY]


@given(graphs(), st.integers(0, 2), st.integers(0, 2**32 - 1), st.tuples(*[st.booleans()] * 4))
def test_the_loop_chooses_what_whole_arrays_choose(
    graph: KnowledgeGraph, relation: int, seed: int, there: tuple[bool, bool, bool, bool]
) -> None:
    rng, count = np.random.default_rng(seed), graph.num_entities
    relation %= 2 * graph.num_relations
    anchors, rules = np.arange(count), mine_rules(graph, 2)
    structure, tower = (rng.normal(size=(count, count)).astype(np.float32) if here else None for here in there[:2])
    told = rules.told(graph, anchors, relation) if there[2] else None
    ends = walked(graph, anchors, relation) if there[3] else None
    weights = rng.uniform(0.5, 2, (count, 4)).astype(np.float32)
    excluded = graph.answers(anchors, np.full(count, relation))
    wanted = rng.integers(count, size=(count, 1))
    size, always = max(1, count // 2), count // 10
    found = choose(Said(structure, tower, told, ends), (count, count), weights, excluded, wanted, (size, always))

    fired = rules.features(graph, anchors, relation) if there[2] else (np.zeros((count, count, 3), np.float32),) * 3
    shares = walk_shares(graph, anchors, relation) if there[3] else np.zeros((count, count, 4), np.float32)
    logs = np.log(any_rule(fired) + SILENT), any_walk(shares)
    dense = [np.zeros((count, count), np.float32) if part is None else part for part in (structure, tower)] + [*logs]
    alike = [
        part.std(1, keepdims=True) < 1e-5 for part in dense
    ]  # but for rounding, which must not be told as standing
    stood = [np.where(same, 0, standing(part.astype(np.float64))) for same, part in zip(alike, dense, strict=True)]
    base = (weights.T[..., None] * np.stack(stood)).sum(0)
    base[excluded] = -np.inf
    np.testing.assert_allclose(found.base, base, rtol=1e-3, atol=1e-3)

    spoken = [*(np.ones_like(part, bool) for part in dense[:2]), any_rule(fired) > 0, shares.any(2)]
    for row in range(count):
        taken, first = found.positions[row], set(wanted[row].tolist())
        assert (np.diff(taken) > 0).all()
        for part, here, said in zip(dense, there, np.stack(spoken), strict=True):
            if here:  # ties may be settled either way
                scores = np.where(np.isfinite(base[row]) & said[row], part[row], NOBODY)
                chosen = best(scores, always)
                assert sorted(scores[taken])[::-1][: len(chosen)] == pytest.approx(sorted(scores[chosen])[::-1])
                first |= set(chosen.tolist())
        assert set(wanted[row].tolist()) <= set(taken.tolist())
        rest = [place for place in best(np.where(np.isfinite(base[row]), base[row], -1e8), count) if place not in first]
        least = base[row, rest[: max(0, size - len(first))]]
        others = np.setdiff1d(np.arange(count), taken)
        if len(least) and len(others):
            assert np.nanmin(np.where(np.isfinite(least), least, -1e8)) >= base[row, others].max() - 2e-3
        np.testing.assert_allclose(found.rules[row], np.concatenate([part[row, taken] for part in fired], 1), rtol=1e-5)
        np.testing.assert_allclose(found.walks[row], shares[row, taken], rtol=1e-5)
        np.testing.assert_allclose(found.rule_logs[row], logs[0][row, taken], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found.walk_logs[row], logs[1][row, taken], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.rule_best, logs[0].max(1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.walk_best, logs[1].max(1), rtol=1e-4, atol=1e-4)
    if tower is not None and count > 1:
        np.testing.assert_allclose(found.tower_spread, tower.std(1, ddof=1), rtol=1e-4)


@pytest.mark.parametrize("queries", [1, 5], ids=["one by one", "together"])
def test_scores_in_bytes_are_nearly_exact(queries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rough, "multiplies_int8", lambda: True)
    torch.manual_seed(0)
    table, query, rows = torch.randn(300, 64), torch.randn(queries, 64), torch.arange(0, 300, 7)
    exact, found = query @ table.T, RoughTable(table).scores(query)
    assert (found - exact).std() < 0.01 * exact.std()
    torch.testing.assert_close(RoughTable(table).scores(query, rows), found[:, rows])
