"""Triples that a person chose by a query of their own."""

from __future__ import annotations

from typing import Any

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.errors import InvalidQuery
from neo4j_relpred.graph.client import ChosenNode, SnapshotClient
from neo4j_relpred.graph.identity import Identity
from neo4j_relpred.triples import Triple

__all__ = ["chosen_triples"]

HINT = (
    "It returns the columns head, relation, tail: "
    "MATCH (a:Person), (b:Film) RETURN a AS head, 'LIKES' AS relation, b AS tail."
)


def chosen_triples(client: SnapshotClient, settings: GraphSettings, query: str) -> list[Triple]:
    """The triples of a query with the columns head, relation, tail; ends are nodes, or their keys.

    Raises InvalidQuery for another answer, and what `client.chosen_rows` raises.
    """
    identity, found = Identity(settings), []
    for row in client.chosen_rows(query):
        if {"head", "relation", "tail"} - row.keys():
            raise InvalidQuery("The query for candidates lacks a column.", hint=HINT)
        ends = [_entity(identity, row[name]) for name in ("head", "tail")]
        if not isinstance(row["relation"], str):
            raise InvalidQuery("The query for candidates answers a relation that is no text.", hint=HINT)
        found.append(Triple(ends[0], row["relation"], ends[1]))
    return found


def _entity(identity: Identity, value: Any) -> str:
    if isinstance(value, ChosenNode):
        return identity.entity_id(value.labels, value.properties, value.element_id)
    if isinstance(value, str):
        return value
    raise InvalidQuery(f"The query for candidates answers a {type(value).__name__} where a node is wanted.", hint=HINT)
