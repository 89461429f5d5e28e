"""Tunes a text encoder to a graph: texts of linked nodes answer each other's questions, after SimKGC.

Source: Wang et al. 2022 (one encoder here for both ends, and a small map per relation instead of its name in the text;
negatives from the batch, true answers masked); earlier batches after He et al. 2020; LoRA after Hu et al. 2022.
"""

from __future__ import annotations

import copy
import importlib.util
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from neo4j_relpred.config import Pooling, TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, both_directions
from neo4j_relpred.errors import DependencyMissing
from neo4j_relpred.text.processor import multiplies_bf16
from neo4j_relpred.text.transformers_encoder import pool
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.course import Course
from neo4j_relpred.training.negatives import known_answers

__all__ = ["LinkEncoder", "Method", "adapted", "fit_encoder", "merged"]

Method = Literal["full", "lora"]
TRIPLES = {"cpu": 32, "cuda": 256}  # in a batch
QUEUE = 2_048  # vectors of earlier batches that are wrong answers, too; of a small graph as many as QUEUED nodes
QUEUED = 0.25  # share of them: more would be old copies of the same
FOLLOWING = 0.01  # how far the slow copy, which encodes for the queue, follows at each step
RATES = {"full": 1e-4, "lora": 3e-4}
MAP_RATE = 1e-3  # of what relations do to a vector
WARM_UP = 0.05  # share of the course in which rates rise
MARGIN = 0.02
LONGEST_STEP = 1.0  # norm of a gradient
LORA_RANK = 8


