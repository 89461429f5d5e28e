"""What questions would cost, from what is known without asking any of them."""

from __future__ import annotations

from dataclasses import dataclass

from neo4j_relpred.model.chunks import chunk_bytes, queries_at_once
from neo4j_relpred.model.pools import LEAST, answer_pool
from neo4j_relpred.model.relations import RELATION_FEATURES
from neo4j_relpred.scoring.serving import Serving
from neo4j_relpred.triples import QuestionKind, Relation

__all__ = ["Cost", "cost_of"]

WEIGHED = 16  # numbers that weighing takes for a relation of a pair at most, beside its features


@dataclass(frozen=True)
class Cost:
    """nodes, relationships: of the graph that the model answers from. candidates: triples that are told apart.

    bytes_min, bytes_max: of the largest arrays that are there at a time, beside the model itself.
    """

    nodes: int
    relationships: int
    candidates: int
    bytes_min: int
    bytes_max: int


def cost_of(serving: Serving, question: QuestionKind, relation: Relation | None, number: int) -> Cost:
    """What so many questions of a kind take. Raises UnknownRelation."""
    graph = serving.model.graph
    row = None if relation is None else serving.relation_row(relation)
    nodes, types = int(serving.alive.sum()), len(serving.relations)
    if question == "relations":
        cells = 4 * min(number, queries_at_once(types)) * types
        width = len(RELATION_FEATURES)
        return Cost(nodes, len(graph.triples), number * types, cells * width, cells * (width + WEIGHED))
    every, pool = graph.num_entities, min(LEAST, graph.num_entities)
    candidates = number  # of given triples
    if question != "score" and row is not None:
        entities = answer_pool(graph, graph.inverse(row) if question == "heads" else row).entities
        pool, candidates = len(entities), number * int(serving.alive[entities].sum())
    at_least, at_most = chunk_bytes(every, pool, number), chunk_bytes(every, queries=number)
    # A wider pool has fewer queries in a chunk, so that its arrays may be the smaller ones.
    return Cost(nodes, len(graph.triples), candidates, min(at_least, at_most), max(at_least, at_most))
