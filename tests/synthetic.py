"""Small graphs made for tests: random ones for properties, and one with rules that can be learned."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from neo4j_relpred.config import ModelSettings, TrainingSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.data.splits import Split, split_triples
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.model.words import Words
from neo4j_relpred.training.fit import fit
from neo4j_relpred.training.lesson import Lesson

ENDLESS = 1e20  # minutes; a budget that never binds, so that only epochs end a training
NOTHING = np.empty((0, 3), np.int64)
PARENT, CHILD, GRANDPARENT, SIBLING = range(4)
TEXT_WIDTH = 8
MAX_ENTITIES = 7

TINY_MODEL = ModelSettings(hidden=16, entity_width=4, structure_rank=8, neighbors=4, candidates=60)
# One worker: the tests themselves run side by side, and more give the same numbers (test_aside.py).
TINY_TRAINING = TrainingSettings(minutes=ENDLESS, max_epochs=12, batch_size=128, workers=1)
BRIEF_TRAINING = TINY_TRAINING.model_copy(update={"max_epochs": 1, "batch_size": 256})  # where weights do not matter


def graph_of(num_entities: int, num_relations: int, triples: object, symmetric: Collection[int] = ()) -> KnowledgeGraph:
    rows = np.unique(np.array(triples, np.int64).reshape(-1, 3), axis=0)
    return KnowledgeGraph.of(num_entities, num_relations, rows, symmetric)


def without(graph: KnowledgeGraph, triple: IntArray) -> KnowledgeGraph:
    """The graph that never held a triple, nor its twin where the relation is symmetric."""
    kept = (graph.triples != triple).any(axis=1)
    if int(triple[1]) in graph.symmetric:
        kept &= (graph.triples != triple[::-1]).any(axis=1)
    return replace(graph, triples=graph.triples[kept])


@st.composite
def graphs(
    draw: st.DrawFn, max_entities: int = MAX_ENTITIES, max_relations: int = 3, max_triples: int = 16
) -> KnowledgeGraph:
    """Graphs that often hold parallel and symmetric relations, self-loops, pairs both ways and isolated nodes."""
    entities, relations = draw(st.integers(2, max_entities)), draw(st.integers(1, max_relations))
    ends = st.integers(0, entities - 1)
    triples = draw(st.lists(st.tuples(ends, st.integers(0, relations - 1), ends), min_size=1, max_size=max_triples))
    reversed_ = draw(st.lists(st.sampled_from([(t, r, h) for h, r, t in triples]), max_size=3))
    parallel = draw(st.lists(st.sampled_from([(h, relations - 1 - r, t) for h, r, t in triples]), max_size=3))
    symmetric = draw(st.sets(st.integers(0, relations - 1), max_size=1))
    return graph_of(entities, relations, [*triples, *reversed_, *parallel], symmetric)


@st.composite
def asked_edges(draw: st.DrawFn) -> tuple[KnowledgeGraph, IntArray]:
    """A graph and one of its triples."""
    graph = draw(graphs())
    return graph, graph.triples[draw(st.integers(0, len(graph.triples) - 1))]


@dataclass(frozen=True)
class World:
    """A family tree: inverse (PARENT, CHILD), composition (GRANDPARENT) and symmetry (SIBLING)."""

    graph: KnowledgeGraph
    split: Split
    text: torch.Tensor

    @property
    def train(self) -> KnowledgeGraph:
        return KnowledgeGraph(self.graph.num_entities, self.graph.num_relations, self.split.train)


def family(num_entities: int = 60, seed: int = 0) -> World:
    """Everybody but three founders has a parent; text tells the branch of the family, with noise."""
    rng = np.random.default_rng(seed)
    parent = {child: int(rng.integers(max(0, child // 3 - 1), child // 3 + 1)) for child in range(3, num_entities)}
    triples = []
    for child, mother in parent.items():
        triples += [(mother, PARENT, child), (child, CHILD, mother)]
        if mother in parent:
            triples.append((parent[mother], GRANDPARENT, child))
        triples += [(child, SIBLING, other) for other in parent if other != child and parent[other] == mother]
    graph = graph_of(num_entities, 4, triples)
    split = split_triples(graph.triples, 0.15, 0.1, np.random.default_rng(seed).permutation(len(graph.triples)))
    branch = np.eye(TEXT_WIDTH)[[parent.get(person, person) % TEXT_WIDTH for person in range(num_entities)]]
    text = torch.from_numpy(branch + 0.3 * rng.normal(size=branch.shape)).float()
    return World(graph, split, torch.nn.functional.normalize(text, dim=-1))


def fitted(
    train: KnowledgeGraph,
    holdout: IntArray,
    vectors: torch.Tensor,
    model: ModelSettings = TINY_MODEL,
    training: TrainingSettings = TINY_TRAINING,
    words: Words | None = None,
    **more: Any,
) -> TrainedModel:
    """A whole training; what it sets for the process is set back, since Hypothesis needs small numbers."""
    try:
        return fit(Lesson(train, holdout, vectors, words), model, training, **more)
    finally:
        torch.set_flush_denormal(False)


def text_for(graph: KnowledgeGraph, width: int = TEXT_WIDTH) -> torch.Tensor:
    """Unit vectors by entity, the last entity without text."""
    generator = torch.Generator().manual_seed(1)
    vectors = torch.nn.functional.normalize(torch.randn(graph.num_entities, width, generator=generator), dim=-1)
    vectors[-1] = 0
    return vectors
