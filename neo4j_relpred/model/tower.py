"""The fused text-graph tower: text and entity vectors, gate, message passing, context; one vector per node.

It needs no entity vector, so it answers for nodes that came after the training.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from neo4j_relpred.config import ModelSettings
from neo4j_relpred.model.fusion import Fusion
from neo4j_relpred.model.gnn import build_layer
from neo4j_relpred.model.neighborhood import Neighborhood

__all__ = ["Tower"]


class Tower(nn.Module):
    """Encodes nodes to H and scores pairs by the cosine of a query and a candidate over a learned temperature."""

    def __init__(self, num_entities: int, num_relations: int, text_width: int, settings: ModelSettings) -> None:
        """`num_relations` counts the inverses too."""
        super().__init__()
        self.hidden = hidden = settings.hidden
        self.fusion = Fusion(num_entities, text_width, settings.entity_width or 0, hidden, settings.gate)
        self.layers = nn.ModuleList(
            build_layer(settings.gnn, hidden, num_relations) for _ in range(settings.gnn_layers)
        )
        self.context = nn.Sequential(nn.Linear(num_relations, hidden), nn.GELU(), nn.Linear(hidden, hidden))
        self.out = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, hidden))
        self.relation = nn.Embedding(num_relations, hidden)
        self.ask = nn.Sequential(nn.Linear(3 * hidden, hidden), nn.GELU(), nn.Linear(hidden, hidden))
        self.text_view = nn.Linear(hidden, hidden)
        self.log_temperature = nn.Parameter(torch.tensor(-3.0))

    def without_entities(self) -> Tower:
        """The same weights, to which every node is new."""
        tower = copy.deepcopy(self)
        tower.fusion.forget()
        return tower

    def fuse(self, nodes: Tensor, degree: Tensor, text: Tensor, unknown_share: float = 0.0) -> Tensor:
        """nodes, degree (rows,), logarithms; text (entities, text width) -> S (rows, hidden)."""
        vectors = text[nodes]
        present = vectors.any(-1).float()
        signals = torch.stack([degree / 5, present], -1)  # (rows, 2)
        fused: Tensor = self.fusion(nodes, vectors, signals, unknown_share)
        return fused

    def encode(
        self,
        around: Neighborhood,
        text: Tensor,
        unknown_share: float = 0.0,
        own_share: float = 1.0,
        fused: Tensor | None = None,
    ) -> Tensor:
        """Neighbourhood and text (entities, text width) -> H (seeds, hidden).

        `own_share` 0 leaves the seeds' own text and entity vector out (the graph's view in the contrast).
        fused: (entities, hidden), what `fuse` gives for each, where nothing is asked or unknown.
        """
        if fused is not None:
            x = fused[around.nodes]  # (rows, hidden)
        else:
            x = self.fuse(around.nodes, around.degree, text, unknown_share)
        if own_share != 1:
            x = torch.cat([own_share * x[: around.seeds], x[around.seeds :]])
        for done, layer in enumerate(self.layers, start=1):
            hops = len(self.layers) - done
            edges = around.edges[hops]
            degree = around.degree[: len(x)]
            x = layer(x, around.edge_index[:, :edges], around.edge_type[:edges], degree, around.rows[hops])
        encoded: Tensor = self.out(x[: around.seeds] + self.context(around.context))
        return encoded

    def describe(self, nodes: Tensor, text: Tensor) -> Tensor:
        """(n,) -> (n, hidden): the view from the text alone, for the contrast."""
        view: Tensor = self.text_view(self.fusion.view(text[nodes]))
        return view

    def query(self, encoded: Tensor, relations: Tensor) -> Tensor:
        """H (q, hidden), relations (q,) -> unit vectors (q, hidden)."""
        r = self.relation(relations)
        return functional.normalize(encoded * r + self.ask(torch.cat([encoded, r, encoded * r], -1)), dim=-1)

    def scores(self, query: Tensor, candidates: Tensor) -> Tensor:
        """(q, hidden), H (c, hidden) -> logits (q, c)."""
        return query @ functional.normalize(candidates, dim=-1).T / self.log_temperature.exp()
