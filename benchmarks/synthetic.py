"""A graph of any size with something to learn in it: kinds and circles of nodes decide which relations lead where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from neo4j_relpred.data.knowledge_graph import IntArray

__all__ = ["synthetic_graph"]

FloatArray = npt.NDArray[np.float64]
KINDS = 8
CIRCLE = 100  # nodes of all kinds, on average
STRAY = 0.2  # share of edges that lead to any circle
TAIL = 1.5  # exponent of how unequal nodes are: a few have thousands of edges
COMPOSED = 0.1  # share of the relations that are two others, one after the other
NOISE = 1.0  # of a text vector, beside what kind and circle say


@dataclass(frozen=True)
class _Nodes:
    """Nodes in order of group, a circle's nodes of one kind: order (n,), bounds (groups + 1,) in running weights."""

    circles: int
    kind: IntArray
    circle: IntArray
    order: IntArray
    running: FloatArray
    bounds: FloatArray

    @classmethod
    def drawn(cls, number: int, rng: np.random.Generator) -> _Nodes:
        circles = max(1, number // CIRCLE)
        kind, circle = rng.integers(KINDS, size=number), rng.integers(circles, size=number)
        group = kind * circles + circle
        order = np.argsort(group, kind="stable")
        running = np.cumsum(rng.pareto(TAIL, number) + 1)
        ends = np.searchsorted(group[order], np.arange(KINDS * circles + 1))
        return cls(circles, kind, circle, order, running, np.concatenate([[0.0], running])[ends])

    def of_groups(self, first: IntArray, last: IntArray, rng: np.random.Generator) -> IntArray:
        """A node by weight of the groups from first (n,) to before last (n,); -1 where there is none."""
        low, high = self.bounds[first], self.bounds[last]
        place = np.searchsorted(self.running, rng.uniform(low, high), side="right")
        return np.where(high > low, self.order[np.minimum(place, len(self.order) - 1)], -1)


def synthetic_graph(entities: int, edges: int, relations: int, text_width: int, seed: int) -> tuple[IntArray, Tensor]:
    """About so many distinct triples (n, 3), and text vectors (entities, text width) that say kind and circle, blurred.

    A relation leads from nodes of one kind to those of another, within a circle or to the one that belongs to it; one
    in five edges strays. The last relations are what two of the others make together.
    """
    rng = np.random.default_rng([seed, 7])
    nodes = _Nodes.drawn(entities, rng)
    composed = int(relations * COMPOSED) if relations > 2 else 0
    sizes = np.full(relations, edges // relations)
    sizes[: edges - int(sizes.sum())] += 1
    plain = [_plain(nodes, relation, int(sizes[relation]), rng) for relation in range(relations - composed)]
    chains = [_chained(plain, number, int(sizes[-1]), rng) for number in range(composed)]
    rows = [
        np.stack([heads, np.full(len(heads), relation), tails], axis=1)
        for relation, (heads, tails) in enumerate([*plain, *chains])
    ]
    return np.concatenate(rows), _texts(nodes, text_width, seed)


def _plain(nodes: _Nodes, relation: int, wanted: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Heads and tails of distinct edges, no more than wanted."""
    source, target = rng.integers(KINDS, size=2)
    shift = relation % 3 * (nodes.circles // 3)  # the circle that belongs to a circle
    draws = 2 * wanted  # some come twice
    every = np.full(draws, nodes.circles)
    heads = nodes.of_groups(source * every, (source + 1) * every, rng)
    group = target * nodes.circles + (nodes.circle[heads] + shift) % nodes.circles
    stray = rng.random(draws) < STRAY
    first = np.where(stray, target * nodes.circles, group)
    tails = nodes.of_groups(first, np.where(stray, (target + 1) * nodes.circles, group + 1), rng)
    return _distinct(heads, tails, wanted, len(nodes.order), rng)


def _chained(
    plain: list[tuple[IntArray, IntArray]], number: int, wanted: int, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Heads of one relation with the tails that another has at their tails: the pair that meets most often of some."""
    joins = [(first, second) for first in range(len(plain)) for second in range(len(plain)) if first != second]
    met = [int(np.isin(plain[first][1][:1000], plain[second][0]).sum()) for first, second in joins]
    first, second = joins[np.argsort(met, kind="stable")[-1 - number]]
    (heads, middles), (starts, ends) = plain[first], plain[second]
    order = np.argsort(starts, kind="stable")
    low, high = (np.searchsorted(starts[order], middles, side=side) for side in ("left", "right"))
    met_rows = np.flatnonzero(high > low)
    drawn = rng.choice(met_rows, 2 * wanted)
    tails = ends[order[rng.integers(low[drawn], high[drawn])]]
    return _distinct(heads[drawn], tails, wanted, int(max(heads.max(), tails.max())) + 1, rng)


def _distinct(
    heads: IntArray, tails: IntArray, wanted: int, entities: int, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    there = (heads >= 0) & (tails >= 0)
    keys = np.unique(heads[there] * entities + tails[there])
    if len(keys) > wanted:
        keys = np.sort(rng.choice(keys, wanted, replace=False))
    return keys // entities, keys % entities


def _texts(nodes: _Nodes, width: int, seed: int) -> Tensor:
    drawn = torch.Generator().manual_seed(seed)
    texts = torch.randn(len(nodes.kind), width, generator=drawn).mul_(NOISE)
    for number, which in ((KINDS, nodes.kind), (nodes.circles, nodes.circle)):
        texts += torch.randn(number, width, generator=drawn)[torch.from_numpy(which)]
    return functional.normalize(texts, dim=-1)
