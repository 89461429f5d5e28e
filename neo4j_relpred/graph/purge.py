"""Takes everything out of a graph that was ever written into it here, and nothing else.

Ours are: edges of a predicted type that carry key, model, run and time, with a key as only `edge_key` makes them; nodes
of our labels; constraints under the names that we give. A type counts as predicted by the prefix of the settings,
or by a constraint of ours on it, so that edges under a prefix of former days are found as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import LiteralString

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.graph.client import GraphClient, twice_if_lost
from neo4j_relpred.graph.failures import CommitLost
from neo4j_relpred.graph.leases import Fence, write_fenced
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.graph.predicted import LOCKED_ENDS, constraint_name

__all__ = ["Purge", "count_ours", "purge", "remove_leases"]

LABELS: tuple[LiteralString, ...] = (
    "RelpredRun",
    "RelpredDecision",
    "RelpredSchema",
    "RelpredDaemon",
    "RelpredFailure",
)
LEASE_CONSTRAINT = "relpred_lease_name"
CONSTRAINTS = ("relpred_run_id", "relpred_decision_key", "relpred_daemon_model", LEASE_CONSTRAINT)
BATCH = 5_000
KEY: LiteralString = "=~ '[0-9a-f]{64}'"
OURS: LiteralString = f"x.key {KEY} AND x.model IS NOT NULL AND x.run IS NOT NULL AND x.predictedAt IS NOT NULL"
LOCKED: LiteralString = f"{LOCKED_ENDS}SET x += {{}} "
MADE: LiteralString = f"x.relpredKey {KEY} AND x.relpredAcceptedAt IS NOT NULL"


@dataclass(frozen=True)
class Purge:
    """How much of ours there is. accepted: relationships that a person made real, by type; they stay unless asked."""

    edges: dict[str, int] = field(default_factory=dict)
    nodes: dict[str, int] = field(default_factory=dict)
    accepted: dict[str, int] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Edges and nodes, those that were accepted left out."""
        return sum(self.edges.values()) + sum(self.nodes.values())


def count_ours(client: GraphClient, settings: GraphSettings) -> Purge:
    """Counts, and changes nothing. Raises what `client.read` raises."""
    rows = client.read("CALL db.relationshipTypes() YIELD relationshipType AS name RETURN name")
    types = sorted(row["name"] for row in rows)
    rows = client.read("SHOW CONSTRAINTS YIELD name WHERE name STARTS WITH 'relpred_' RETURN name")
    constraints = {row["name"] for row in rows}
    ours = {name: constraint_name(name) for name in types if constraint_name(name) in constraints}
    predicted = [name for name in types if name.startswith(settings.prefix) or name in ours]
    (decided,) = client.read(
        "MATCH (d:RelpredDecision {verdict: 'accepted'}) RETURN collect(DISTINCT d.relation) AS types"
    )
    return Purge(
        edges=_some({name: _edges(client, name, OURS) for name in predicted}),
        nodes=_some({label: _number(client, f"MATCH (n:{label}) RETURN count(n) AS number") for label in LABELS}),
        accepted=_some({name: _edges(client, name, MADE) for name in types if name in decided["types"]}),
        constraints=tuple(sorted({*ours.values(), *(constraints & set(CONSTRAINTS))})),
    )


def purge(
    client: GraphClient,
    found: Purge,
    fence: Fence,
    *,
    accepted: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Removes what was found, in batches under a lease; `accepted` relationships too, where that is asked for.

    Can be repeated after a kill. Raises PublicationStopped when the lease was lost, and what `client.write` raises.
    """
    total, done = found.total + (sum(found.accepted.values()) if accepted else 0), 0

    def emptied(match: LiteralString, locked: LiteralString = "") -> None:
        nonlocal done
        removed = -1
        while removed:
            try:
                rows = write_fenced(
                    client,
                    fence,
                    f"OPTIONAL {match} LIMIT $most {locked} DETACH DELETE x RETURN $fence AS fence, count(x) AS number",
                    most=BATCH,
                )
                removed = rows[0]["number"]
                done += removed
            except CommitLost:
                continue
            progress(min(done, total), total)

    for name in found.edges:
        emptied(f"MATCH (h)-[x:{quoted(name)}]->(t) WHERE {OURS} WITH h, x, t", LOCKED)
    for name in found.accepted if accepted else ():
        emptied(f"MATCH (h)-[x:{quoted(name)}]->(t) WHERE {MADE} WITH h, x, t", LOCKED)
    for label in LABELS:  # the lease, under which all this is done, is not among them
        emptied(f"MATCH (x:{label}) WITH x")
    for name in found.constraints:
        if name != LEASE_CONSTRAINT:
            client.schema(f"DROP CONSTRAINT {quoted(name)} IF EXISTS")


def remove_leases(client: GraphClient) -> None:
    """The last step, when nobody holds one any more. Raises what `client.write` raises."""
    twice_if_lost(partial(client.write, "MATCH (lease:RelpredLease) DELETE lease"))
    client.schema(f"DROP CONSTRAINT {quoted(LEASE_CONSTRAINT)} IF EXISTS")


def _edges(client: GraphClient, name: str, which: LiteralString) -> int:
    return _number(client, f"MATCH ()-[x:{quoted(name)}]->() WHERE {which} RETURN count(x) AS number")


def _number(client: GraphClient, statement: LiteralString) -> int:
    return int(client.read(statement)[0]["number"])


def _some(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}
