"""Scores of queries with the rows of a table, for the choice of candidates: several times as fast, and nearly exact."""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from numba import njit
from torch import Tensor

from neo4j_relpred.text.processor import multiplies_int8

__all__ = ["RoughTable", "with_rows"]

MOST = 127  # in a byte
FINER = 254  # what is left of a number after rounding, in steps of which so many make one
FEW = 2  # queries that are multiplied one by one: the table is read once for each, and not put in order before
FLAGS = {"reassoc", "contract", "nsz"}  # so that a sum takes many numbers at a time


class RoughTable:
    """Vectors (n, k) as bytes with a scale for each row, where the processor multiplies bytes; else as they are.

    Only the table's rounding is in the scores, not the query's: that of one row has nothing to do with that of another,
    and sums over many are exact.
    """

    def __init__(self, vectors: Tensor) -> None:
        self._vectors: Tensor | None = None if multiplies_int8() else vectors
        if self._vectors is None:
            self._bytes, self._scale = _rounded(vectors)

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> RoughTable:
        """The table that is made of these `tensors`."""
        table = cls.__new__(cls)
        table._vectors = None
        vars(table).update(tensors)
        return table

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What it is made of, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}

    def with_rows(self, rows: Tensor, vectors: Tensor) -> RoughTable:
        """The same with other vectors (r, k) in some rows (r,), or with more of them behind the last."""
        table = copy.copy(self)
        if self._vectors is not None:
            table._vectors = with_rows(self._vectors, rows, vectors)
            return table
        found, scale = _rounded(vectors)
        table._bytes, table._scale = with_rows(self._bytes, rows, found), with_rows(self._scale, rows, scale)
        return table

    def scores(self, query: Tensor, rows: Tensor | None = None) -> Tensor:
        """(q, k) -> (q, n), or (q, rows) with some of the rows."""
        if self._vectors is not None:
            return _columns(query @ self._vectors.T, rows)
        if len(query) <= FEW:
            chosen = torch.arange(len(self._bytes)) if rows is None else rows
            found = torch.empty(len(query), len(chosen))
            _products(self._bytes.numpy(), self._scale.numpy(), query.numpy(), chosen.numpy(), found.numpy())
            return found
        coarse, scale = _rounded(query)  # a query is two rows of bytes: the second holds what rounding left of it
        fine = ((query / scale[:, None] - coarse) * FINER).round_().to(torch.int8)
        whole, rest = torch._int_mm(torch.cat([coarse, fine]), self._bytes.T).chunk(2)
        # whole numbers so small that floats hold them
        return _columns(whole.float().add_(rest, alpha=1 / FINER).mul_(self._scale).mul_(scale[:, None]), rows)


def with_rows(table: Tensor, rows: Tensor, values: Tensor) -> Tensor:
    """A copy of a table (n, ...) with other values in some rows (r,), or with more of them behind the last."""
    more = max(0, int(rows.max()) + 1 - len(table)) if len(rows) else 0
    copied = torch.cat([table, table.new_empty(more, *table.shape[1:])])
    copied[rows] = values
    return copied


def _columns(scores: Tensor, rows: Tensor | None) -> Tensor:
    return scores if rows is None else scores.index_select(1, rows)


def _rounded(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """(n, k) as bytes, and what one of them stands for in each row (n,)."""
    scale = (vectors.amax(1).maximum(-vectors.amin(1)) / MOST).clamp_min(1e-30)
    return torch.div(vectors, scale[:, None]).round_().to(torch.int8), scale


@njit(cache=True, nogil=True, fastmath=FLAGS)
def _products(
    table: npt.NDArray[np.int8],
    scale: npt.NDArray[np.float32],
    queries: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    out: npt.NDArray[np.float32],
) -> None:
    """Bytes table (n, k), queries (q, k), rows (r,) -> out (q, r)."""
    for number in range(len(queries)):
        query = queries[number]
        for place in range(len(rows)):
            row, total = rows[place], np.float32(0)
            for column in range(len(query)):
                total += np.float32(table[row, column]) * query[column]
            out[number, place] = total * scale[row]
