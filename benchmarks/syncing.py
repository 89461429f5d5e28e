"""What a sync costs beside a full pass, on a real server: the part of benchmarks.refresh that needs one.

Of the graph in FOLDER some nodes are taken out, with their edges, and a few edges of others. A model is trained on what
is left and all of it is published: the full pass, with reading, encoding, training and publication. Then somebody else
writes what was taken out, of the edges of those nodes only every second one, in one transaction, and a sync follows.
Nothing is told which nodes those are. The other edges stay away: they are what is missing at the new nodes.

sync_share: seconds of the sync over those of the full pass. sync_publish_share: over those of reading and publishing
alone, without the training. calm_seconds: of a sync that finds nothing changed. new_nodes_predicted: share of the nodes
that came which have predicted edges now. new_edges, new_edges_right: predicted edges at nodes that came, and the share
of them that are among those that stay away. rewritten_elsewhere: edges written by the sync at no node that changed,
that has an edge to one, or that is predicted to have one.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import neo4j

from benchmarks.graphs import load
from benchmarks.output import say
from neo4j_relpred.api import RelationPredictor
from neo4j_relpred.api.syncing import SyncReport
from neo4j_relpred.config import load_settings
from neo4j_relpred.demo.server import EmbeddedNeo4j, choose_line

__all__ = ["sync_figures"]

CACHE = Path(__file__).parents[1] / ".build"
NODES, EDGES = 100, 0.005  # that come: so many nodes, and this share of all edges between others
OURS: LiteralString = "NONE(label IN labels(n) WHERE label STARTS WITH 'Relpred')"
PREDICTED: LiteralString = "type(e) STARTS WITH 'PREDICTED_'"


@dataclass(frozen=True)
class Late:
    """What comes late: nodes with labels and properties, and edges, by the id of their ends. missing: never comes."""

    nodes: list[dict[str, Any]]
    edges: list[dict[str, Any]]
    missing: list[dict[str, Any]]

    @property
    def ids(self) -> set[str]:
        """Ids of everything that it touches."""
        return {node["id"] for node in self.nodes} | {edge[end] for edge in self.edges for end in ("head", "tail")}


def sync_figures(folder: Path, minutes: float, line: str | None = None) -> dict[str, float]:
    """The figures, with a training of so many minutes."""
    with tempfile.TemporaryDirectory(prefix="relpred-syncing-") as place:
        with EmbeddedNeo4j(choose_line(line), home=Path(place) / "neo4j", cache=CACHE) as server:
            with neo4j.GraphDatabase.driver(server.bolt_uri, notifications_min_severity="OFF") as driver:
                return _measured(driver, server.bolt_uri, folder, minutes, Path(place))


def _measured(driver: neo4j.Driver, uri: str, folder: Path, minutes: float, place: Path) -> dict[str, float]:
    nodes, edges = load(driver, "triples", folder)
    late = _taken_out(driver, round(EDGES * edges))
    say(f"{nodes:,} nodes, {edges:,} relationships; {len(late.nodes)} and {len(late.edges)} of them come later")
    labels = [row[0] for row in driver.execute_query("CALL db.labels()").records]
    settings = place / "relpred.toml"
    settings.write_text(
        f"home = {json.dumps(str(place / 'relpred'))}\n[graph]\nuri = {json.dumps(uri)}\n"
        f"keys = {{ {', '.join(f'{json.dumps(label)} = {chr(34)}id{chr(34)}' for label in labels)} }}\n"
        f'texts = ["text"]\n[training]\nminutes = {minutes}\n',
        encoding="utf-8",
    )
    with RelationPredictor.open(load_settings(settings)) as predictor:
        began = time.monotonic()
        data = predictor.snapshot()
        read = time.monotonic() - began
        predictor.fit(data)
        trained = time.monotonic() - began
        published = predictor.publish()
        full = time.monotonic() - began
        say(f"full pass {full:.0f} s, of which training {trained - read:.0f} s; {published.created:,} edges")
        calm = predictor.sync()
        before = _predicted(driver)
        _come(driver, late)
        report = predictor.sync()
    after = _predicted(driver)
    say(f"sync {report.seconds:.1f} s: {_told(report)}; without a change {calm.seconds:.1f} s")
    new = {node["id"] for node in late.nodes}
    covered = {end for head, _, tail, _ in after.values() for end in (head, tail)} & new
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    near = late.ids | _neighbours(driver, sorted(late.ids))
    hidden = {(edge["head"], edge["type"], edge["tail"]) for edge in late.missing}
    at_new = [edge[:3] in hidden for edge in after.values() if {edge[0], edge[2]} & new]
    far = [key for key in changed if not near & {*(before.get(key) or after[key])[:3:2]}]
    return {
        "full_seconds": full,
        "sync_seconds": report.seconds,
        "calm_seconds": calm.seconds,
        "sync_share": report.seconds / full,
        "sync_publish_share": report.seconds / (full - trained + read),
        "sync_pending": float(report.pending),
        "new_nodes_predicted": len(covered) / len(new),
        "new_edges": float(len(at_new)),
        "new_edges_right": sum(at_new) / len(at_new) if at_new else float("nan"),
        "rewritten_elsewhere": float(len(far)),
    }


def _taken_out(driver: neo4j.Driver, edges: int) -> Late:
    """Nodes that have edges, by the order of a digest of their ids, and edges between others."""
    rows = driver.execute_query(
        f"MATCH (n)-[r]-() WHERE n.id IS NOT NULL AND {OURS} WITH n, count(r) AS degree WHERE degree <= 20 "
        "RETURN n.id AS id, labels(n) AS labels, properties(n) AS properties ORDER BY reverse(n.id) LIMIT $most",
        most=NODES,
    ).records
    nodes = [row.data() for row in rows]
    ids = [node["id"] for node in nodes]
    kept = "RETURN h.id AS head, type(r) AS type, t.id AS tail"
    with_nodes = driver.execute_query(
        f"MATCH (h)-[r]->(t) WHERE h.id IN $ids OR t.id IN $ids {kept} ORDER BY head, type, tail", ids=ids
    )
    driver.execute_query("MATCH (n) WHERE n.id IN $ids DETACH DELETE n", ids=ids)
    others = driver.execute_query(
        f"MATCH (h)-[r]->(t) WITH h, r, t ORDER BY reverse(h.id), reverse(t.id) LIMIT $most {kept}", most=edges
    )
    come, missing = with_nodes.records[::2], [row.data() for row in with_nodes.records[1::2]]
    late = Late(nodes, [row.data() for row in (*come, *others.records)], missing)
    driver.execute_query(
        "UNWIND $rows AS row MATCH (h {id: row.head})-[r]->(t {id: row.tail}) WHERE type(r) = row.type DELETE r",
        rows=[row.data() for row in others.records],
    )
    return late


def _come(driver: neo4j.Driver, late: Late) -> None:
    for labels in {tuple(node["labels"]) for node in late.nodes}:
        driver.execute_query(
            "UNWIND $rows AS row CALL (row) { CREATE (n:$($labels)) SET n = row.properties }",
            rows=[node for node in late.nodes if tuple(node["labels"]) == labels],
            labels=list(labels),
        )
    driver.execute_query(
        "UNWIND $rows AS row MATCH (h {id: row.head}) MATCH (t {id: row.tail}) CREATE (h)-[:$(row.type)]->(t)",
        rows=late.edges,
    )


def _predicted(driver: neo4j.Driver) -> dict[str, tuple[str, str, str, float]]:
    """Head, type, tail and probability by key."""
    rows = driver.execute_query(
        f"MATCH (h)-[e]->(t) WHERE {PREDICTED} RETURN e.key AS key, h.id AS head, "
        "substring(type(e), size('PREDICTED_')) AS type, t.id AS tail, e.probability AS p"
    ).records
    return {row["key"]: (row["head"], row["type"], row["tail"], row["p"]) for row in rows}


def _neighbours(driver: neo4j.Driver, ids: list[str]) -> set[str]:
    rows = driver.execute_query("MATCH (n)--(m) WHERE n.id IN $ids RETURN DISTINCT m.id AS id", ids=ids).records
    return {row["id"] for row in rows}


def _told(report: SyncReport) -> str:
    written = report.publication
    edges = f"{written.created:,} created, {written.updated:,} updated, {written.removed:,} removed" if written else ""
    return (
        f"{report.changed_nodes:,} nodes, {report.changed_edges:,} relationships; {edges}; {report.pending:,} pending"
    )
