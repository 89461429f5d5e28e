"""Which candidates of a batch are true answers as well, and so no wrong ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph

__all__ = ["known_answers"]


def known_answers(graph: KnowledgeGraph, queries: IntArray, candidates: IntArray, own: IntArray) -> Tensor:
    """(q, candidates): candidates that are answers of queries (q, 3), but not the one at `own` (q,), asked for."""
    order = np.argsort(candidates, kind="stable")
    rows, answers = graph.answers(queries[:, 0], queries[:, 1])
    first = np.searchsorted(candidates[order], answers, side="left")
    last = np.searchsorted(candidates[order], answers, side="right")
    mask = np.zeros((len(queries), len(candidates)), bool)
    for offset in range(int((last - first).max(initial=0))):
        there = first + offset < last
        mask[rows[there], order[first[there] + offset]] = True
    mask[np.arange(len(queries)), own] = False
    return torch.from_numpy(mask)
