"""Some nodes of a label, some edges of a type: the same ones in every run, from everywhere in the store.

Which were created first often says what they are, so a sample that begins at the beginning would mislead. Where ids
lie close enough, ids are drawn by lot and looked up: the size of the graph does not matter then. Where they are few
and far between, one scan picks some; it is short, for they are few.

Ids of the store are good for this moment only, and never leave this room.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, LiteralString

from neo4j_relpred.graph.client import GraphClient, Row
from neo4j_relpred.graph.names import quoted

__all__ = ["edge_ids", "node_ids", "of_edges", "of_nodes"]

MOST_DRAWS_PER_HIT = 50
MARGIN = 1.3  # draws that hit nothing are expected; a few more than that
# Spreads what a scan picks over all ids; both are prime, so that no pattern of the ids fits them.
SPREAD, SLOTS = 7_919, 100_003


def node_ids(client: GraphClient, label: str, count: int, wanted: int) -> Sequence[int]:
    """Ids of about `wanted` nodes of a label; of all where they are few. Some may be of other nodes."""
    return _ids(client, f"MATCH (n:{quoted(label)}) ", label, count, wanted)


def edge_ids(client: GraphClient, relation: str, count: int, wanted: int) -> Sequence[int]:
    """As `node_ids`, of edges of a type."""
    return _ids(client, f"MATCH ()-[n:{quoted(relation)}]->() ", relation, count, wanted)


# The name is a parameter here: then one plan serves all labels, and planning takes longer than reading.


def of_nodes(client: GraphClient, label: str, ids: Sequence[int], answer: LiteralString, **parameters: Any) -> Row:
    """The one row of `answer`, Cypher that aggregates over the nodes `n` with these ids that carry the label."""
    query: LiteralString = "UNWIND $ids AS i MATCH (n) WHERE id(n) = i AND $name IN labels(n) WITH n "
    (row,) = client.read(query + answer, ids=ids, name=label, **parameters)
    return row


def of_edges(client: GraphClient, relation: str, ids: Sequence[int], answer: LiteralString, **parameters: Any) -> Row:
    """As `of_nodes`, of the edges `(a)-[n]->(b)` of a type."""
    query: LiteralString = "UNWIND $ids AS i MATCH (a)-[n]->(b) WHERE id(n) = i AND type(n) = $name WITH a, n, b "
    (row,) = client.read(query + answer, ids=ids, name=relation, **parameters)
    return row


def _ids(client: GraphClient, match: LiteralString, name: str, count: int, wanted: int) -> Sequence[int]:
    if count <= wanted:
        (row,) = client.read(match + "RETURN collect(id(n)) AS ids")
        return [int(i) for i in row["ids"]]
    lots = random.Random(name)  # the same in every run
    # The index of a label or a type is sorted, and gives its ends without a look at what lies between.
    (first,) = client.read(match + "WITH n ORDER BY n LIMIT 1 RETURN id(n) AS id")
    (last,) = client.read(match + "WITH n ORDER BY n DESC LIMIT 1 RETURN id(n) AS id")
    low, high = int(first["id"]), int(last["id"]) + 1
    if high - low <= MOST_DRAWS_PER_HIT * count:
        draws = int(wanted * MARGIN * (high - low) / count) + 1
        return sorted(lots.sample(range(low, high), min(draws, high - low)))
    (row,) = client.read(
        match + "WITH n WHERE (id(n) % $slots * $spread) % $slots < $taken RETURN collect(id(n)) AS ids",
        slots=SLOTS,
        spread=SPREAD,
        taken=max(1, int(SLOTS * wanted * MARGIN / count)),
    )
    ids = [int(i) for i in row["ids"]]
    return ids if len(ids) <= wanted else sorted(lots.sample(ids, wanted))
