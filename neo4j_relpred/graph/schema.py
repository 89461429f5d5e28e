"""What is in the graph: labels, relationship types, properties, unique keys.

Works on Community without any plugin. Counts are exact (the server keeps them); what is said of properties and of the
ends of types comes from a sample, so that it takes no longer on a large graph. What we wrote ourselves is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import LiteralString

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.graph.client import GraphClient, Row
from neo4j_relpred.graph.facts import GraphSchema, LabelInfo, LabelSet, PropertyInfo, RelationInfo
from neo4j_relpred.graph.identity import OWN_LABELS
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.graph.properties import VALUES, describe_properties
from neo4j_relpred.graph.relations import describe_relation, ends_of
from neo4j_relpred.graph.sampling import node_ids, of_nodes
from neo4j_relpred.graph.settings_check import check_settings

__all__ = [
    "GraphSchema",
    "LabelInfo",
    "PropertyInfo",
    "RelationInfo",
    "check_settings",
    "discover_schema",
    "relation_counts",
]

SAMPLE, SHORT_SAMPLE = 1_000, 300  # nodes of a label, edges of a type; the second where only names are checked
LEAST_SAMPLE, SAMPLED_IN_ALL = 100, 100_000  # a graph of many labels is seen in as much time as one of few
PAIRS, LEAST_PAIRS, PAIRS_IN_ALL = 300, 60, 20_000  # edges of a type, whose ends are looked at for other edges
UNIQUE_CONSTRAINTS = ("UNIQUENESS", "NODE_PROPERTY_UNIQUENESS", "NODE_KEY")
NOT_OURS: LiteralString = "WHERE none(l IN labels(n) WHERE l STARTS WITH $own) "

Told = Callable[[str, float], None]


def discover_schema(
    client: GraphClient,
    settings: GraphSettings,
    *,
    sample: int | None = None,
    thorough: bool = False,
    progress: Told = lambda stage, share: None,
) -> GraphSchema:
    """Looks the schema up; `sample` nodes of each label and edges of each type stand for all of them.

    `thorough` also looks at what only a proposal of settings asks for: edges beside each edge, what is complete,
    properties of edges. Raises what `client.read` raises.
    """
    sample = sample or (SAMPLE if thorough else SHORT_SAMPLE)
    labels = [LabelInfo(name, count) for name, count in _label_counts(client).items()]
    properties, label_sets = _nodes(client, labels, sample, progress)
    counts = relation_counts(client, settings)
    relations: list[RelationInfo] = []
    copies: dict[tuple[str, str], str] = {}
    each = _each(sample, len(counts))
    for number, (name, count) in enumerate(counts.items()):
        progress("relationship types", number / len(counts))
        if not thorough:
            relations.append(ends_of(client, name, count, each))
            continue
        pairs = max(LEAST_PAIRS, min(PAIRS, PAIRS_IN_ALL // len(counts)))
        found, copied = describe_relation(client, name, count, (each, pairs), properties)
        relations.append(found)
        copies |= dict.fromkeys(sorted(copied), name)
    return GraphSchema(
        nodes=_number(client.read("MATCH (n) RETURN count(n) AS number")),
        labels=tuple(labels),
        relations=tuple(relations),
        properties=tuple(properties),
        unique=_unique(client),
        known_properties=frozenset(
            row["name"] for row in client.read("CALL db.propertyKeys() YIELD propertyKey AS name RETURN name")
        ),
        label_sets=label_sets,
        copies=copies,
    )


def relation_counts(client: GraphClient, settings: GraphSettings) -> dict[str, int]:
    """The relationship types that have edges, with their numbers, sorted; predicted types are left out."""
    rows = client.read("CALL db.relationshipTypes() YIELD relationshipType AS name RETURN name")
    names = sorted(row["name"] for row in rows if not row["name"].startswith(settings.prefix))
    counts = {
        name: _number(client.read(f"MATCH ()-[r:{quoted(name)}]->() RETURN count(r) AS number")) for name in names
    }
    return {name: count for name, count in counts.items() if count}


def _label_counts(client: GraphClient) -> dict[str, int]:
    rows = client.read("CALL db.labels() YIELD label AS name RETURN name")
    names = sorted(row["name"] for row in rows if not row["name"].startswith(OWN_LABELS))
    counts = {name: _number(client.read(f"MATCH (n:{quoted(name)}) RETURN count(n) AS number")) for name in names}
    return {name: count for name, count in counts.items() if count}


def _number(rows: Sequence[Row]) -> int:
    return int(rows[0]["number"])


def _each(sample: int, several: int) -> int:
    return max(min(sample, LEAST_SAMPLE), min(sample, SAMPLED_IN_ALL // max(1, several)))


def _nodes(
    client: GraphClient, labels: Sequence[LabelInfo], sample: int, progress: Told
) -> tuple[list[PropertyInfo], tuple[LabelSet, ...]]:
    """The properties of each label, and the sets in which labels occur."""
    answer: LiteralString = NOT_OURS + f"RETURN collect(labels(n)) AS labels, collect({VALUES}) AS values"
    each = _each(sample, len(labels))
    properties: list[PropertyInfo] = []
    sets: dict[tuple[str, ...], int] = {}
    # The rarest label of a set tells best how many nodes carry it: a sample of it holds most of them.
    for number, label in enumerate(sorted(labels, key=lambda info: (-info.count, info.name))):
        progress("labels", number / len(labels))
        ids = node_ids(client, label.name, label.count, each)
        row = of_nodes(client, label.name, ids, answer, own=OWN_LABELS)
        properties += describe_properties(label.name, row["values"])
        carried = Counter(tuple(sorted(several)) for several in row["labels"])
        sets |= {several: round(label.count * n / len(row["labels"])) for several, n in carried.items()}
    properties.sort(key=lambda info: (info.label, info.name))
    return properties, tuple(LabelSet(several, count) for several, count in sorted(sets.items()))


def _unique(client: GraphClient) -> frozenset[tuple[str, str]]:
    rows = client.read("SHOW CONSTRAINTS YIELD type, entityType, labelsOrTypes, properties WHERE entityType = 'NODE'")
    return frozenset(
        (row["labelsOrTypes"][0], row["properties"][0])
        for row in rows
        if row["type"] in UNIQUE_CONSTRAINTS
        and len(row["properties"]) == 1
        and not row["labelsOrTypes"][0].startswith(OWN_LABELS)
    )
