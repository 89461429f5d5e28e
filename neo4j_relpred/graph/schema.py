"""What is in the graph: labels, relationship types, properties, unique keys; and settings that fit it.

Works on Community without any plugin. Counts are exact (the server keeps them); what is said of properties and of the
ends of types comes from a sample. What we wrote ourselves is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.errors import InvalidSettings, did_you_mean
from neo4j_relpred.graph.client import GraphClient, Row
from neo4j_relpred.graph.identity import OWN_LABELS
from neo4j_relpred.graph.names import quoted

__all__ = [
    "GraphSchema",
    "LabelInfo",
    "PropertyInfo",
    "RelationInfo",
    "check_settings",
    "discover_schema",
    "relation_counts",
]

SAMPLE_NODES = 1_000
SAMPLE_EDGES = 1_000
UNIQUE_CONSTRAINTS = ("UNIQUENESS", "NODE_PROPERTY_UNIQUENESS", "NODE_KEY")
# Spreads a sample over the ids of a label without drawing lots, so that two runs see the same nodes.
SPREAD, SLOTS = 7_919, 10_007


@dataclass(frozen=True, slots=True)
class LabelInfo:
    """A label and how many nodes carry it."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class RelationInfo:
    """A relationship type, how many edges it has, and the pairs of labels at their ends, the commonest first."""

    name: str
    count: int
    ends: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PropertyInfo:
    """A property of a label, as a sample of its nodes shows it.

    kind: string, integer, float, boolean, date, list, mixed or other. fill: share of nodes that have it. mean_length:
    characters, of strings. distinct: share of its values that are different.
    """

    label: str
    name: str
    kind: str
    fill: float
    mean_length: float
    distinct: float


