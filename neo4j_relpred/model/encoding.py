"""Encodes all nodes of a graph: what is shared between them is worked out once, and a large graph is read thinner."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from neo4j_relpred.config import ModelSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.model.neighborhood import gather
from neo4j_relpred.model.tower import Tower

__all__ = ["ENCODE_BATCH", "encode_all", "fuse_all"]

ENCODE_BATCH = 2_048  # nodes
WIDER = 4  # times the neighbours of training, for what is not random noise to the end of a training
READ_EDGES = 8_000_000  # in a graph with more nodes than these are enough for, down to as many as in training


@torch.no_grad()
def encode_all(
    tower: Tower,
    graph: KnowledgeGraph,
    text: Tensor,
    settings: ModelSettings,
    nodes: IntArray | None = None,
    fused: Tensor | None = None,
) -> Tensor:
    """(nodes, hidden): every node, or these, with a wide neighbourhood and nothing left out.

    fused: (entities, hidden) from `fuse_all`, where it is at hand already.
    """
    chosen = np.arange(graph.num_entities) if nodes is None else nodes
    if nodes is None and fused is None and settings.gnn_layers:
        fused = fuse_all(tower, graph, text)  # a node is the neighbour of many
    out = torch.zeros(len(chosen), settings.hidden)
    for first in range(0, len(chosen), ENCODE_BATCH):
        batch = chosen[first : first + ENCODE_BATCH]
        nothing = np.full((len(batch), 2), -1, np.int64)
        around = gather(graph, batch, nothing, _neighbors(graph, settings), settings.gnn_layers, seed=first)
        out[first : first + len(batch)] = tower.encode(around, text, fused=fused)
    return out


@torch.no_grad()
def fuse_all(tower: Tower, graph: KnowledgeGraph, text: Tensor, nodes: IntArray | None = None) -> Tensor:
    """(nodes, hidden): every node, or these, before any message: what `encode_all` reads of a neighbour."""
    chosen = np.arange(graph.num_entities) if nodes is None else nodes
    degree = np.log1p(graph.degrees[chosen]).astype(np.float32)
    out = torch.zeros(len(chosen), tower.hidden)
    for first in range(0, len(chosen), ENCODE_BATCH):
        part = slice(first, first + ENCODE_BATCH)
        out[part] = tower.fuse(torch.from_numpy(chosen[part]), torch.from_numpy(degree[part]), text)
    return out


def _neighbors(graph: KnowledgeGraph, settings: ModelSettings) -> int:
    enough = READ_EDGES // max(1, graph.num_entities)
    return int(np.clip(enough, settings.neighbors, WIDER * settings.neighbors))
