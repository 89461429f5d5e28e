"""The made-up graph: as large as asked, the same for a seed, with something to learn; and what is told of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.scale import Stages, measure
from benchmarks.synthetic import KINDS, synthetic_graph
from neo4j_relpred.config import Settings
from tests.synthetic import BRIEF_TRAINING, TINY_MODEL


def test_a_graph_is_as_large_as_asked_and_the_same_for_a_seed() -> None:
    triples, texts = synthetic_graph(2_000, 12_000, 10, 8, 3)
    assert len(np.unique(triples, axis=0)) == len(triples)
    assert len(triples) == pytest.approx(12_000, rel=0.1)
    assert triples.min() == 0
    assert triples.max(0)[[0, 2]].max() < 2_000
    assert set(triples[:, 1].tolist()) == set(range(10))
    again, same = synthetic_graph(2_000, 12_000, 10, 8, 3)
    assert (triples == again).all()
    assert torch.equal(texts, same)
    assert len(synthetic_graph(2_000, 12_000, 10, 0, 3)[1].T) == 0


def test_a_few_nodes_have_many_edges_and_a_relation_knows_few_kinds() -> None:
    triples, _ = synthetic_graph(4_000, 40_000, 10, 0, 0)
    degrees = np.sort(np.bincount(triples[:, [0, 2]].ravel(), minlength=4_000))
    assert degrees[-40:].sum() > 5 * degrees[:40].sum() + 0.05 * degrees.sum()
    heads = triples[triples[:, 1] == 0, 0]
    assert len(np.unique(heads)) < 1.5 * 4_000 / KINDS


def test_the_last_relation_is_two_others_after_each_other() -> None:
    triples, _ = synthetic_graph(2_000, 12_000, 10, 0, 0)
    edges = [{(h, t) for h, t in triples[triples[:, 1] == r][:, [0, 2]].tolist()} for r in range(10)]
    after = [{} for _ in range(10)]  # type: list[dict[int, set[int]]]
    for relation, pairs in enumerate(edges):
        for head, tail in pairs:
            after[relation].setdefault(head, set()).add(tail)
    made = [
        all(any(t in after[second].get(m, ()) for m in after[first].get(h, ())) for h, t in edges[9])
        for first in range(9)
        for second in range(9)
    ]
    assert any(made)


def test_stages_count_what_comes_back_together(capsys: pytest.CaptureFixture[str]) -> None:
    stages = Stages()
    for stage in ("one", "one", "two", "one", "end"):
        stages(stage)
    assert list(stages.seconds) == ["one", "two"]
    assert capsys.readouterr().err.count("one") == 2


@pytest.mark.slow
def test_a_small_graph_is_measured_from_end_to_end() -> None:
    triples, vectors = synthetic_graph(300, 2_500, 4, 8, 0)
    settings = Settings(model=TINY_MODEL, training=BRIEF_TRAINING)
    figures = measure(triples, vectors, 4, settings)
    assert figures["edges"] == len(triples)
    assert 0 < figures["entity_mrr"] <= 1
    assert figures["peak_gb"] >= figures["training_peak_gb"] > 0
    assert {"seconds_rules", "seconds_tower", "seconds_ranking", "popularity_entity_mrr"} <= figures.keys()
