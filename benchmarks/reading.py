"""How fast a graph is read, against the plain driver loop of the same run.

    python -m benchmarks.reading [--nodes 200000] [--edges 1000000] [--line 5] [--json FILE]

A graph of its own on an embedded server (heap and page cache 2 GB): nodes with a key and a text of 20 words, edges of 5
types between random nodes. The peer is what everybody writes first: one query, one row per node or edge, a loop over
the records (of a part of the graph when it is very large; its time is then taken in proportion).

structure_ratio: seconds of the peer for all edges over ours. text_ratio: the same for nodes, their labels and
properties. Both are taken twice, in turn, and the better time of each counts.
checksum_equal: 1 where a snapshot holds exactly the nodes, texts and edges that the peer read.
resident_mb: the largest memory of this process while it took and wrote the snapshot, before the peer ran.
scale_ratio: seconds of the snapshot over ten times those of one of a tenth of the graph (with --scale).
"""

from __future__ import annotations

import argparse
import hashlib
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, LiteralString

import neo4j

from benchmarks.output import json_option, say, write_json
from neo4j_relpred.config import GraphSettings
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.demo.server import EmbeddedNeo4j, choose_line
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.reader import read_snapshot

CACHE = Path(__file__).parents[1] / ".build"
TYPES: tuple[LiteralString, ...] = ("CITES", "FOLLOWS", "KNOWS", "LIKES", "USES")
WORDS, LONG = 5_000, 20
BATCH = 20_000
MOST_ROWS = 1_000_000  # that the peer reads of one kind


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description="How fast a graph is read.")
    parser.add_argument("--nodes", type=int, default=200_000, help="nodes of the graph (default: 200000)")
    parser.add_argument("--edges", type=int, default=1_000_000, help="edges of the graph (default: 1000000)")
    parser.add_argument("--scale", action="store_true", help="also read a tenth of the graph, for scale_ratio")
    parser.add_argument("--line", choices=["5", "2026"], help="server line (default: what the JDK at hand runs)")
    json_option(parser)
    options = parser.parse_args(words)
    figures: dict[str, float] = {}
    if options.scale:
        figures["tenth_seconds"] = measure(options.nodes // 10, options.edges // 10, options.line)["snapshot_seconds"]
    figures |= measure(options.nodes, options.edges, options.line)
    if options.scale:
        figures["scale_ratio"] = figures["snapshot_seconds"] / (10 * figures["tenth_seconds"])
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:<{width}}  {value:>12,.3f}")
    write_json(figures, options.json)


def measure(nodes: int, edges: int, line: str | None) -> dict[str, float]:
    """The figures for one graph."""
    chosen = choose_line(line)
    with (
        tempfile.TemporaryDirectory(prefix="relpred-benchmark-") as folder,
        EmbeddedNeo4j(chosen, cache=CACHE, heap="2g", page_cache="2g") as server,
        neo4j.GraphDatabase.driver(server.bolt_uri, notifications_min_severity="OFF") as driver,
    ):
        say(f"Filling a graph of {nodes:,} nodes and {edges:,} edges on Neo4j {chosen.version} ...")
        fill(driver, nodes, edges)
        settings = GraphSettings(
            uri=server.bolt_uri, keys={"Item": "uid"}, names=("name",), texts=("text",), timeout_seconds=300
        )
        say("Taking a snapshot ...")
        snapshot, ours = take(settings, Path(folder) / "snapshot")
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        say("Reading the same, row by row ...")
        node_seconds, node_sum = peer_nodes(driver, nodes)
        edge_seconds, edge_sum, whole = peer_edges(driver, edges)
        say("Both again, now that the server has compiled both ...")
        again = take(settings, Path(folder) / "snapshot")[1]
        ours = {name: min(seconds, again[name]) for name, seconds in ours.items()}
        node_seconds = min(node_seconds, peer_nodes(driver, nodes)[0])
        edge_seconds = min(edge_seconds, peer_edges(driver, edges)[0])
        same = node_sum == nodes_checksum(snapshot, nodes) and (not whole or edge_sum == edges_checksum(snapshot))
        counted = (len(snapshot.ids), snapshot.edges.num_rows) == (nodes, edges)
        return {
            "structure_ratio": edge_seconds / ours["edges"],
            "text_ratio": node_seconds / ours["nodes"],
            "checksum_equal": float(same and counted),
            "resident_mb": resident,
            "snapshot_seconds": ours["all"],
            "nodes_per_second": nodes / ours["nodes"],
            "edges_per_second": edges / ours["edges"],
        }


