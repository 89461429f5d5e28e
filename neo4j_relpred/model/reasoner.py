"""The reasoner: weighs the evidence of a query's candidates against each other and gives each a logit.

Candidates are entities (tail and head queries) or relations (relation queries); the code is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional

from neo4j_relpred.config import ReasonerKind

__all__ = ["Reasoner", "Reasoners"]

CLIP = 6.0
RELATION_WIDTH = 8
HIDDEN = 128
ROWS = 600  # candidates that all networks weigh at a time: what they make of more would not stay in the cache


class Reasoner(nn.Module):
    """Standardised features and the relation asked for, through an MLP, attention or a Transformer, to logits.

    A linear term and a linear term per relation (zero at the start) stand beside the network in each variant. With
    `base`, the feature of that column is a logit already, and everything else starts as no correction of it.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, kind: ReasonerKind, num_features: int, num_relations: int, base: int | None = None, hidden: int = HIDDEN
    ) -> None:
        """`num_relations` counts what can stand in `relations` of forward."""
        super().__init__()
        self.kind, self.base = kind, base
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("scale", torch.ones(num_features))
        self.relation = nn.Embedding(num_relations, RELATION_WIDTH)
        self.linear = nn.Linear(num_features, 1)
        self.by_relation = nn.Embedding(num_relations, num_features)
        nn.init.zeros_(self.by_relation.weight)
        self.into = nn.Linear(num_features, hidden)
        self.relation_into = nn.Linear(RELATION_WIDTH, hidden, bias=False)
        self.drop = nn.Dropout(0.1)
        self.compare = _COMPARE[kind](hidden)
        last = nn.Linear(hidden // 2, 1)
        self.out = nn.Sequential(nn.Linear(hidden, hidden // 2), nn.GELU(), last)
        if base is not None:
            for layer in (self.linear, last):
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

    def fit_scale(self, features: Tensor, real: Tensor) -> None:
        """Takes mean and spread of the features (q, c, f) over real candidates (q, c)."""
        rows = features[real]
        self.mean.copy_(rows.mean(0))
        self.scale.copy_(rows.std(0, correction=0).clamp(min=1e-3))  # a single row has no spread

    def forward(self, features: Tensor, relations: Tensor, real: Tensor) -> Tensor:
        """features (q, c, f), real (q, c) -> logits (q, c).

        relations: (q, 1) the relation asked for, or (q, c) where the candidates themselves are relations.
        """
        x = ((features - self.mean) / self.scale).clamp(-CLIP, CLIP)
        hidden = functional.gelu(self.into(x) + self.relation_into(self.relation(relations)))  # (q, c, hidden)
        if self.training:
            hidden = hidden * self.drop(hidden.new_ones(len(hidden), 1, hidden.shape[2]))  # alike for all of a query
        padding = ~real & real.any(1, keepdim=True)  # attention over nothing at all would be NaN
        if self.kind == "attention":
            mixed, _ = self.compare(hidden, hidden, hidden, key_padding_mask=padding, need_weights=False)
            hidden = hidden + mixed
        elif self.kind == "transformer":
            hidden = self.compare(hidden, src_key_padding_mask=padding)
        plain = self.linear(x)[..., 0] + (x * self.by_relation(relations)).sum(-1)
        out: Tensor = plain + self.out(hidden)[..., 0]
        return out if self.base is None else out + features[..., self.base]


class Reasoners(nn.Module):
    """Several reasoners as one: the mean of their logits.

    Each was fitted without some of the questions, for the calibration's sake, and errs in its own way: their mean is
    better than the best of them where there are few questions (new nodes of FB15k-237 v1 .485 instead of .476), and
    costs nothing, as candidates' features take far longer than networks.
    """

    networks: nn.ModuleList

    def __init__(self, networks: Iterable[Reasoner]) -> None:
        """At least one, with the same features and the same `base`."""
        super().__init__()
        self.networks = nn.ModuleList(networks)

    @classmethod
    def of_state(
        cls, kind: ReasonerKind, num_relations: int, base: int | None, state: Mapping[str, Tensor]
    ) -> Reasoners:
        """As many networks as there are in a state_dict, with its weights. Raises KeyError, RuntimeError."""
        count = len({name.split(".")[1] for name in state})
        features = len(state["networks.0.mean"])
        made = cls(Reasoner(kind, features, num_relations, base) for _ in range(count))
        made.load_state_dict(state)
        return made.train(mode=False)

    @property
    def base(self) -> int | None:
        """See Reasoner."""
        return self.each()[0].base

    @property
    def alone(self) -> bool:
        """Whether a candidate's logit depends on nothing but its own features."""
        return all(network.kind == "mlp" for network in self.each())

    @property
    def mean(self) -> Tensor:
        """(f,): the mean of each feature over candidates."""
        return torch.stack([network.mean for network in self.each()]).mean(0)

    def forward(self, features: Tensor, relations: Tensor, real: Tensor) -> Tensor:
        """As of Reasoner."""
        if self.alone and not self.training and not torch.is_grad_enabled() and features.numel():
            size = max(1, ROWS // features.shape[1])
            blocks = zip(features.split(size), relations.split(size), strict=True)
            return torch.cat([self._stacked.mean_of(*block) for block in blocks])
        return torch.stack([network(features, relations, real) for network in self.each()]).mean(0)

    @cached_property
    def _stacked(self) -> _Stacked:
        return _Stacked(self.each())

    def each(self) -> list[Reasoner]:
        """The networks."""
        return [network for network in self.networks if isinstance(network, Reasoner)]


class _Stacked:
    """The weights of n networks that are MLPs, one behind the other: four times as fast as one after the other."""

    def __init__(self, networks: list[Reasoner]) -> None:
        def stacked(*path: str) -> Tensor:
            return torch.stack([network.state_dict()[".".join(path)] for network in networks])

        self._base = networks[0].base
        self._mean, self._scale = stacked("mean")[:, None], stacked("scale")[:, None]  # (n, 1, f)
        self._linear, self._linear_bias = stacked("linear", "weight"), stacked("linear", "bias")  # (n, 1, f), (n, 1)
        self._by_relation, self._relation = stacked("by_relation", "weight"), stacked("relation", "weight")
        self._relation_into = stacked("relation_into", "weight").mT
        self._into, self._into_bias = stacked("into", "weight").mT, stacked("into", "bias")[:, None]
        self._next, self._next_bias = stacked("out", "0", "weight").mT, stacked("out", "0", "bias")[:, None]
        self._last, self._last_bias = stacked("out", "2", "weight").mT, stacked("out", "2", "bias")

    def mean_of(self, features: Tensor, relations: Tensor) -> Tensor:
        """features (q, c, f), relations (q, 1) or (q, c) -> the mean of the networks' logits (q, c)."""
        shape, count = features.shape[:2], len(self._mean)
        x = features.reshape(1, -1, features.shape[2]) - self._mean
        x.div_(self._scale).clamp_(-CLIP, CLIP)  # (n, q c, f)
        asked = torch.bmm(self._relation[:, relations.reshape(-1)], self._relation_into)  # (n, q or q c, hidden)
        hidden = torch.baddbmm(self._into_bias, x, self._into).view(count, *shape, -1)
        hidden += asked.view(count, len(relations), -1, hidden.shape[3])
        hidden = functional.gelu(hidden).view(count, -1, hidden.shape[3])
        hidden = functional.gelu(torch.baddbmm(self._next_bias, hidden, self._next))
        weights = self._linear[:, None] + self._by_relation[:, relations]  # (n, q, 1 or c, f)
        rows = x.view(count, *shape, -1)
        plain = (rows @ weights.mT if weights.shape[2] == 1 else (rows * weights).sum(-1, keepdim=True))[..., 0]
        out = plain + torch.bmm(hidden, self._last).view(plain.shape) + (self._linear_bias + self._last_bias)[..., None]
        mean = out.mean(0)
        return mean if self._base is None else mean + features[..., self._base]


def _transformer(hidden: int) -> nn.Module:
    layer = nn.TransformerEncoderLayer(hidden, 4, 2 * hidden, 0.1, "gelu", batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


_COMPARE = {
    "mlp": lambda hidden: nn.Identity(),
    "attention": lambda hidden: nn.MultiheadAttention(hidden, 4, batch_first=True),
    "transformer": _transformer,
}