class LinkEncoder(nn.Module):
    """An encoder of texts and a map for each relation; before anything is learnt a link is likeness of texts."""

    def __init__(self, encoder: Any, width: int, num_relations: int, pooling: Pooling, padding: int) -> None:
        """`num_relations` counts the inverses too; `padding` is the token that fills short texts."""
        super().__init__()
        self.encoder, self._pooling, self._padding = encoder, pooling, padding
        self.scale = nn.Embedding(num_relations, width)
        self.shift = nn.Embedding(num_relations, width)
        self.log_temperature = nn.Parameter(torch.tensor(-3.0))
        for table in (self.scale, self.shift):
            nn.init.zeros_(table.weight)

    def forward(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Token ids of each text, none empty -> unit vectors (texts, width)."""
        return self.encoded(self.encoder, ids)

    def encoded(self, encoder: Any, ids: Sequence[Sequence[int]]) -> Tensor:
        """The same by another state of the encoder."""
        longest = max(map(len, ids))
        padded = torch.tensor([[*row, *[self._padding] * (longest - len(row))] for row in ids])  # (texts, tokens)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
        device = self.scale.weight.device
        mask = mask.to(device)
        output = encoder(input_ids=padded.to(device), attention_mask=mask)
        return pool(output.last_hidden_state, mask, self._pooling)

    def query(self, vectors: Tensor, relations: Tensor) -> Tensor:
        """(q, width), (q,) -> unit vectors (q, width) that lie near those of the answers."""
        shift = self.shift(relations) / vectors.shape[1] ** 0.5  # as small as the numbers of a unit vector
        return functional.normalize(vectors * (1 + self.scale(relations)) + shift, dim=-1)


def adapted(encoder: Any, method: Method) -> Any:
    """The encoder with what is to be learnt: all weights, or small matrices beside them. Raises DependencyMissing."""
    if method == "full":
        return encoder
    if importlib.util.find_spec("peft") is None:
        raise DependencyMissing(
            "Tuning by LoRA needs the package peft, which is not installed.",
            hint="pip install 'neo4j_relpred[finetune]', or tune with --method full.",
        )
    import peft

    config = peft.LoraConfig(r=LORA_RANK, lora_alpha=2 * LORA_RANK, lora_dropout=0.05, target_modules="all-linear")
    with warnings.catch_warnings():  # it still asks transformers for an old name
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)
        return peft.get_peft_model(encoder, config)


def merged(encoder: Any) -> Any:
    """The encoder as an ordinary model again, ready to be asked and saved."""
    whole = encoder.merge_and_unload() if hasattr(encoder, "merge_and_unload") else encoder
    return whole.train(mode=False)


def fit_encoder(
    model: LinkEncoder,
    graph: KnowledgeGraph,
    ids: Callable[[IntArray], Sequence[Sequence[int]]],
    method: Method,
    settings: TrainingSettings,
    budget: Budget,
    report: Callable[[float], None] = lambda loss: None,
) -> LinkEncoder:
    """Trains until the budget is used or `max_epochs` are done; `report` gets the loss of each step.

    `ids` gives the token ids of nodes (n,), none empty.
    """
    torch.manual_seed(settings.seed + 8)
    rng = np.random.default_rng([settings.seed, 8])
    device = model.scale.weight.device
    encoder = [weight for weight in model.encoder.parameters() if weight.requires_grad]
    maps = [*model.scale.parameters(), *model.shift.parameters(), model.log_temperature]
    rates = (RATES[method], MAP_RATE)
    optimizer = torch.optim.AdamW([{"params": encoder}, {"params": maps}], weight_decay=0.01)
    half = multiplies_bf16(device.type)
    queue = _Queue.of(model, min(QUEUE, int(QUEUED * graph.num_entities)))
    model.train()
    course = Course(len(graph.triples), TRIPLES[device.type], settings, budget, rng, lambda loss: None, least=1)
    for rows in course.batches(None):
        done = course.progress
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * max(0.01, min(done / WARM_UP, (1 - done) / (1 - WARM_UP)))
        queries = both_directions(graph.triples[rows], graph.num_relations)  # (2b, 3)
        met, place = np.unique(queries[:, 0], return_inverse=True)
        texts = ids(met)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            vectors = model(texts)
            queue.put(model, met, texts)
        anchors = vectors[torch.from_numpy(place).to(device)]  # (2b, width)
        beside, before = (_loss(model, graph, queries, anchors, *those) for those in ((met, vectors), queue.all))
        loss = (beside + before) / 2
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), LONGEST_STEP)
        optimizer.step()
        queue.follow(model)
        report(loss.item())
    return model.train(mode=False)


@dataclass
class _Queue:
    """Vectors of the texts of earlier batches, by a copy of the encoder that follows it slowly.

    The right answers are read by the same copy. Were they fresh and the wrong ones old, then to turn all vectors away
    from the old ones would be enough.
    """

    slow: Any
    vectors: Tensor
    nodes: IntArray
    longest: int

    @classmethod
    def of(cls, model: LinkEncoder, longest: int) -> _Queue:
        """An empty one that keeps `longest`."""
        slow = copy.deepcopy(model.encoder).train(mode=False)
        return cls(slow, model.scale.weight.new_zeros(0, model.scale.embedding_dim), np.empty(0, np.int64), longest)

    @property
    def all(self) -> tuple[IntArray, Tensor]:
        """Nodes (k,) and their vectors (k, width), those put last at the front."""
        return self.nodes, self.vectors

    @torch.no_grad()
    def put(self, model: LinkEncoder, nodes: IntArray, texts: Sequence[Sequence[int]]) -> None:
        """Nodes (n,) with their texts, each once."""
        kept = np.flatnonzero(~np.isin(self.nodes, nodes))[: self.longest]
        self.vectors = torch.cat([model.encoded(self.slow, texts), self.vectors[torch.from_numpy(kept)]])
        self.nodes = np.concatenate([nodes, self.nodes[kept]])

    @torch.no_grad()
    def follow(self, model: LinkEncoder) -> None:
        """One step nearer to the encoder."""
        for slow, weight in zip(self.slow.parameters(), model.encoder.parameters(), strict=True):
            slow.lerp_(weight, FOLLOWING)


def _loss(
    model: LinkEncoder, graph: KnowledgeGraph, queries: IntArray, anchors: Tensor, nodes: IntArray, vectors: Tensor
) -> Tensor:
    """queries (2b, 3), the vectors of their anchors (2b, width); candidates (k,), each once, and theirs (k, width)."""
    device, size = anchors.device, len(queries)
    query = model.query(anchors, torch.from_numpy(queries[:, 1]).to(device))
    logits = query @ vectors.T / model.log_temperature.exp()  # (2b, k)
    order = np.argsort(nodes, kind="stable")
    place = order[np.searchsorted(nodes[order], queries[:, 2])]
    rows, own = (torch.from_numpy(part).to(device) for part in (np.arange(size), place))
    logits[rows, own] -= MARGIN / model.log_temperature.exp()
    known = known_answers(graph, queries, nodes, place)
    known |= torch.from_numpy(nodes == queries[:, :1])  # a text is most like itself, and no answer
    known[torch.arange(size), torch.from_numpy(place)] = False
    return functional.cross_entropy(logits.masked_fill(known.to(device), -1e4), own)