def fill(driver: neo4j.Driver, nodes: int, edges: int) -> None:
    """Nodes with texts of random words, edges between random nodes; the same graph every time."""
    lots = random.Random(0)
    words = [f"word{number:04d}" for number in range(WORDS)]
    ask(driver, "CREATE CONSTRAINT FOR (n:Item) REQUIRE n.uid IS UNIQUE")
    ask(driver, "CALL db.awaitIndexes()")
    for low in range(0, nodes, BATCH):
        texts = [" ".join(lots.choices(words, k=LONG)) for _ in range(min(BATCH, nodes - low))]
        ask(
            driver,
            "UNWIND range(0, size($texts) - 1) AS i "
            "CREATE (:Item {uid: 'item-' + ($low + i), name: 'Item ' + ($low + i), text: $texts[i]})",
            low=low,
            texts=texts,
        )
    per_type = [edges // len(TYPES) + (number < edges % len(TYPES)) for number in range(len(TYPES))]
    for name, count in zip(TYPES, per_type, strict=True):
        for low in range(0, count, BATCH):
            size = min(BATCH, count - low)
            ends = [[lots.randrange(nodes) for _ in range(size)] for _ in range(2)]
            ask(  # a new store gives ids from 0 on
                driver,
                "CYPHER 5 UNWIND range(0, size($heads) - 1) AS i MATCH (a) WHERE id(a) = $heads[i] "
                f"MATCH (b) WHERE id(b) = $tails[i] CREATE (a)-[:{name}]->(b)",
                heads=ends[0],
                tails=ends[1],
            )


def take(settings: GraphSettings, folder: Path) -> tuple[Snapshot, dict[str, float]]:
    """A snapshot, written to disk, and the seconds of its stages."""
    started = time.perf_counter()
    ends: dict[str, float] = {}

    def tell(stage: str, done: int, total: int) -> None:
        ends[stage] = time.perf_counter()

    with Neo4jClient.open(settings) as client:
        snapshot = read_snapshot(client, settings, tell)
        read = time.perf_counter()
        snapshot.write(folder)
    # sorting and numbering are part of the structure: without them nobody could use it
    seconds = {"nodes": ends["nodes"] - started, "edges": read - ends["nodes"], "all": time.perf_counter() - started}
    return snapshot, seconds


def peer_nodes(driver: neo4j.Driver, nodes: int) -> tuple[float, str]:
    """Seconds (for all, in proportion) and checksum of what was read."""
    limit = min(nodes, MOST_ROWS)
    query = "MATCH (n) RETURN id(n), labels(n), n.uid, n.name, n.text LIMIT $limit"
    digest, seconds = loop(driver, query, limit, _node_words)
    return seconds * nodes / limit, digest if limit == nodes else ""


def _node_words(row: Sequence[Any]) -> str:
    return f"{row[2]}|{','.join(row[1])}|{row[3]}|{row[4]}"


def peer_edges(driver: neo4j.Driver, edges: int) -> tuple[float, str, bool]:
    """Seconds (for all, in proportion) and checksum of what was read, and whether that was all of it."""
    limit = min(edges, MOST_ROWS)
    query = "MATCH (a)-[r]->(b) RETURN id(a), type(r), id(b) LIMIT $limit"
    digest, seconds = loop(driver, query, limit, lambda row: f"item-{row[0]}|{row[1]}|item-{row[2]}")
    return seconds * edges / limit, digest, limit == edges


def loop(
    driver: neo4j.Driver, query: LiteralString, limit: int, told: Callable[[Sequence[Any]], str]
) -> tuple[str, float]:
    """The plain loop over records; the checksum is taken when the clock has stopped."""
    started = time.perf_counter()
    with driver.session(default_access_mode=neo4j.READ_ACCESS) as session:
        rows = [record.values() for record in session.run(f"CYPHER 5 {query}", limit=limit)]
    seconds = time.perf_counter() - started
    return checksum(told(row) for row in rows), seconds


def nodes_checksum(snapshot: Snapshot, nodes: int) -> str:
    if nodes > MOST_ROWS:
        return ""
    rows = zip(snapshot.ids, snapshot.labels, snapshot.properties(), strict=True)
    return checksum(f"{i}|{','.join(labels)}|{p['name']}|{p['text']}" for i, labels, p in rows)


def edges_checksum(snapshot: Snapshot) -> str:
    columns = [snapshot.edges[name].to_pylist() for name in ("head", "relation", "tail")]
    ids, names = snapshot.ids, snapshot.relations
    return checksum(f"{ids[h]}|{names[r]}|{ids[t]}" for h, r, t in zip(*columns, strict=True))


def checksum(rows: Iterator[str]) -> str:
    """Of a set of rows, in no order."""
    total = 0
    for row in rows:
        total += int.from_bytes(hashlib.blake2b(row.encode(), digest_size=16).digest(), "big")
    return f"{total:x}"


def ask(driver: neo4j.Driver, statement: LiteralString, **parameters: object) -> None:
    driver.execute_query(statement, parameters, database_="neo4j")


if __name__ == "__main__":
    main()
