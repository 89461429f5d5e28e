"""The compiled loop that draws neighbours; plain numpy code, see `kernels`."""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["sample_neighbors"]

IntArray = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def sample_neighbors(  # noqa: C901 - a compiled loop
    offsets: IntArray, relation: IntArray, neighbor: IntArray, nodes: IntArray, barred: IntArray, fanout: int,
    seed: int, out: IntArray,
) -> None:  # fmt: skip
    """Draws up to `fanout` edges of each node, none of them to a barred node.

    barred: (nodes, 2), -1 for none. out: (nodes, fanout) of edge positions, -1 where there are fewer. A node with no
    more edges than `fanout` gives all of them.
    """
    np.random.seed(seed)
    for row in range(len(nodes)):
        begin, end = offsets[nodes[row]], offsets[nodes[row] + 1]
        filled, seen = 0, 0
        if end - begin <= 4 * fanout:
            for edge in range(begin, end):
                other = neighbor[edge]
                if other in (barred[row, 0], barred[row, 1]):
                    continue
                if filled < fanout:
                    out[row, filled] = edge
                    filled += 1
                else:
                    slot = np.random.randint(0, seen + 1)
                    if slot < fanout:
                        out[row, slot] = edge
                seen += 1
        else:
            for _ in range(2 * fanout):
                edge = np.random.randint(begin, end)
                if neighbor[edge] in (barred[row, 0], barred[row, 1]):
                    continue
                out[row, filled] = edge
                filled += 1
                if filled == fanout:
                    break
        for slot in range(filled, fanout):
            out[row, slot] = -1
