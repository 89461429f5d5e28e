"""The best products of vectors, a block at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.scoring import products
from neo4j_relpred.scoring.products import best_products


@given(
    st.integers(0, 12), st.integers(1, 15), st.integers(1, 20), st.integers(1, 40), st.integers(0, 2**31), st.booleans()
)
def test_blocks_give_what_all_products_at_once_give(
    queries: int, rows: int, k: int, numbers: int, seed: int, some_excluded: bool
) -> None:
    rng = np.random.default_rng(seed)
    asked, table = (torch.from_numpy(rng.normal(size=(n, 3)).astype(np.float32)) for n in (queries, rows))
    count = int(rng.integers(queries * rows + 1)) if some_excluded and queries else 0
    cells = np.unique(rng.integers(queries * rows, size=count)) if count else np.empty(0, np.int64)
    excluded = cells // rows, cells % rows
    every = (asked @ table.T).numpy()
    every[excluded] = -np.inf
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "BLOCK_NUMBERS", numbers)
        best = best_products(asked, table, k, excluded)
    assert best.values.shape == best.rows.shape == (queries, min(k, rows))
    np.testing.assert_allclose(best.values, -np.sort(-every, axis=1)[:, :k], rtol=1e-5, atol=1e-6)
    found = np.take_along_axis(every, best.rows.numpy(), 1)
    np.testing.assert_allclose(found, best.values, rtol=1e-5, atol=1e-6)
    assert all(len(set(line)) == len(line) for line in best.rows.tolist())


def test_nothing_excluded_is_the_same_as_no_exclusion() -> None:
    asked, table = torch.eye(3), torch.eye(3)
    none = np.empty(0, np.int64), np.empty(0, np.int64)
    assert best_products(asked, table, 1).rows.tolist() == best_products(asked, table, 1, none).rows.tolist()
    assert best_products(asked, table, 1).rows[:, 0].tolist() == [0, 1, 2]
