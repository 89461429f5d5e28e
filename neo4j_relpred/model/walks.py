"""The walk member: where short random walks from an anchor end, over edges of every type or of the asked one.

Rules say that some path is there, and of what kind; walks weigh all paths together, each by the degrees that it passes:
resource allocation (Zhou, Lü and Zhang 2009) for two steps, paths of length 3 (Kovács et al. 2019) for three. Of three
steps forth, back and forth along one type, that is what people with like choices chose (item-based filtering).
"""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.model.kernels import edges_by, spread
from neo4j_relpred.model.pools import Pool

__all__ = ["LEAST", "WALKS", "WALK_FEATURES", "any_walk", "walk_shares"]

FloatArray = npt.NDArray[np.float32]
WALKS = ("any_two", "own_two", "own_three", "peers")
WALK_FEATURES = (*(f"walk_{name}" for name in WALKS), "walks", "walks_gap")
FANOUT = 300  # edges of a node that a walk may take, evenly spread
LEAST = 1e-7  # a share that counts as none
NONE, ALL = -1, -2  # in place of a relation
ANY_TWO, OWN_TWO, OWN_THREE, PEERS = range(len(WALKS))


def walk_shares(graph: KnowledgeGraph, anchors: IntArray, relation: int, pool: Pool | None = None) -> FloatArray:
    """(q,) anchors of queries by one relation -> (q, p, WALKS): the shares of walkers that end at each candidate.

    any_two: two steps over edges of every type, in either direction; own_two, own_three: two and three steps over edges
    of the relation, in either direction; peers: forth, back and forth along the relation. Candidates are those of the
    pool, or all.
    """
    place = np.arange(graph.num_entities) if pool is None else pool.place
    out = np.zeros((len(anchors), graph.num_entities if pool is None else len(pool.entities), len(WALKS)), np.float32)
    back = graph.inverse(relation)
    legs = np.array(
        [
            (ALL, NONE, ALL, NONE, NONE, NONE, ANY_TWO, NONE),
            (relation, back, relation, back, relation, back, OWN_TWO, OWN_THREE),
            (relation, NONE, back, NONE, relation, NONE, NONE, PEERS),
        ]
    )
    _walk(graph.offsets, graph.edge_relations, graph.edge_tails, anchors, legs, FANOUT, place, out)
    return out


def any_walk(shares: FloatArray) -> FloatArray:
    """(q, p): the logarithm of the mean of all walks, from what `walk_shares` gives."""
    count = shares.shape[-1]
    together: FloatArray = np.log(shares @ np.full(count, 1 / count, np.float32) + LEAST)  # far faster than a mean
    return together


@njit(cache=True, nogil=True)
def _edges(offsets: IntArray, relation: IntArray, node: int, wanted: int) -> tuple[int, int]:
    if wanted == NONE:
        return offsets[node], offsets[node]
    return (offsets[node], offsets[node + 1]) if wanted == ALL else edges_by(offsets, relation, node, wanted)


@njit(cache=True, nogil=True)
def _step(  # noqa: PLR0913 - a compiled loop takes plain arrays
    offsets: IntArray, relation: IntArray, neighbor: IntArray, forth: int, back: int, fanout: int,
    mass: FloatArray, nodes: IntArray, size: int, next_mass: FloatArray, next_nodes: IntArray,
) -> int:  # fmt: skip
    """Moves the walkers `mass` (entities,) at `nodes[:size]` on by an edge of the types `forth` and `back`.

    No mass is left behind. Returns how many nodes the walkers are at then.
    """
    reached = 0
    for i in range(size):
        node = nodes[i]
        own, mass[node] = mass[node], 0.0
        first, last = _edges(offsets, relation, node, forth)
        second, end = _edges(offsets, relation, node, back)
        count, stride = spread(last - first + end - second, fanout)
        for j in range(count):
            edge = first + j * stride
            if edge >= last:
                edge += second - last
            other = neighbor[edge]
            if next_mass[other] == 0.0:
                next_nodes[reached] = other
                reached += 1
            next_mass[other] += own / count
    return reached


@njit(cache=True, nogil=True)
def _note(mass: FloatArray, nodes: IntArray, size: int, place: IntArray, column: int, out: FloatArray) -> None:
    for i in range(size):
        if place[nodes[i]] >= 0:
            out[place[nodes[i]], column] = mass[nodes[i]]


@njit(cache=True, nogil=True)
def _walk(
    offsets: IntArray, relation: IntArray, neighbor: IntArray, anchors: IntArray, legs: IntArray, fanout: int,
    place: IntArray, out: FloatArray,
) -> None:  # fmt: skip
    """See `walk_shares`. legs: (walks, 8) forth and back of three steps, columns of out after the last two, or NONE.

    place: (entities,) the line of each candidate, -1 for no candidate. out: (anchors, candidates, WALKS), zero.
    """
    entities = len(offsets) - 1
    mass, other_mass = np.zeros(entities, np.float32), np.zeros(entities, np.float32)
    nodes, other_nodes = np.empty(entities, np.int64), np.empty(entities, np.int64)
    for row in range(len(anchors)):
        for leg in legs:
            size, mass[anchors[row]], nodes[0] = 1, 1.0, anchors[row]
            for step in range(3):
                if step == 2 and leg[7] == NONE:
                    break
                forth, back = leg[2 * step], leg[2 * step + 1]
                size = _step(
                    offsets, relation, neighbor, forth, back, fanout, mass, nodes, size, other_mass, other_nodes
                )
                mass, other_mass, nodes, other_nodes = other_mass, mass, other_nodes, nodes
                if step > 0 and leg[5 + step] != NONE:
                    _note(mass, nodes, size, place, leg[5 + step], out[row])
            for i in range(size):
                mass[nodes[i]] = 0.0
