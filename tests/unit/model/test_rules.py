"""Mining in a large graph: a sample of edges and of nodes tells the confidences that all of them would."""

from __future__ import annotations

import numpy as np
import pytest

from neo4j_relpred.data.knowledge_graph import KnowledgeGraph
from neo4j_relpred.model import rules as mining
from neo4j_relpred.model.rules import Rules, mine_rules
from tests.synthetic import graph_of

FIRST, SECOND, BOTH, ALIKE = range(4)
NODES = 3_000


def confidence(rules: Rules, body: int, head: int) -> float:
    row = np.flatnonzero((rules.body == body) & (rules.head == head))
    assert len(row) == 1
    return float(rules.confidence[row[0]])


@pytest.fixture(scope="module")
def chains() -> KnowledgeGraph:
    """Two steps make a third relation in three of four cases; every second first step has a parallel edge."""
    rng = np.random.default_rng(0)
    a, b, c = (start + rng.permutation(NODES // 3) for start in (0, 1_000, 2_000))
    made = rng.random(NODES // 3) < 0.75
    steps = [np.stack([a, np.full(len(a), FIRST), b], 1), np.stack([b, np.full(len(b), SECOND), c], 1)]
    more = [np.stack([a, np.full(len(a), BOTH), c], 1)[made], np.stack([a, np.full(len(a), ALIKE), b], 1)[::2]]
    return graph_of(NODES, 4, np.concatenate([*steps, *more]))


def test_a_sample_tells_the_confidences_of_all(chains: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    width = 2 * chains.num_relations
    whole = mine_rules(chains, 2)
    monkeypatch.setattr(mining, "EDGES", len(chains.edges) // 4)
    monkeypatch.setattr(mining, "PATHS", len(chains.edges) * mining.FANOUT // 4)
    sampled = mine_rules(chains, 2)
    chain = width + FIRST * width + SECOND
    assert sampled.support.sum() < whole.support.sum() / 3
    assert confidence(sampled, chain, BOTH) == pytest.approx(confidence(whole, chain, BOTH), abs=0.08)
    assert confidence(sampled, FIRST, ALIKE) == pytest.approx(confidence(whole, FIRST, ALIKE), abs=0.08)
