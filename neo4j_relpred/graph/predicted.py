"""The predicted edges of one type in the graph: count, read in pages, create, update, remove. One statement each.

Ours are edges of a predicted type that carry key, model and run. Edges of such a type that lack one of them belong to
somebody else and are neither counted nor touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

from neo4j_relpred.data.target_set import TargetEdge
from neo4j_relpred.graph.client import GraphClient, Row
from neo4j_relpred.graph.difference import PresentEdges
from neo4j_relpred.graph.identity import Found
from neo4j_relpred.graph.leases import Fence, write_fenced
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.triples import Relation

__all__ = ["LOCKED_ENDS", "PredictedType", "Stamp", "constraint_name"]

PAGE_EDGES = 20_000
OURS: LiteralString = "e.key > $after AND e.model IS NOT NULL AND e.run IS NOT NULL"
# Rows come as columns, which the server reads faster than maps: $keys[i] and the like.
# An end is bound by element id, which needs no index, and must still carry the key by which it was found: between
# looking it up and writing, the node may have been deleted and its id given to another. `state` says what becomes of
# a row: a node is gone, the relationship exists for real by now, or the edge is new.
ROWS: LiteralString = "UNWIND range(0, size($keys) - 1) AS i "
ENDS: LiteralString = (
    "OPTIONAL MATCH (h) WHERE elementId(h) = $heads[i] AND ($hks[i] IS NULL OR h[$hks[i]] = $hvs[i]) "
    "OPTIONAL MATCH (t) WHERE elementId(t) = $tails[i] AND ($tks[i] IS NULL OR t[$tks[i]] = $tvs[i]) "
)
# The server itself locks the ends of an edge only in the commit, where it waits for other transactions without any
# deadline. So each statement takes these locks before: setting nothing changes nothing, but locks, and can time out.
LOCKED_ENDS: LiteralString = "SET h += {} SET t += {} "
LOCKED: LiteralString = f"{LOCKED_ENDS}SET e += {{}} "
WRITTEN: LiteralString = (  # a literal of all at once is a fifth faster than one SET for each
    "{key: $keys[i], score: $scores[i], probability: $probabilities[i], rank: $ranks[i], evidence: $evidences[i], "
    "model: $models[i], run: $run, predictedAt: $at, expiresAt: $expires}"
)


DUE: LiteralString = (
    "CASE WHEN $renew IS NULL THEN e.expiresAt IS NOT NULL ELSE e.expiresAt IS NULL OR e.expiresAt < $renew END"
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every edge of one publication has in common. Without `lifetime`, edges do not expire."""

    run: str
    at: datetime
    lifetime: timedelta | None = None

    @property
    def expires(self) -> datetime | None:
        """When edges end that are written now."""
        return None if self.lifetime is None else self.at + self.lifetime

    @property
    def renew(self) -> datetime | None:
        """Edges that end before are written again."""
        return None if self.lifetime is None else self.at + self.lifetime / 2


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

    def present(self, renew: datetime | None = None) -> Iterator[PresentEdges]:
        """The edges of ours in pages, in the order of their keys, which the constraint's index gives.

        Due are those that end before `renew`; without it, those that end at all.
        """
        with ThreadPoolExecutor(1, "page") as ahead:  # the server reads the next page while this one is looked at
            page = self._page("", renew)
            while len(page.keys) == PAGE_EDGES:
                following = ahead.submit(self._page, page.keys[-1], renew)
                yield page
                page = following.result()
            yield page

    def _page(self, after: str, renew: datetime | None) -> PresentEdges:
        (page,) = self._client.read(
            f"MATCH ()-[e:{self._type}]->() WHERE {OURS} WITH e ORDER BY e.key LIMIT $most "
            "RETURN collect(e.key) AS keys, collect(coalesce(e.probability, -1.0)) AS probabilities, "
            "collect(coalesce(e.rank, 0)) AS ranks, collect(e.model) AS models, "
            f"collect(CASE WHEN {DUE} THEN e.key END) AS due",
            after=after,
            renew=renew,
            most=PAGE_EDGES,
        )
        return PresentEdges(page["keys"], page["probabilities"], page["ranks"], page["models"], page["due"])

    def states(self, edges: Sequence[TargetEdge], nodes: Mapping[str, Found]) -> dict[str, int]:
        """What `create` would do with these edges: state and number."""
        rows = self._client.read(
            f"{ROWS} {ENDS} RETURN {self._state} AS state, count(*) AS number",
            keys=[edge.key for edge in edges],
            **_ends(edges, nodes),
        )
        return {row["state"]: row["number"] for row in rows}

    def ends(self, keys: Sequence[str]) -> dict[str, tuple[str, str]]:
        """The element ids of the ends of edges that are there."""
        (row,) = self._client.read(
            f"UNWIND $keys AS key MATCH (h)-[e:{self._type} {{key: key}}]->(t) {self._by_key} "
            "RETURN collect([key, elementId(h), elementId(t)]) AS found",
            keys=list(keys),
        )
        return {key: (head, tail) for key, head, tail in row["found"]}

    def lock(self, keys: Sequence[str], within: float) -> None:
        """Locks edges that are there, one by one, changes nothing, lets go again. Raises TimedOut."""
        self._client.write(
            f"runtime=slotted UNWIND $keys AS key OPTIONAL MATCH ()-[e:{self._type} {{key: key}}]->() {self._by_key} "
            "SET e += {} RETURN key",
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
            f"{ROWS} {ENDS} {LOCKED_ENDS} WITH i, h, t, {self._state} AS state "
            "FOREACH (_ IN CASE state WHEN 'new' THEN [1] ELSE [] END | "
            f"CREATE (h)-[e:{self._type} {WRITTEN}]->(t)) "
            "RETURN state, count(*) AS number",
            within,
            **_said(edges, stamp),
            **_ends(edges, nodes),
        )
        return {row["state"]: row["number"] for row in rows}

    def update(self, edges: Sequence[TargetEdge], stamp: Stamp, within: float | None = None) -> None:
        """Rewrites the properties of one batch of edges. Raises what `create` raises."""
        self._change(
            f"{ROWS} OPTIONAL MATCH (h)-[e:{self._type} {{key: $keys[i]}}]->(t) {self._by_key} {LOCKED} "
            f"SET e += {WRITTEN} RETURN $fence AS fence, count(*) AS number",
            within,
            **_said(edges, stamp),
        )

    def remove(self, keys: Sequence[str], within: float | None = None) -> None:
        """Removes one batch of edges. Raises what `create` raises."""
        self._change(
            f"UNWIND $keys AS key OPTIONAL MATCH (h)-[e:{self._type} {{key: key}}]->(t) {self._by_key} "
            f"WHERE e.model IS NOT NULL AND e.run IS NOT NULL {LOCKED} DELETE e "
            "RETURN $fence AS fence, count(*) AS number",
            within,
            keys=list(keys),
        )

    @property
    def _by_key(self) -> str:
        """A hint, and an error without the constraint.

        While the index of a type that has just been filled is not sampled yet, the planner may look at every edge of
        the type for each key.
        """
        return f"USING INDEX SEEK e:{self._type}(key)"

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


def _said(edges: Sequence[TargetEdge], stamp: Stamp) -> dict[str, Any]:
    """What WRITTEN wants to know of each edge."""
    return {
        "keys": [edge.key for edge in edges],
        "scores": [edge.score for edge in edges],
        "probabilities": [edge.probability for edge in edges],
        "ranks": [edge.rank for edge in edges],
        "evidences": [edge.evidence for edge in edges],
        "models": [edge.model for edge in edges],
        "run": stamp.run,
        "at": stamp.at,
        "expires": stamp.expires,
    }


def _ends(edges: Sequence[TargetEdge], nodes: Mapping[str, Found]) -> dict[str, Any]:
    """What ENDS wants to know of each edge, whose ends are known."""
    heads, tails = [nodes[edge.head] for edge in edges], [nodes[edge.tail] for edge in edges]
    return {
        "heads": [head.element_id for head in heads],
        "hks": [head.key for head in heads],
        "hvs": [head.value for head in heads],
        "tails": [tail.element_id for tail in tails],
        "tks": [tail.key for tail in tails],
        "tvs": [tail.value for tail in tails],
    }
