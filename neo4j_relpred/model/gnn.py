"""The message passing layers that the tower can use, PyTorch Geometric inside, one call outside."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

with warnings.catch_warnings():  # importing it warns of torch.jit, which we do not use
    warnings.simplefilter("ignore", FutureWarning)
    from torch_geometric.nn import GATv2Conv, GCNConv, MessagePassing, RGCNConv, SAGEConv
    from torch_geometric.utils import softmax

from neo4j_relpred.config import Gnn

__all__ = ["CompGCNConv", "GraphLayer", "build_layer"]


class CompGCNConv(MessagePassing):  # type: ignore[misc]  # PyG carries no types
    """Messages (W x_j) * r + s weighted by attention.

    Composition after CompGCN (Vashishth et al. 2020, eq. 2, "mult"), weights after GATv2 (Brody et al. 2022).
    """

    def __init__(self, hidden: int, num_relations: int) -> None:
        super().__init__(aggr="add", node_dim=0)
        self.relation = nn.Parameter(1 + 0.1 * torch.randn(num_relations, hidden))
        self.shift = nn.Parameter(0.1 * torch.randn(num_relations, hidden))
        self.transform = nn.Linear(hidden, hidden, bias=False)
        self.attention = nn.Parameter(0.1 * torch.randn(hidden))

    def forward(self, x: tuple[Tensor, Tensor], edge_index: Tensor, edge_type: Tensor) -> Tensor:
        """x: sources (rows, hidden) and targets (targets, hidden); edges from row to target -> (targets, hidden)."""
        out: Tensor = self.propagate(edge_index, x=(self.transform(x[0]), x[1]), edge_type=edge_type)
        return out

    def message(self, x_i: Tensor, x_j: Tensor, edge_type: Tensor, index: Tensor, size_i: int | None) -> Tensor:
        """(edges, hidden) twice -> (edges, hidden)."""
        values = torch.addcmul(self.shift[edge_type], x_j, self.relation[edge_type])
        logits = functional.leaky_relu(x_i + values, 0.2) @ self.attention  # (edges,)
        weights: Tensor = softmax(logits, index, num_nodes=size_i)
        return values * weights.unsqueeze(-1)


class GraphLayer(nn.Module):
    """A layer with the node's own vector beside it: H = act(norm(W S + layer(S)))."""

    def __init__(self, kind: Gnn, hidden: int, num_relations: int) -> None:
        super().__init__()
        self.kind = kind
        self.own = nn.Linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.edge = nn.Embedding(num_relations, hidden) if kind == "gat" else None
        self.layer: Any = _LAYERS[kind](hidden, num_relations)

    def forward(self, x: Tensor, edge_index: Tensor, edge_type: Tensor, degree: Tensor, targets: int) -> Tensor:
        """x (rows, hidden); edge_index (2, edges) from a row to one of the first `targets` rows; edge_type (edges,).

        degree: (rows,) log degrees in the whole graph. Returns (targets, hidden).
        """
        pair = (x, x[:targets])
        if self.kind == "gcn":  # knows no relation types
            passed = self.layer(x, edge_index, _symmetric(edge_index, degree))[:targets]
        elif self.kind == "sage":  # knows none, either
            passed = self.layer(pair, edge_index)
        elif self.edge is not None:
            passed = self.layer(pair, edge_index, self.edge(edge_type))
        else:
            passed = self.layer(pair, edge_index, edge_type)
        return functional.gelu(self.norm(self.own(pair[1]) + passed))


def _symmetric(edge_index: Tensor, degree: Tensor) -> Tensor:
    """(edges,): 1 / sqrt(d_i d_j) after Kipf and Welling 2017, scaled up from the sampled edges of i to all d_i.

    The degrees are those of the graph: those of a sample would be 0 for leaves and would depend on the batch.
    """
    source, target = edge_index
    whole = torch.expm1(degree).clamp(min=1)  # (rows,)
    sampled = torch.zeros_like(degree).index_add_(0, target, degree.new_ones(len(target)))  # (rows,)
    return (whole[target] / whole[source]).sqrt() / sampled[target]


_LAYERS: dict[Gnn, Callable[[int, int], nn.Module]] = {
    "gcn": lambda hidden, relations: GCNConv(hidden, hidden, add_self_loops=False, normalize=False),
    "sage": lambda hidden, relations: SAGEConv(hidden, hidden, root_weight=False),
    "gat": lambda hidden, relations: GATv2Conv(hidden, hidden // 4, heads=4, edge_dim=hidden, add_self_loops=False),
    "rgcn": lambda hidden, relations: RGCNConv(hidden, hidden, relations, num_bases=8, root_weight=False),
    "compgcn": CompGCNConv,
}


def build_layer(kind: Gnn, hidden: int, num_relations: int) -> GraphLayer:
    """A layer of the kind that the settings name; `num_relations` counts the inverses."""
    return GraphLayer(kind, hidden, num_relations)
