"""Predicted edges that wait for a decision, with the names of their ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, LiteralString

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.data.verbalize import display_name
from neo4j_relpred.errors import UnknownRelation, did_you_mean
from neo4j_relpred.graph.client import GraphClient
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.graph.nodes import NodeReader
from neo4j_relpred.triples import EntityId, Relation, Triple

__all__ = ["Order", "Pending", "list_pending", "predicted_types"]

Order = Literal["probable", "uncertain"]
ORDERS: dict[Order, LiteralString] = {"probable": "-e.probability", "uncertain": "abs(e.probability - 0.5)"}


@dataclass(frozen=True, slots=True)
class Pending:
    """A predicted edge as it stands in the graph."""

    triple: Triple
    head_name: str
    tail_name: str
    probability: float
    rank: int
    model: str
    run: str
    evidence: str


def predicted_types(client: GraphClient, settings: GraphSettings) -> list[Relation]:
    """The types that have predicted edges, or had some, without the prefix; sorted."""
    rows = client.read("CALL db.relationshipTypes() YIELD relationshipType AS name RETURN name")
    names = (row["name"] for row in rows)
    return sorted(name.removeprefix(settings.prefix) for name in names if name.startswith(settings.prefix))


def list_pending(
    client: GraphClient,
    settings: GraphSettings,
    *,
    relation: Relation | None = None,
    min_probability: float = 0.0,
    order: Order = "probable",
    most: int | None = None,
) -> list[Pending]:
    """The most probable ones first, or those that are nearest to even. Raises UnknownRelation."""
    known = predicted_types(client, settings)
    if relation is not None and relation not in known:
        hint = did_you_mean(relation, known) or "Nothing is published yet: `relpred publish`."
        raise UnknownRelation(f"No edge of type {settings.prefix}{relation} is in the graph.", hint=hint)
    found: list[tuple[float, Pending]] = []
    for name in known if relation is None else [relation]:
        found += _of_type(client, settings, name, min_probability, order, most)
    found.sort(key=lambda pair: (pair[0], pair[1].triple))
    return [one for _, one in found[:most]]


def _of_type(
    client: GraphClient, settings: GraphSettings, relation: Relation, least: float, order: Order, most: int | None
) -> list[tuple[float, Pending]]:
    reader = NodeReader(settings)
    rows = client.read(
        f"MATCH (h)-[e:{quoted(settings.prefix + relation)}]->(t) "
        "WHERE e.key IS NOT NULL AND e.model IS NOT NULL AND e.run IS NOT NULL AND e.probability >= $least "
        f"WITH h, e, t, {ORDERS[order]} AS place ORDER BY place, e.key LIMIT coalesce($most, 9223372036854775807) "
        "RETURN place, properties(e) AS e, "
        "elementId(h) AS h, labels(h) AS h_labels, [key IN $keys | h[key]] AS h_values, "
        "elementId(t) AS t, labels(t) AS t_labels, [key IN $keys | t[key]] AS t_values",
        least=least,
        most=most,
        keys=reader.properties,
    )

    def end(row: dict[str, Any], name: str) -> tuple[EntityId, str]:
        known = zip(reader.properties, row[f"{name}_values"], strict=True)
        values = {key: value for key, value in known if value is not None}
        node = reader.node(row[f"{name}_labels"], row[name], values)
        return node.id, display_name(node.properties, settings.names, node.id)

    found = []
    for row in rows:
        edge, (head, head_name), (tail, tail_name) = row["e"], end(row, "h"), end(row, "t")
        told = edge["probability"], edge.get("rank", 0), edge["model"], edge["run"], edge.get("evidence", "")
        found.append((float(row["place"]), Pending(Triple(head, relation, tail), head_name, tail_name, *told)))
    return found
