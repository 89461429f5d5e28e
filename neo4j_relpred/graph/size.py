"""How much of a graph the settings choose, by counts that the server keeps where that is possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.graph.client import SnapshotClient
from neo4j_relpred.graph.edges import read_edges
from neo4j_relpred.graph.identity import OWN_LABELS
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.graph.schema import relation_counts
from neo4j_relpred.graph.selection import Positions, select
from neo4j_relpred.triples import Relation

__all__ = ["GraphSize", "graph_size"]


@dataclass(frozen=True)
class GraphSize:
    """What a snapshot would hold: nodes, relationships, and types of them."""

    nodes: int
    relationships: int
    types: int


def graph_size(client: SnapshotClient, settings: GraphSettings) -> GraphSize:
    """What the settings choose; nothing of it is kept.

    With graph.labels, relationships count that begin or end at one of them, whichever are fewer: a few more than would
    be read. With graph.query or graph.around the relationships are read. Raises what `read_snapshot` raises.
    """
    counts = relation_counts(client, settings)
    counts = {name: n for name, n in counts.items() if not settings.relations or name in settings.relations}
    if settings.query or settings.around:
        return _chosen(client, settings, counts)
    if settings.labels:
        nodes = len(select(client, settings))
        counts = {name: min(n, _touching(client, name, settings.labels)) for name, n in counts.items()}
    else:
        own = "CALL db.labels() YIELD label AS name WHERE name STARTS WITH $own RETURN name"
        ours = (row["name"] for row in client.read(own, own=OWN_LABELS))
        nodes = _count(client, "MATCH (n)") - sum(_count(client, f"MATCH (n:{quoted(name)})") for name in ours)
    return GraphSize(nodes, sum(counts.values()), sum(n > 0 for n in counts.values()))


def _touching(client: SnapshotClient, relation: Relation, labels: tuple[str, ...]) -> int:
    """Edges of a type that begin at nodes of the labels, or those that end there; from the store of counts."""
    arrow: LiteralString = f"[n:{quoted(relation)}]"
    begin = sum(_count(client, f"MATCH (:{quoted(label)})-{arrow}->()") for label in labels)
    return min(begin, sum(_count(client, f"MATCH ()-{arrow}->(:{quoted(label)})") for label in labels))


def _chosen(client: SnapshotClient, settings: GraphSettings, counts: dict[Relation, int]) -> GraphSize:
    selection = select(client, settings)
    assert selection.ids is not None
    if not len(selection):
        return GraphSize(0, 0, 0)
    position, found = Positions(selection.ids), dict.fromkeys(counts, 0)
    for piece in read_edges(client, counts, (), selection):
        found[piece.relation] += int(((position.of(piece.heads) >= 0) & (position.of(piece.tails) >= 0)).sum())
    return GraphSize(len(selection), sum(found.values()), sum(n > 0 for n in found.values()))


def _count(client: SnapshotClient, pattern: LiteralString) -> int:
    (row,) = client.read(f"{pattern} RETURN count(n) AS number")
    return int(row["number"])