@dataclass(frozen=True)
class GraphSchema:
    """All of it, each part sorted by name. `known_properties` are all keys of the store, sampled or not."""

    nodes: int
    labels: tuple[LabelInfo, ...]
    relations: tuple[RelationInfo, ...]
    properties: tuple[PropertyInfo, ...]
    unique: frozenset[tuple[str, str]]
    known_properties: frozenset[str]

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels, sorted."""
        return tuple(label.name for label in self.labels)

    @property
    def relation_names(self) -> tuple[str, ...]:
        """The relationship types, sorted."""
        return tuple(relation.name for relation in self.relations)

    def properties_of(self, label: str) -> dict[str, PropertyInfo]:
        """The sampled properties of a label by name."""
        return {info.name: info for info in self.properties if info.label == label}


def discover_schema(client: GraphClient, settings: GraphSettings, *, sample: int = SAMPLE_NODES) -> GraphSchema:
    """Looks the schema up; `sample` nodes of each label stand for all of them. Raises what `client.read` raises."""
    labels = tuple(LabelInfo(name, count) for name, count in _label_counts(client).items())
    relations = tuple(
        RelationInfo(name, count, _ends(client, name)) for name, count in relation_counts(client, settings).items()
    )
    properties = [info for label in labels for info in _properties(client, label, sample)]
    return GraphSchema(
        nodes=_number(client.read("MATCH (n) RETURN count(n) AS number")),
        labels=labels,
        relations=relations,
        properties=tuple(properties),
        unique=_unique(client),
        known_properties=frozenset(
            row["name"] for row in client.read("CALL db.propertyKeys() YIELD propertyKey AS name RETURN name")
        ),
    )


def relation_counts(client: GraphClient, settings: GraphSettings) -> dict[str, int]:
    """The relationship types that have edges, with their numbers, sorted; predicted types are left out."""
    rows = client.read("CALL db.relationshipTypes() YIELD relationshipType AS name RETURN name")
    names = sorted(row["name"] for row in rows if not row["name"].startswith(settings.prefix))
    counts = {
        name: _number(client.read(f"MATCH ()-[r:{quoted(name)}]->() RETURN count(r) AS number")) for name in names
    }
    return {name: count for name, count in counts.items() if count}


def check_settings(schema: GraphSchema, settings: GraphSettings) -> None:
    """Finds names in the settings that the graph does not have.

    Raises InvalidSettings for the first one, with the nearest known name. The default of graph.names is not checked:
    it is a guess that fits many graphs.
    """
    for label in settings.labels:
        _known(label, schema.label_names, "label", "graph.labels")
    for relation in settings.relations:
        if relation.startswith(settings.prefix):
            raise InvalidSettings(
                f"graph.relations names {relation!r}, which begins with the prefix of predicted edges.",
                hint="Predicted edges are never read; leave it out or choose another graph.prefix.",
            )
        _known(relation, schema.relation_names, "relationship type", "graph.relations")
    for label, name in settings.keys.items():
        _known(label, schema.label_names, "label", "graph.keys")
        _check_key(schema, label, name)
    for place, names in (("graph.names", settings.names), ("graph.texts", settings.texts)):
        if place == "graph.names" and "names" not in settings.model_fields_set:
            continue
        for name in names:
            _known(name, schema.known_properties, "property", place)


def _known(word: str, known: Iterable[str], what: str, place: str) -> None:
    words = tuple(known)
    if word not in words:
        raise InvalidSettings(f"The graph has no {what} {word!r} ({place}).", hint=did_you_mean(word, words))


def _check_key(schema: GraphSchema, label: str, name: str) -> None:
    properties = schema.properties_of(label)
    if name not in properties:
        raise InvalidSettings(
            f"No node of label {label} that was looked at has the property {name!r} (graph.keys).",
            hint=did_you_mean(name, properties),
        )
    if properties[name].kind in ("list", "date", "other"):
        raise InvalidSettings(
            f"The property {name!r} of label {label} holds values of kind {properties[name].kind} (graph.keys).",
            hint="A key is a string or a number.",
        )


def _label_counts(client: GraphClient) -> dict[str, int]:
    rows = client.read("CALL db.labels() YIELD label AS name RETURN name")
    names = sorted(row["name"] for row in rows if not row["name"].startswith(OWN_LABELS))
    counts = {name: _number(client.read(f"MATCH (n:{quoted(name)}) RETURN count(n) AS number")) for name in names}
    return {name: count for name, count in counts.items() if count}


def _number(rows: Sequence[Row]) -> int:
    return int(rows[0]["number"])


def _ends(client: GraphClient, relation: str) -> tuple[tuple[str, str], ...]:
    rows = client.read(
        f"MATCH (a)-[:{quoted(relation)}]->(b) WITH a, b LIMIT $sample "
        "UNWIND labels(a) AS head UNWIND labels(b) AS tail "
        "RETURN head, tail, count(*) AS number ORDER BY number DESC, head, tail",
        sample=SAMPLE_EDGES,
    )
    return tuple((row["head"], row["tail"]) for row in rows if not _is_ours(row["head"], row["tail"]))


def _is_ours(*labels: str) -> bool:
    return any(label.startswith(OWN_LABELS) for label in labels)


def _properties(client: GraphClient, label: LabelInfo, sample: int) -> list[PropertyInfo]:
    """One query a label. Twice the share that is needed is let through, since LIMIT cuts what is too much."""
    slots = SLOTS if label.count <= sample else max(1, min(SLOTS, 2 * SLOTS * sample // label.count))
    rows = client.read(
        f"MATCH (n:{quoted(label.name)}) WHERE (id(n) % $slots * $spread) % $slots < $taken WITH n LIMIT $sample "
        "WITH collect(n) AS nodes UNWIND nodes AS n UNWIND keys(n) AS name "
        "WITH size(nodes) AS sampled, name, n[name] AS value "
        "RETURN sampled, name, collect(DISTINCT valueType(value)) AS types, count(*) AS filled, "
        "count(DISTINCT value) AS different, "
        "avg(CASE WHEN value IS :: STRING THEN size(value) END) AS length ORDER BY name",
        slots=SLOTS,
        spread=SPREAD,
        taken=slots,
        sample=sample,
    )
    return [_described(label.name, row) for row in rows]


def _described(label: str, row: Row) -> PropertyInfo:
    return PropertyInfo(
        label=label,
        name=row["name"],
        kind=_kind(row["types"]),
        fill=row["filled"] / row["sampled"],
        mean_length=float(row["length"] or 0.0),
        distinct=row["different"] / row["filled"],
    )


def _kind(types: Sequence[str]) -> str:
    kinds = {_kind_of(name) for name in types}
    return kinds.pop() if len(kinds) == 1 else "mixed"


def _kind_of(value_type: str) -> str:
    first = value_type.removesuffix(" NOT NULL")
    if first.startswith("LIST"):
        return "list"
    if first in ("STRING", "INTEGER", "FLOAT", "BOOLEAN"):
        return first.lower()
    return "date" if first.startswith(("DATE", "LOCAL", "ZONED", "DURATION")) else "other"


def _unique(client: GraphClient) -> frozenset[tuple[str, str]]:
    rows = client.read("SHOW CONSTRAINTS YIELD type, entityType, labelsOrTypes, properties WHERE entityType = 'NODE'")
    return frozenset(
        (row["labelsOrTypes"][0], row["properties"][0])
        for row in rows
        if row["type"] in UNIQUE_CONSTRAINTS and len(row["properties"]) == 1 and not _is_ours(row["labelsOrTypes"][0])
    )
