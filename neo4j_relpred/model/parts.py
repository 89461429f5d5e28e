"""The trained parts over a graph, and what is worked out of the whole graph once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neo4j_relpred.config import ModelSettings
from neo4j_relpred.data.knowledge_graph import KnowledgeGraph
from neo4j_relpred.model.pools import WHOLE
from neo4j_relpred.model.rough import RoughTable
from neo4j_relpred.model.rules import Rules
from neo4j_relpred.model.structure import ComplEx
from neo4j_relpred.model.tower import Tower
from neo4j_relpred.model.words import Words

__all__ = ["Parts", "Weights"]

FloatArray = npt.NDArray[np.float32]
REVERSE_SAMPLE = 2_000  # entities over which a reverse score is normalised
LEAST = 1e-12  # length of a vector: the zero vector has none to be divided by
FEWER = 512  # of them in a large graph, which has more candidates to normalise


@dataclass(frozen=True)
class Weights:
    """Of structure, tower, rules and walks in the sum that orders candidates: for trained anchors, and for new ones.

    A member may know its own nodes by heart and say little of others.
    """

    known: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    new: tuple[float, ...] = (0.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Parts:
    """Members that were not trained are None; entities from `trained` on are new.

    room: bytes that may be taken to keep what queries by a relation share, where such queries come in any order.
    """

    graph: KnowledgeGraph
    text: Tensor
    rules: Rules
    structure: ComplEx | None
    tower: Tower | None
    encoded: Tensor
    settings: ModelSettings
    trained: int
    words: Words | None = None
    weights: Weights = Weights()
    room: int = 0

    @cached_property
    def unit(self) -> Tensor:
        """(entities, hidden): encoded nodes as unit vectors."""
        return torch.nn.functional.normalize(self.encoded, dim=-1)

    @cached_property
    def sample(self) -> Tensor:
        """Entities over which reverse scores are normalised."""
        rng = np.random.default_rng(0)
        count = self.trained or self.graph.num_entities
        size = min(count, REVERSE_SAMPLE if count <= WHOLE else FEWER)
        return torch.from_numpy(np.sort(rng.choice(count, size, replace=False)))

    @cached_property
    def rough_structure(self) -> RoughTable:
        """(trained, 2 rank): the vectors of the structure member."""
        assert self.structure is not None
        return RoughTable(self.structure.entity.detach())

    @cached_property
    def rough_unit(self) -> RoughTable:
        """(entities, hidden): encoded nodes as unit vectors."""
        return RoughTable(torch.nn.functional.normalize(self.encoded, dim=-1))

    @cached_property
    def lengths(self) -> Tensor:
        """(entities,): of encoded nodes, never 0."""
        lengths: Tensor = self.encoded.norm(dim=-1)
        return lengths.clamp_min(LEAST)

    def unit_of(self, nodes: Tensor) -> Tensor:
        """(n, hidden): some rows of `unit`, which is not made for them: a large graph does better without."""
        rows = self.encoded.index_select(0, nodes)
        return torch.nn.functional.normalize(rows, dim=-1)

    @cached_property
    def text_lengths(self) -> Tensor:
        """(entities,): of the vectors of texts, never 0."""
        lengths: Tensor = self.text.norm(dim=-1)
        return lengths.clamp_min(LEAST)

    def unit_text(self, nodes: Tensor) -> Tensor:
        """(…) nodes -> (…, text width): their texts as unit vectors."""
        unit: Tensor = torch.nn.functional.normalize(self.text[nodes], dim=-1)
        return unit

    @cached_property
    def unit_context(self) -> FloatArray:
        """(entities, 2R): log counts of edges as unit vectors."""
        logs = np.log1p(self.graph.context)
        unit: FloatArray = logs / (np.linalg.norm(logs, axis=1, keepdims=True) + 1e-6)
        return unit
