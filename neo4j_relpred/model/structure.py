"""The structure member: ComplEx over learned entity vectors, with inverse relations.

Source: Trouillon et al. 2016; reciprocal relations and N3 after Lacroix et al. 2018; the relation softmax after
Chen et al. 2021 ("Relation prediction as an auxiliary training objective").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ComplEx"]

BLOCK = 16_000_000  # numbers in the largest array of `log_share`


class ComplEx(nn.Module):
    """Scores Re(<h, r, conj(t)>). The first half of each vector is the real part, the second the imaginary one."""

    def __init__(self, num_entities: int, num_relations: int, rank: int, init: float = 1e-2) -> None:
        """`num_relations` counts the inverses too."""
        super().__init__()
        self.rank = rank
        self.entity = nn.Parameter(torch.randn(num_entities, 2 * rank).mul_(init))  # in place: the table may be large
        self.relation = nn.Parameter(init * torch.randn(num_relations, 2 * rank))

    def query(self, anchors: Tensor, relations: Tensor) -> Tensor:
        """(q,), (q,) -> (q, 2 rank): what a tail is multiplied with."""
        head_re, head_im = self.entity.index_select(0, anchors).chunk(2, -1)
        rel_re, rel_im = self.relation.index_select(0, relations).chunk(2, -1)
        return torch.cat([head_re * rel_re - head_im * rel_im, head_re * rel_im + head_im * rel_re], -1)

    def forward(self, anchors: Tensor, relations: Tensor) -> Tensor:
        """(q,), (q,) -> (q, entities): logits of every tail."""
        return self.query(anchors, relations) @ self.entity.T

    def pairs(self, heads: Tensor, tails: Tensor) -> Tensor:
        """(q,), (q,) -> (q, relations with inverses): logits of every relation."""
        return self.between(heads, tails) @ self.relation.T

    def between(self, heads: Tensor, tails: Tensor) -> Tensor:
        """(q,), (q,) -> (q, 2 rank): what a relation is multiplied with."""
        head_re, head_im = self.entity.index_select(0, heads).chunk(2, -1)
        tail_re, tail_im = self.entity.index_select(0, tails).chunk(2, -1)
        real, imag = head_re * tail_re + head_im * tail_im, head_re * tail_im - head_im * tail_re
        return torch.cat([real, imag], -1)

    def asker(self, tails: Tensor, relations: Tensor) -> Tensor:
        """(q,), (q,) -> (q, 2 rank): what a head is multiplied with."""
        tail_re, tail_im = self.entity.index_select(0, tails).chunk(2, -1)
        rel_re, rel_im = self.relation.index_select(0, relations).chunk(2, -1)
        return torch.cat([rel_re * tail_re + rel_im * tail_im, rel_re * tail_im - rel_im * tail_re], -1)

    def log_share(self, heads: Tensor, tails: Tensor, relation: int) -> Tensor:
        """heads (q,), vectors of tails (q, c, 2 rank) -> (q, c): the logarithm of one relation's share.

        Of the softmax over all relations of the pair. In blocks: all logits of thousands of pairs and of relations at
        once would not fit into memory.
        """
        relations = torch.arange(len(self.relation))
        shares = []
        size = max(1, BLOCK // (max(1, tails.shape[1]) * len(relations)))
        for anchors, others in zip(heads.split(size), tails.split(size), strict=True):
            queries = self.query(anchors.repeat_interleave(len(relations)), relations.repeat(len(anchors)))
            logits = others @ queries.view(len(anchors), len(relations), 2 * self.rank).mT  # (q, c, relations)
            shares.append(logits[..., relation] - torch.logsumexp(logits, -1))
        return torch.cat(shares)

    def n3(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor:
        """Sum over the triples of the cubed moduli (the nuclear 3-norm), a scalar."""
        parts = (
            self.entity.index_select(0, heads),
            self.relation.index_select(0, relations),
            self.entity.index_select(0, tails),
        )
        squares = (re.square() + im.square() + 1e-12 for re, im in (part.chunk(2, -1) for part in parts))
        return torch.stack([(square * square.sqrt()).sum() for square in squares]).sum()
