"""The predicted edges of one type in the graph: count, read in pages, create, update, remove. One statement each.

Ours are edges of a predicted type that carry key, model and run. Edges of such a type that lack one of them belong to
somebody else and are neither counted nor touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from neo4j_relpred.data.target_set import TargetEdge
from neo4j_relpred.graph.client import GraphClient, Row
from neo4j_relpred.graph.difference import PresentEdge
from neo4j_relpred.graph.identity import Found
from neo4j_relpred.graph.leases import Fence, write_fenced
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.triples import Relation

__all__ = ["ENDS", "LOCKED_ENDS", "PredictedType", "Stamp", "bound_ends", "constraint_name"]

PAGE_EDGES = 20_000
OURS: LiteralString = "e.key > $after AND e.model IS NOT NULL AND e.run IS NOT NULL"
# An end is bound by element id, which needs no index, and must still carry the key by which it was found: between
# looking it up and writing, the node may have been deleted and its id given to another. `state` says what becomes of
# a row: a node is gone, the relationship exists for real by now, or the edge is new.
ENDS: LiteralString = (
    "UNWIND $rows AS row "
    "OPTIONAL MATCH (h) WHERE elementId(h) = row.h AND (row.hk IS NULL OR h[row.hk] = row.hv) "
    "OPTIONAL MATCH (t) WHERE elementId(t) = row.t AND (row.tk IS NULL OR t[row.tk] = row.tv) "
)
# The server itself locks the ends of an edge only in the commit, where it waits for other transactions without any
# deadline. So each statement takes these locks before: setting nothing changes nothing, but locks, and can time out.
LOCKED_ENDS: LiteralString = "SET h += {} SET t += {} "
LOCKED: LiteralString = f"{LOCKED_ENDS}SET e += {{}} "
WRITTEN: LiteralString = (  # a literal of all at once is a fifth faster than one SET for each
    "{key: row.key, score: row.score, probability: row.probability, rank: row.rank, evidence: row.evidence, "
    "model: row.model, run: $run, predictedAt: $at}"
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every edge of one publication has in common."""

    run: str
    at: datetime


