"""Reads single nodes as they stand in the graph now: the way to nodes that are newer than the snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.data.snapshot import Node
from neo4j_relpred.graph.client import GraphClient, Row
from neo4j_relpred.graph.identity import Identity
from neo4j_relpred.graph.nodes import NodeReader
from neo4j_relpred.triples import EntityId, Relation

__all__ = ["LiveEdge", "LiveNode", "Seen", "described_node", "read_entity_ids", "read_node", "read_node_by_id"]

Seen = tuple[Sequence[str], Mapping[str, Any]]  # labels, and values of properties
MOST_EDGES = 10_000  # enough for context; a hub has more than anyone wants to wait for


@dataclass(frozen=True, slots=True)
class LiveEdge:
    """An edge of a node: "out" when the node is its head. A self-loop is "out", once."""

    direction: Literal["out", "in"]
    relation: Relation
    other: EntityId


@dataclass(frozen=True, slots=True)
class LiveNode:
    """A node and its edges now, sorted and without repetition."""

    node: Node
    edges: tuple[LiveEdge, ...]


def read_entity_ids(
    client: GraphClient, settings: GraphSettings, element_ids: Sequence[str], seen: Mapping[str, Seen] | None = None
) -> dict[str, EntityId]:
    """The entity ids of nodes, by element id, in one look; without those that there are not or that are left out.

    seen: what somebody else sees of some of them; where that tells their keys, nobody has to look. Raises what
    `read_node` raises.
    """
    reader = NodeReader(settings)
    told = {element: reader.seen(labels, values) for element, (labels, values) in (seen or {}).items()}
    known = {element: entity for element, entity in told.items() if entity is not None}
    element_ids = [element for element in element_ids if element not in known]
    if not element_ids:
        return known
    rows = client.read(
        "UNWIND $elements AS element MATCH (n) WHERE elementId(n) = element "
        "RETURN element, labels(n) AS labels, [key IN $keys | n[key]] AS key_values",
        elements=element_ids,
        keys=reader.properties,
    )
    return known | {
        row["element"]: reader.entity_id(row["labels"], row["element"], _values(reader.properties, row))
        for row in rows
        if reader.wanted(row["labels"])
    }


def described_node(
    client: GraphClient,
    settings: GraphSettings,
    element_id: str,
    labels: Sequence[str],
    properties: Mapping[str, Any],
    edges: Sequence[tuple[Literal["out", "in"], Relation, str]],
) -> LiveNode | None:
    """A node that somebody else sees and the graph does not show yet; None where the settings leave it out.

    edges: direction, type, and element id of the other node; those to nodes that the graph does not show are left out.
    Raises what `read_node` raises.
    """
    reader = NodeReader(settings)
    if not reader.wanted(labels):
        return None
    node = reader.node(labels, element_id, {name: properties.get(name) for name in reader.properties})
    others = read_entity_ids(client, settings, list({other for _, _, other in edges})) if edges else {}
    others[element_id] = node.id
    found = {(way, relation, others[other]) for way, relation, other in edges if other in others}
    return LiveNode(node, tuple(LiveEdge(*edge) for edge in sorted(found)))


def read_node(
    client: GraphClient, settings: GraphSettings, element_id: str, *, most_edges: int = MOST_EDGES
) -> LiveNode | None:
    """The node of an element id, None when there is none or the settings leave it out.

    Predicted edges, nodes of ours and what the settings do not choose are left out as in a snapshot. Raises what
    `client.read` raises, and InvalidSettings for a key that cannot identify a node.
    """
    reader = NodeReader(settings)
    rows = client.read(
        "MATCH (n) WHERE elementId(n) = $element "
        "RETURN elementId(n) AS element, labels(n) AS labels, [key IN $keys | n[key]] AS key_values",
        element=element_id,
        keys=reader.properties,
    )
    if not rows or not reader.wanted(rows[0]["labels"]):
        return None
    labels, values = rows[0]["labels"], _values(reader.properties, rows[0])
    edges = _edges(client, settings, reader, element_id, most_edges)
    return LiveNode(reader.node(labels, element_id, values), edges)


def read_node_by_id(
    client: GraphClient, settings: GraphSettings, entity_id: EntityId, *, most_edges: int = MOST_EDGES
) -> LiveNode | None:
    """The node of an entity id; see `read_node`. None also when several nodes claim the id."""
    found = Identity(settings).resolve(client, [entity_id]).found.get(entity_id)
    return read_node(client, settings, found.element_id, most_edges=most_edges) if found else None


def _values(keys: Sequence[str], row: Row) -> dict[str, Any]:
    return {key: value for key, value in zip(keys, row["key_values"], strict=True) if value is not None}


def _edges(
    client: GraphClient, settings: GraphSettings, reader: NodeReader, element_id: str, most_edges: int
) -> tuple[LiveEdge, ...]:
    rows = client.read(
        "MATCH (n) WHERE elementId(n) = $element MATCH (n)-[r]-(other) "
        "WHERE NOT type(r) STARTS WITH $prefix AND (size($types) = 0 OR type(r) IN $types) "
        "WITH DISTINCT r, n, other LIMIT $most "
        "RETURN startNode(r) = n AS out, type(r) AS relation, elementId(other) AS element, labels(other) AS labels, "
        "[key IN $keys | other[key]] AS key_values",
        element=element_id,
        prefix=settings.prefix,
        types=list(settings.relations),
        most=most_edges,
        keys=reader.properties,
    )
    found = {
        (
            "out" if row["out"] else "in",
            row["relation"],
            reader.entity_id(row["labels"], row["element"], _values(reader.properties, row)),
        )
        for row in rows
        if reader.wanted(row["labels"])
    }
    return tuple(LiveEdge("out" if way == "out" else "in", relation, other) for way, relation, other in sorted(found))
