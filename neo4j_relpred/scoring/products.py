"""The best products of vectors with all rows of a table, exactly, without ever holding all products at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neo4j_relpred.data.knowledge_graph import IntArray

__all__ = ["Best", "best_products"]

BLOCK_NUMBERS = 10_000_000  # products that are there at a time
MOST_ROWS = 1_024


@dataclass(frozen=True)
class Best:
    """values, rows (q, k): the largest products, falling, and the rows of the table that they are with."""

    values: Tensor
    rows: Tensor


@torch.no_grad()
def best_products(queries: Tensor, table: Tensor, k: int, excluded: tuple[IntArray, IntArray] | None = None) -> Best:
    """queries (q, d), table (n, d) -> the best k of n for each query; excluded: queries, rising, and rows left out.

    Where fewer than k rows are left, the others come last with -inf. Holds BLOCK_NUMBERS products beside its answer,
    at least one for each row of the table.
    """
    count = min(k, len(table))
    values = torch.empty(len(queries), count)
    rows = torch.empty(len(queries), count, dtype=torch.int64)
    size = int(np.clip(BLOCK_NUMBERS // max(1, len(table)), 1, MOST_ROWS))
    block = torch.empty(min(size, len(queries)), len(table))
    of_query, left_out = (np.empty(0, np.int64),) * 2 if excluded is None else excluded
    for first in range(0, len(queries), size):
        asked = queries[first : first + size]
        products = torch.matmul(asked, table.T, out=block[: len(asked)])
        here = slice(*np.searchsorted(of_query, (first, first + len(asked))))
        products[torch.from_numpy(of_query[here] - first), torch.from_numpy(left_out[here])] = -torch.inf
        torch.topk(products, count, dim=1, out=(values[first : first + size], rows[first : first + size]))
    return Best(values, rows)