class PredictedType:
    """One predicted type, `prefix` + `relation`."""

    def __init__(self, client: GraphClient, prefix: str, relation: Relation, fence: Fence | None = None) -> None:
        self.name = prefix + relation
        self._client = client
        self._type = quoted(self.name)
        self._real = quoted(relation)
        self._fence = fence

    def ensure_constraint(self) -> None:
        """Makes keys unique for the type."""
        self._client.schema(
            f"CREATE CONSTRAINT {quoted(constraint_name(self.name))} IF NOT EXISTS "
            f"FOR ()-[e:{self._type}]-() REQUIRE e.key IS UNIQUE"
        )

    def count(self) -> int:
        """How many edges of ours there are."""
        rows = self._client.read(f"MATCH ()-[e:{self._type}]->() WHERE {OURS} RETURN count(e) AS number", after="")
        return int(rows[0]["number"])

    def present(self) -> Iterator[PresentEdge]:
        """The edges of ours in pages, in the order of their keys, which the constraint's index gives."""
        after = ""
        while True:
            (page,) = self._client.read(
                f"MATCH ()-[e:{self._type}]->() WHERE {OURS} WITH e ORDER BY e.key LIMIT $most "
                "RETURN collect(e.key) AS keys, collect(coalesce(e.probability, -1.0)) AS probabilities, "
                "collect(coalesce(e.rank, 0)) AS ranks, collect(e.model) AS models",
                after=after,
                most=PAGE_EDGES,
            )
            columns = (page["keys"], page["probabilities"], page["ranks"], page["models"])
            yield from map(PresentEdge._make, zip(*columns, strict=True))
            if len(page["keys"]) < PAGE_EDGES:
                return
            after = page["keys"][-1]

    def states(self, edges: Sequence[TargetEdge], nodes: Mapping[str, Found]) -> dict[str, int]:
        """What `create` would do with these edges: state and number."""
        rows = self._client.read(
            f"{ENDS} RETURN {self._state} AS state, count(*) AS number", rows=[_row(e, nodes) for e in edges]
        )
        return {row["state"]: row["number"] for row in rows}

    def ends(self, keys: Sequence[str]) -> dict[str, tuple[str, str]]:
        """The element ids of the ends of edges that are there."""
        (row,) = self._client.read(
            f"UNWIND $keys AS key MATCH (h)-[e:{self._type} {{key: key}}]->(t) "
            "RETURN collect([key, elementId(h), elementId(t)]) AS found",
            keys=list(keys),
        )
        return {key: (head, tail) for key, head, tail in row["found"]}

    def lock(self, keys: Sequence[str], within: float) -> None:
        """Locks edges that are there, one by one, changes nothing, lets go again. Raises TimedOut."""
        self._client.write(
            f"runtime=slotted UNWIND $keys AS key OPTIONAL MATCH ()-[e:{self._type} {{key: key}}]->() SET e += {{}} "
            "RETURN key",
            within=within,
            keys=list(keys),
        )

    def create(
        self, edges: Sequence[TargetEdge], nodes: Mapping[str, Found], stamp: Stamp, within: float | None = None
    ) -> dict[str, int]:
        """Creates one batch of edges; gives back how many were new, real or missing.

        Raises PublicationStopped, TimedOut when an end is locked for longer than `within` (or the usual deadline).
        """
        rows = self._change(
            f"{ENDS} {LOCKED_ENDS} WITH row, h, t, {self._state} AS state "
            "FOREACH (_ IN CASE state WHEN 'new' THEN [1] ELSE [] END | "
            f"CREATE (h)-[e:{self._type} {WRITTEN}]->(t)) "
            "RETURN state, count(*) AS number",
            within,
            rows=[_row(edge, nodes) for edge in edges],
            run=stamp.run,
            at=stamp.at,
        )
        return {row["state"]: row["number"] for row in rows}

    def update(self, edges: Sequence[TargetEdge], stamp: Stamp, within: float | None = None) -> None:
        """Rewrites the properties of one batch of edges. Raises what `create` raises."""
        self._change(
            f"UNWIND $rows AS row OPTIONAL MATCH (h)-[e:{self._type} {{key: row.key}}]->(t) {LOCKED} "
            f"SET e += {WRITTEN} RETURN $fence AS fence, count(*) AS number",
            within,
            rows=[_row(edge, {}) for edge in edges],
            run=stamp.run,
            at=stamp.at,
        )

    def remove(self, keys: Sequence[str], within: float | None = None) -> None:
        """Removes one batch of edges. Raises what `create` raises."""
        self._change(
            f"UNWIND $keys AS key OPTIONAL MATCH (h)-[e:{self._type} {{key: key}}]->(t) "
            f"WHERE e.model IS NOT NULL AND e.run IS NOT NULL {LOCKED} DELETE e "
            "RETURN $fence AS fence, count(*) AS number",
            within,
            keys=list(keys),
        )

    @property
    def _state(self) -> str:
        return (
            "CASE WHEN h IS NULL OR t IS NULL THEN 'missing' "
            f"WHEN EXISTS {{ (h)-[:{self._real}]->(t) }} THEN 'real' ELSE 'new' END"
        )

    def _change(self, statement: LiteralString, within: float | None, **parameters: object) -> tuple[Row, ...]:
        return write_fenced(self._client, self._fence, statement, within, **parameters)


def constraint_name(predicted_type: str) -> str:
    """The name of the constraint on the keys of a type: a hash, since a type may have any name."""
    return f"relpred_{hashlib.sha256(predicted_type.encode('utf-8')).hexdigest()[:24]}"


def _row(edge: TargetEdge, nodes: Mapping[str, Found]) -> dict[str, Any]:
    head, tail = nodes.get(edge.head), nodes.get(edge.tail)
    row: dict[str, Any] = {
        "key": edge.key,
        "score": edge.score,
        "probability": edge.probability,
        "rank": edge.rank,
        "evidence": edge.evidence,
        "model": edge.model,
    }
    return row | bound_ends(head, tail)


def bound_ends(head: Found | None, tail: Found | None) -> dict[str, Any]:
    """What ENDS wants to know of the nodes of a row; nothing unless both are known."""
    if head is None or tail is None:
        return {}
    ends = {"h": head.element_id, "hk": head.key, "hv": head.value}
    return ends | {"t": tail.element_id, "tk": tail.key, "tv": tail.value}
