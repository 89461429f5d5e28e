"""What the tower reads of the graph for a batch of nodes, with the asked edge left out of all of it.

Each seed row is encoded in a tree of its own. A seed that stands at one end of an asked edge never meets the other
end in its tree, and its counts and degree are those of the graph without the asked edge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.model.sampling import sample_neighbors

__all__ = ["Neighborhood", "gather"]


@dataclass(frozen=True)
class Neighborhood:
    """Rows 0 to seeds - 1 are the seeds, later rows their neighbours, hop by hop; the last hop has each node once.

    nodes (rows,); edge_index (2, edges) neighbour to parent; edge_type (edges,) from the parent's side;
    context (seeds, 2R) log counts; degree (rows,) log degrees; rows and edges: how many there are up to each hop.
    """

    nodes: Tensor
    edge_index: Tensor
    edge_type: Tensor
    context: Tensor
    degree: Tensor
    rows: tuple[int, ...]
    edges: tuple[int, ...]

    @property
    def seeds(self) -> int:
        """How many rows are seeds."""
        return self.rows[0]

    def to(self, device: torch.device) -> Neighborhood:
        """The same on another device."""
        names = ("nodes", "edge_index", "edge_type", "context", "degree")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def gather(
    graph: KnowledgeGraph, seeds: IntArray, asked: IntArray, fanout: int, layers: int, seed: int, drop: float = 0.0
) -> Neighborhood:
    """Samples the trees of `seeds` (b,).

    asked: (b, 2) the relation seen from the seed and the partner of the edge asked about, -1 and -1 for none.
    drop: share of sampled edges that are left out at random (training).
    """
    partner = asked[:, 1]
    hides = asked[:, 0] >= 0
    context = graph.context[seeds]
    context[np.flatnonzero(hides), asked[hides, 0]] -= 1  # sum minus the asked edge
    # a self-loop, and a symmetric relation, are seen from both ends by both directions
    loops = hides & ((partner == seeds) | graph.has_twin(asked[:, 0]))
    if loops.any():
        other = (asked[loops, 0] + graph.num_relations) % (2 * graph.num_relations)
        context[np.flatnonzero(loops), other] -= 1
    nodes, degree, sources, targets, types = [seeds], [context.sum(1)], [], [], []
    parents, barred = np.arange(len(seeds)), np.stack([partner, np.where(hides, seeds, -1)], axis=1)
    rng = np.random.default_rng(seed)
    for hop in range(layers):
        level = nodes[-1]
        out = np.empty((len(level), fanout), np.int64)
        arrays = (graph.offsets, graph.edge_relations, graph.edge_tails)
        sample_neighbors(*arrays, level, barred, fanout, int(rng.integers(2**31)), out)
        keep = (out >= 0) & (rng.random(out.shape) >= drop) if drop else out >= 0
        row, slot = np.nonzero(keep)
        edge = out[row, slot]
        first = sum(len(part) for part in nodes)
        found, position = graph.edge_tails[edge], np.arange(len(edge))
        if hop == layers - 1:  # leaves are read, never written: one row each is enough
            found, position = np.unique(found, return_inverse=True)
        nodes.append(found)
        degree.append(graph.degrees[found])
        sources.append(first + position)
        targets.append(parents[row])
        types.append(graph.edge_relations[edge])
        parents, barred = sources[-1], barred[row]
    edges = np.stack([_joined(sources), _joined(targets)])
    return Neighborhood(
        torch.from_numpy(np.concatenate(nodes)),
        torch.from_numpy(edges),
        torch.from_numpy(_joined(types)),
        torch.from_numpy(np.log1p(context)),
        torch.from_numpy(np.log1p(np.concatenate(degree)).astype(np.float32)),
        tuple(int(size) for size in np.cumsum([len(part) for part in nodes])),
        tuple(int(size) for size in np.cumsum([len(part) for part in sources])),
    )


def _joined(parts: list[IntArray]) -> IntArray:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
