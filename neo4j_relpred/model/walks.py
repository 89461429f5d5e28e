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

__all__ = ["LEAST", "WALKS", "WALK_FEATURES", "any_walk", "walk_shares", "walked"]

FloatArray = npt.NDArray[np.float32]
WALKS = ("any_two", "own_two", "own_three", "peers")
WALK_FEATURES = (*(f"walk_{name}" for name in WALKS), "walks", "walks_gap")
FANOUT = 300  # edges of a node that a walk may take, evenly spread
LEAST = 1e-7  # a share that counts as none
NONE, ALL = -1, -2  # in place of a relation
ANY_TWO, OWN_TWO, OWN_THREE, PEERS = range(len(WALKS))
ROOM = 4_096  # ends of walks that are made room for at first


def walked(
    graph: KnowledgeGraph, anchors: IntArray, relation: int, pool: Pool | None = None
) -> tuple[IntArray, IntArray, FloatArray]:
    """(q,) anchors of queries by one relation -> where walkers end: `ends` (q + 1,), `places`, `shares`.

    Of an anchor are those from ends[row] to ends[row + 1]. A place is a line of candidates * WALKS + the walk: any_two,
    two steps over edges of every type, in either direction; own_two, own_three: two and three steps over edges of the
    relation, in either direction; peers: forth, back and forth along the relation. Candidates are those of the pool, or
    all.
    """
    place = np.arange(graph.num_entities) if pool is None else pool.place
    back = graph.inverse(relation)
    legs = np.array(
        [
            (ALL, NONE, ALL, NONE, NONE, NONE, ANY_TWO, NONE),
            (relation, back, relation, back, relation, back, OWN_TWO, OWN_THREE),
            (relation, NONE, back, NONE, relation, NONE, NONE, PEERS),
        ]
    )
    found: tuple[IntArray, IntArray, FloatArray] = _walk(
        graph.offsets, graph.edge_relations, graph.edge_tails, np.ascontiguousarray(anchors), legs, FANOUT, place
    )
    return found


def walk_shares(graph: KnowledgeGraph, anchors: IntArray, relation: int, pool: Pool | None = None) -> FloatArray:
    """(q, p, WALKS): the shares of walkers that end at each candidate, as `walked` has them."""
    size = graph.num_entities if pool is None else len(pool.entities)
    ends, places, shares = walked(graph, anchors, relation, pool)
    out = np.zeros((len(anchors), size * len(WALKS)), np.float32)
    out[np.repeat(np.arange(len(anchors)), np.diff(ends)), places] = shares
    return out.reshape(len(anchors), size, len(WALKS))


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
def _walk(
    offsets: IntArray, relation: IntArray, neighbor: IntArray, anchors: IntArray, legs: IntArray, fanout: int,
    place: IntArray,
) -> tuple[IntArray, IntArray, FloatArray]:  # fmt: skip
    """See `walked`. legs: (walks, 8) forth and back of three steps, walks that are told after the last two, or NONE."""
    entities, columns, filled = len(offsets) - 1, len(WALKS), 0
    ends = np.zeros(len(anchors) + 1, np.int64)
    places, shares = np.empty(ROOM, np.int64), np.empty(ROOM, np.float32)
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
                    if filled + size > len(places):
                        more = max(len(places), size)
                        places = np.concatenate((places, np.empty(more, np.int64)))
                        shares = np.concatenate((shares, np.empty(more, np.float32)))
                    for i in range(size):
                        if place[nodes[i]] >= 0:
                            places[filled] = place[nodes[i]] * columns + leg[5 + step]
                            shares[filled] = mass[nodes[i]]
                            filled += 1
            for i in range(size):
                mass[nodes[i]] = 0.0
        ends[row + 1] = filled
    return ends, places[:filled], shares[:filled]
