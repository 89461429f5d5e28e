"""What the benchmark of a refresh lets come and go."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.folders import DataSet
from benchmarks.refresh import MOST_MEASURED, Change
from neo4j_relpred.data.knowledge_graph import IntArray


def data_set(seed: int) -> DataSet:
    rng = np.random.default_rng(seed)
    triples = np.unique(rng.integers([400, 3, 400], size=(2_400, 3)), axis=0)
    train, valid, test = np.array_split(rng.permutation(triples), 3)
    names = [f"n{number}" for number in range(400)]
    return DataSet(names, names, names, ("A", "B", "C"), train, valid, test, {})


def rows(triples: IntArray) -> set[tuple[int, ...]]:
    return set(map(tuple, triples.tolist()))


@pytest.mark.parametrize("seed", range(3))
def test_a_tenth_of_the_edges_is_replaced_and_some_nodes_come_with_the_new_ones(seed: int) -> None:
    data = data_set(seed)
    change, every = Change.of(data, seed), rows(np.concatenate([data.train, data.valid, data.test]))
    old, present, measured = rows(change.old), rows(change.present), rows(change.measured)
    came = every - old
    assert len(old) + len(came) == len(every)
    assert len(came) == pytest.approx(len(every) / 10, rel=0.1)
    assert len(old - present) == round(len(old) / 10)
    assert measured < came
    assert 50 < len(measured) <= MOST_MEASURED
    assert present == (old & present) | (came - measured)
    new = set(range(400)) - set(change.nodes.tolist())
    assert new
    assert not any({head, tail} & new for head, _, tail in old)
    assert any(not {head, tail} & new for head, _, tail in came)
