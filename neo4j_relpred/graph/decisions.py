"""What people decided about candidate triples: (:RelpredDecision) nodes, one per triple, whatever run proposed it.

A decision is keyed like a predicted edge, by head, type and tail, so it outlives training, publications, undo, and a
node that is made again with the same key. Accepting makes the real relationship, with where it came from on it, and
takes the predicted edge away in the same transaction; rejecting takes it away. Both can be withdrawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal, LiteralString

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.graph.client import GraphClient, Row, twice_if_lost
from neo4j_relpred.graph.identity import Found, Identity, Resolution
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.graph.predicted import LOCKED_ENDS
from neo4j_relpred.triples import Relation, Triple, edge_key

__all__ = [
    "AMBIGUOUS",
    "MISSING",
    "Decision",
    "Reason",
    "Verdict",
    "Wish",
    "decide",
    "decided",
    "decided_keys",
    "find_decision",
    "list_decisions",
    "withdraw",
]

Verdict = Literal["accepted", "rejected"]
# Why suggestions are rejected: the reasons that reviewers of Wikidata's Primary Sources tool gave most often.
Reason = Literal["", "duplicate", "contradiction", "less-specific", "unsupported", "wrong-kind", "other"]
BATCH = 1_000
MISSING, AMBIGUOUS = "missing node", "ambiguous node"

# The ends of a triple, bound as predicted.ENDS binds those of an edge.
ENDS: LiteralString = (
    "UNWIND $rows AS row "
    "OPTIONAL MATCH (h) WHERE elementId(h) = row.h AND (row.hk IS NULL OR h[row.hk] = row.hv) "
    "OPTIONAL MATCH (t) WHERE elementId(t) = row.t AND (row.tk IS NULL OR t[row.tk] = row.tv) "
)
# `SET e += {}` here and below locks an edge before it is deleted, for the reason that predicted.LOCKED_ENDS tells.
# What was predicted is kept with the decision; a second decision finds no edge any more, and keeps what the first saw.
REMEMBERED: LiteralString = ", ".join(
    f"d.{name} = coalesce(e.{name}, d.{name})" for name in ("score", "probability", "rank", "model", "run", "evidence")
)
DECIDED: LiteralString = (
    "MERGE (d:RelpredDecision {key: row.key}) SET d.head = row.head, d.relation = $relation, d.tail = row.tail, "
    "d.verdict = $verdict, d.reason = row.reason, d.note = row.note, d.by = $by, d.decidedAt = datetime(), "
    + REMEMBERED
)


@dataclass(frozen=True, slots=True)
class Wish:
    """A decision to be made."""

    triple: Triple
    verdict: Verdict
    reason: Reason = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision that was made, and what was predicted then; nothing of that where nothing was."""

    triple: Triple
    verdict: Verdict
    reason: str
    note: str
    by: str
    decided_at: datetime
    probability: float | None
    model: str


def ensure_decision_constraint(client: GraphClient) -> None:
    """Makes decisions unique by triple. Raises what `client.schema` raises."""
    client.schema(
        "CREATE CONSTRAINT relpred_decision_key IF NOT EXISTS FOR (d:RelpredDecision) REQUIRE d.key IS UNIQUE"
    )


def decide(client: GraphClient, settings: GraphSettings, wishes: Iterable[Wish], by: str) -> dict[str, int]:
    """Carries decisions out, in batches of one type and verdict; the last wish about a triple counts.

    Gives back how many were accepted and rejected, and how many were not since a node is missing or ambiguous. A triple
    can be rejected whose nodes are gone: it may come back with them. Raises what `client.write` raises.
    """
    ensure_decision_constraint(client)
    latest = {wish.triple: wish for wish in wishes}
    nodes = _nodes(client, settings, latest)
    done: Counter[str] = Counter()
    for relation, verdict in sorted({(wish.triple.relation, wish.verdict) for wish in latest.values()}):
        chosen = [wish for wish in latest.values() if (wish.triple.relation, wish.verdict) == (relation, verdict)]
        for first in range(0, len(chosen), BATCH):
            rows = [_row(wish, nodes) for wish in chosen[first : first + BATCH]]
            statement = _acceptance(settings, relation) if verdict == "accepted" else _rejection(settings, relation)
            write = partial(client.write, statement, rows=rows, relation=relation, verdict=verdict, by=by)
            found = twice_if_lost(write).rows  # decisions say the same however often they are made
            done.update({row["state"]: row["number"] for row in found})
    return dict(done)


def withdraw(client: GraphClient, settings: GraphSettings, triples: Iterable[Triple]) -> int:
    """Takes decisions back: what accepting made is removed again. Predicted edges come back when next published.

    Gives back how many there were. Raises what `client.write` raises.
    """
    wanted = sorted(set(triples))
    nodes = _nodes(client, settings, wanted)
    withdrawn = 0
    for relation in sorted({triple.relation for triple in wanted}):
        own = [triple for triple in wanted if triple.relation == relation]
        for first in range(0, len(own), BATCH):
            write = partial(
                client.write,
                f"{ENDS} {LOCKED_ENDS} WITH * MATCH (d:RelpredDecision {{key: row.key}}) {_made(relation)} "
                "SET made += {} DELETE made, d RETURN count(DISTINCT row.key) AS number",
                rows=[_row(Wish(triple, "rejected"), nodes) for triple in own[first : first + BATCH]],
            )
            (row,) = twice_if_lost(write).rows
            withdrawn += row["number"]
    return withdrawn


