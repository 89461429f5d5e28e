"""Edges of the store as columns: ids of heads and tails per type, and the properties that come along.

Whatever the way, no answer grows with the graph: a type that fits is one query over the index of its edges (fastest),
larger ones share a pass over ranges of ids, and a small part of a graph is read from its nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import numpy as np

from neo4j_relpred.graph.client import GraphClient, Row
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.graph.nodes import NOTHING
from neo4j_relpred.graph.selection import IntArray, Selection, pieces
from neo4j_relpred.triples import Relation

__all__ = ["EdgePiece", "read_edges"]

EDGE_RANGE = 200_000
EDGE_NODES = 2_000
MOST_EDGES_AT_ONCE = 2_000_000  # of one type in one answer; about 100 MB there and here
MOST_WITH_PROPERTIES = 200_000  # the same where properties come along


@dataclass(frozen=True)
class EdgePiece:
    """Edges of one type: heads and tails (edges,) as ids of the store, and a list of values per property."""

    relation: Relation
    heads: IntArray
    tails: IntArray
    properties: Mapping[str, Sequence[Any]]


def read_edges(
    client: GraphClient, counts: Mapping[Relation, int], properties: Sequence[str], selection: Selection
) -> Iterator[EdgePiece]:
    """All edges of the types in `counts`, in pieces; of a small selection only those that leave its nodes."""
    columns: LiteralString = "".join(
        f", collect(coalesce(r.{quoted(name)}, $nothing)) AS v{number}" for number, name in enumerate(properties)
    )
    names = sorted(counts)
    if selection.ids is not None and selection.small:
        yield from _from_nodes(client, names, properties, columns, selection.ids)
        return
    most = MOST_WITH_PROPERTIES if properties else MOST_EDGES_AT_ONCE
    for name in names:
        if counts[name] <= most:
            rows = client.read(
                f"MATCH (a)-[r:{quoted(name)}]->(b) "
                f"RETURN id(r) / $step AS piece, collect(id(a)) AS heads, collect(id(b)) AS tails{columns}",
                step=EDGE_RANGE,
                nothing=NOTHING,
            )
            yield from (_piece(name, row, properties) for row in rows)
    large = [name for name in names if counts[name] > most]
    if large:
        yield from _by_range(client, large, properties, columns)


def _by_range(
    client: GraphClient, names: Sequence[str], properties: Sequence[str], columns: LiteralString
) -> Iterator[EdgePiece]:
    """One pass over the ids of all edges."""
    (row,) = client.read("MATCH ()-[r]->() RETURN max(id(r)) AS last")
    end = 0 if row["last"] is None else int(row["last"]) + 1
    for low in range(0, end, EDGE_RANGE):
        rows = client.read(
            "UNWIND range($low, $high) AS i MATCH (a)-[r]->(b) WHERE id(r) = i AND type(r) IN $types "
            f"RETURN type(r) AS name, collect(id(a)) AS heads, collect(id(b)) AS tails{columns}",
            low=low,
            high=min(low + EDGE_RANGE, end) - 1,
            types=names,
            nothing=NOTHING,
        )
        yield from (_piece(row["name"], row, properties) for row in rows)


def _from_nodes(
    client: GraphClient, names: Sequence[str], properties: Sequence[str], columns: LiteralString, nodes: IntArray
) -> Iterator[EdgePiece]:
    for part in pieces(nodes, EDGE_NODES):
        rows = client.read(
            "UNWIND $ids AS i MATCH (a) WHERE id(a) = i MATCH (a)-[r]->(b) WHERE type(r) IN $types "
            f"RETURN type(r) AS name, collect(i) AS heads, collect(id(b)) AS tails{columns}",
            ids=part.tolist(),
            types=names,
            nothing=NOTHING,
        )
        yield from (_piece(row["name"], row, properties) for row in rows)


def _piece(name: Relation, row: Row, properties: Sequence[str]) -> EdgePiece:
    values = {key: row[f"v{number}"] for number, key in enumerate(properties)}
    return EdgePiece(name, np.array(row["heads"], np.int64), np.array(row["tails"], np.int64), values)
