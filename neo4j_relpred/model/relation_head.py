"""The relation head: which relation leads from head to tail, from context, text and direct links.

After PathCon (Wang et al. 2021): which relation types touch the two nodes tells most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph

__all__ = ["PairInputs", "RelationHead", "pair_inputs"]

TEXT_WIDTH = 64
COPIES = 3
HIDDEN_SHARE = 0.5  # of the counts and of the texts' numbers, by chance in training


@dataclass(frozen=True)
class PairInputs:
    """What is seen of pairs: context (q, 4R) log counts of head and tail, links (q, 2R), nodes (q, 2)."""

    context: Tensor
    links: Tensor
    nodes: Tensor

    def to(self, device: torch.device) -> PairInputs:
        """The same on another device."""
        return PairInputs(self.context.to(device), self.links.to(device), self.nodes.to(device))


def pair_inputs(graph: KnowledgeGraph, heads: IntArray, tails: IntArray, asked: IntArray) -> PairInputs:
    """asked: (q,) the relation of the edge that is asked about where it stands in the graph, else -1.

    That edge is taken out of the counts of both ends and out of the links, in both directions, and its twin with it. A
    self-loop, and a symmetric relation, are seen from both ends by both directions.
    """
    width, rows = 2 * graph.num_relations, np.flatnonzero(asked >= 0)
    back = (asked[rows] + graph.num_relations) % width
    of_heads, of_tails = graph.context[heads], graph.context[tails]
    of_heads[rows, asked[rows]] -= 1
    of_tails[rows, back] -= 1
    loops = rows[(heads[rows] == tails[rows]) | graph.has_twin(asked[rows])]
    loop_back = (asked[loops] + graph.num_relations) % width
    of_heads[loops, loop_back] -= 1
    of_tails[loops, asked[loops]] -= 1
    links = np.zeros((len(heads), width), np.float32)
    row, relation = graph.linking_relations(heads, tails)
    links[row, relation] = 1
    links[rows, asked[rows]] = 0
    links[loops, loop_back] = 0
    context = np.log1p(np.concatenate([of_heads, of_tails], axis=1))
    return PairInputs(*(torch.from_numpy(a) for a in (context, links, np.stack([heads, tails], axis=1))))


class RelationHead(nn.Module):
    """Networks from pair inputs to a logit per relation, averaged. Each kind of input can be switched off (baselines).

    A few networks that learnt a little each err less together than one that learnt for as long, and each sees half of
    the counts and of the texts at a time in training: a pair is told by several signs, not by one that happens to be
    there (Hits@1 on CoDEx-S .981 without and .983 with it, UMLS .971 and .976, new nodes of FB15k-237 v1 .81 and .83).

    `counts`: (R,) edges of each relation among those that it learnt from.
    """

    counts: Tensor

    def __init__(
        self, num_relations: int, text_width: int, *, context: bool = True, text: bool = True, links: bool = True
    ) -> None:
        """`num_relations` without inverses."""
        super().__init__()
        self.uses = {"context": context, "text": text and text_width > 0, "links": links}
        size = 4 * num_relations * context + 4 * TEXT_WIDTH * self.uses["text"] + 2 * num_relations * links
        self.projects = nn.ModuleList(nn.Linear(text_width, TEXT_WIDTH) for _ in range(COPIES * self.uses["text"]))
        self.hide = nn.Dropout(HIDDEN_SHARE)
        self.register_buffer("counts", torch.zeros(num_relations))
        self.networks = nn.ModuleList(_network(size, num_relations) for _ in range(COPIES))

    def forward(self, pairs: PairInputs, text: Tensor) -> Tensor:
        """pairs of q rows, text (entities, text width) -> (q, R): the mean of the networks' logits."""
        return self.each(pairs, text).mean(0)

    def each(self, pairs: PairInputs, text: Tensor) -> Tensor:
        """(networks, q, R): the logits of every network."""
        shared = [self.hide(pairs.context)] if self.uses["context"] else []
        if self.uses["links"]:
            shared.append(pairs.links)
        found = []
        for number, network in enumerate(self.networks):
            parts = list(shared)
            if self.uses["text"]:
                head, tail = (self.projects[number](self.hide(text[pairs.nodes[:, side]])) for side in (0, 1))
                parts.append(torch.cat([head, tail, head * tail, (head - tail).abs()], -1))
            found.append(network(torch.cat(parts, -1)))
        return torch.stack(found)

    def shift(self, counts: Tensor) -> Tensor:
        """counts (..., R): edges of each relation in the graph that is asked about -> (..., R), to add to the logits.

        What was rare where it learnt may be common there: the odds of a relation move as its share of the edges does
        (Saerens et al. 2002, eq. 2). Hits@1 on the new graph of FB15k-237 v1 .810 without and .854 with it.
        """
        now, then = counts + 1, self.counts + 1
        return torch.log(now / now.sum(-1, keepdim=True)) - torch.log(then / then.sum())


def _network(size: int, num_relations: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(size, 256), nn.LayerNorm(256), nn.GELU(), nn.Dropout(0.2), nn.Linear(256, num_relations)
    )