def list_decisions(client: GraphClient, *, relation: Relation | None = None, most: int | None = None) -> list[Decision]:
    """Decisions, the latest first. Raises what `client.read` raises."""
    rows = client.read(
        "MATCH (d:RelpredDecision) WHERE $relation IS NULL OR d.relation = $relation "
        "WITH d ORDER BY d.decidedAt DESC, d.key LIMIT coalesce($most, 9223372036854775807) "
        "RETURN properties(d) AS decision",
        relation=relation,
        most=most,
    )
    return [_decision(row["decision"]) for row in rows]


def find_decision(client: GraphClient, triple: Triple) -> Decision | None:
    """What was decided about a triple; None where nothing was. Raises what `client.read` raises."""
    rows = client.read(
        "MATCH (d:RelpredDecision {key: $key}) RETURN properties(d) AS decision",
        key=_key(triple),
    )
    return _decision(rows[0]["decision"]) if rows else None


def decided_keys(client: GraphClient, relations: Iterable[Relation]) -> frozenset[str]:
    """The keys of all decided triples of some types. Raises what `client.read` raises."""
    (row,) = client.read(
        "MATCH (d:RelpredDecision) WHERE d.relation IN $relations RETURN collect(d.key) AS keys",
        relations=list(relations),
    )
    return frozenset(row["keys"])


def decided(client: GraphClient, verdict: Verdict) -> list[Triple]:
    """The triples that people accepted or rejected, sorted. Raises what `client.read` raises."""
    (row,) = client.read(
        "MATCH (d:RelpredDecision {verdict: $verdict}) RETURN collect([d.head, d.relation, d.tail]) AS triples",
        verdict=verdict,
    )
    return sorted(Triple(*parts) for parts in row["triples"])


def _acceptance(settings: GraphSettings, relation: Relation) -> LiteralString:
    """A relationship that stands there already is left as it is, and not claimed as ours."""
    real = quoted(relation)
    return (
        f"{ENDS} {LOCKED_ENDS} "
        "WITH row, h, t, CASE WHEN h IS NULL OR t IS NULL THEN row.lost ELSE 'accepted' END AS state "
        f"OPTIONAL MATCH (h)-[e:{quoted(settings.prefix + relation)} {{key: row.key}}]->(t) "
        "WHERE e.model IS NOT NULL AND e.run IS NOT NULL SET e += {} "
        f"WITH row, h, t, e, state, EXISTS {{ (h)-[:{real}]->(t) }} AS present "
        f"FOREACH (_ IN CASE state WHEN 'accepted' THEN [1] ELSE [] END | {DECIDED} "
        f"FOREACH (_ IN CASE WHEN present THEN [] ELSE [1] END | CREATE (h)-[made:{real} {{relpredKey: row.key}}]->(t) "
        "SET made.relpredProbability = d.probability, made.relpredModel = d.model, made.relpredRun = d.run, "
        "made.relpredAcceptedBy = d.by, made.relpredAcceptedAt = d.decidedAt)) "
        "DELETE e RETURN state, count(*) AS number"
    )


def _rejection(settings: GraphSettings, relation: Relation) -> LiteralString:
    """Whoever rejects what was accepted before takes that back along with it."""
    return (
        f"{ENDS} {LOCKED_ENDS} WITH * "
        f"OPTIONAL MATCH (a)-[e:{quoted(settings.prefix + relation)} {{key: row.key}}]->(b) "
        f"WHERE e.model IS NOT NULL AND e.run IS NOT NULL {_made(relation)} "
        f"SET a += {{}} SET b += {{}} SET e += {{}} SET made += {{}} WITH row, e, made {DECIDED} "
        "DELETE made, e RETURN 'rejected' AS state, count(DISTINCT row.key) AS number"
    )


def _made(relation: Relation) -> LiteralString:
    """Binds the relationship that accepting made between `h` and `t`; others of the type are people's own."""
    return f"OPTIONAL MATCH (h)-[made:{quoted(relation)} {{relpredKey: row.key}}]->(t)"


def _nodes(client: GraphClient, settings: GraphSettings, triples: Iterable[Triple]) -> Resolution:
    return Identity(settings).resolve(client, {end for triple in triples for end in (triple.head, triple.tail)})


def _row(wish: Wish, nodes: Resolution) -> dict[str, Any]:
    triple = wish.triple
    return {
        "key": _key(triple),
        "head": triple.head,
        "tail": triple.tail,
        "reason": wish.reason,
        "note": wish.note,
        "lost": AMBIGUOUS if {triple.head, triple.tail} & nodes.ambiguous else MISSING,
        **_ends(nodes.found.get(triple.head), nodes.found.get(triple.tail)),
    }


def _ends(head: Found | None, tail: Found | None) -> dict[str, Any]:
    """What ENDS wants to know; nothing unless both are known."""
    if head is None or tail is None:
        return {}
    ends = {"h": head.element_id, "hk": head.key, "hv": head.value}
    return ends | {"t": tail.element_id, "tk": tail.key, "tv": tail.value}


def _key(triple: Triple) -> str:
    return edge_key(triple.head, triple.relation, triple.tail)


def _decision(found: Row) -> Decision:
    return Decision(
        Triple(found["head"], found["relation"], found["tail"]),
        found["verdict"],
        found.get("reason", ""),
        found.get("note", ""),
        found.get("by", ""),
        found["decidedAt"].to_native(),
        found.get("probability"),
        found.get("model", ""),
    )
