"""How fast predicted edges are published, against plain CREATE and MERGE of the same run.

    python -m benchmarks.publishing [--edges 200000] [--nodes 50000] [--line 5] [--json FILE]

A graph of its own on an embedded server, edges of 5 types between random nodes. The rivals are what everybody writes
first: batches of as many rows, both ends matched by their key, an edge with the same properties. Ours looks for what is
there, looks ends up, keeps keys unique by a constraint, leaves out what exists for real, and keeps a ledger. All that
is measured has been done twice with all edges before the clock starts: a server that has just started compiles for its
first minutes, so whoever comes first or has the longer statement would look slower than it is on one that runs.

create_ratio, merge_ratio: our edges a second over those of CREATE, and of MERGE by a key.
unchanged_share: seconds of publishing the same set again over those of creating it; writes_when_unchanged: edges that
it wrote. change_5_percent_share: the same where one edge in twenty has another probability.
topk_ratio: seconds of the exact best 10 tails of 40,000 heads for 11 types, known ones left out, in bounded memory,
over those of torch.matmul and torch.topk on the same vectors, so many heads at a time that they fit; one thread.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import LiteralString

import neo4j
import numpy as np
import torch

from benchmarks.output import json_option, print_figures, say, write_json
from neo4j_relpred.config import GraphSettings, ModelSettings, PublishingSettings
from neo4j_relpred.data.target_set import TargetEdge, TargetSet
from neo4j_relpred.demo.server import EmbeddedNeo4j, choose_line
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.leases import PUBLISH, held
from neo4j_relpred.graph.writer import PublicationPlan, PublicationReport, publish
from neo4j_relpred.scoring.products import best_products
from neo4j_relpred.triples import Evidence, ScoredTriple, Triple

CACHE = Path(__file__).parents[1] / ".build"
TYPES: tuple[LiteralString, ...] = ("CITES", "FOLLOWS", "KNOWS", "LIKES", "USES")
RELATIONS, TAILS, PLAIN_ROWS = 11, 10, 1_000
WARMING = 2  # rounds that do not count
EVIDENCE = "(Ada)-[:KNOWS]->(Bob)-[:KNOWS]->(Cid) (such paths hold 41% of the time, seen 1200 times); rules 70%"
ENDS: LiteralString = "UNWIND $rows AS row MATCH (h:Item {id: row.head}) MATCH (t:Item {id: row.tail}) "


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publishing", description="How fast edges are written.")
    parser.add_argument("--nodes", type=int, default=50_000, help="nodes of the graph (default: 50000)")
    parser.add_argument("--edges", type=int, default=200_000, help="edges to publish (default: 200000)")
    parser.add_argument("--heads", type=int, default=40_000, help="heads of the best tails (default: 40000)")
    parser.add_argument("--line", choices=["5", "2026"], help="server line (default: what the JDK at hand runs)")
    json_option(parser)
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as home:
        server = EmbeddedNeo4j(choose_line(options.line), home=Path(home), cache=CACHE)
        with (
            server as running,
            neo4j.GraphDatabase.driver(running.bolt_uri, notifications_min_severity="OFF") as driver,
        ):
            figures = measure(driver, running.bolt_uri, options.nodes, options.edges)
    figures |= best_tails(options.heads)
    print_figures(figures)
    write_json(figures, options.json)


def measure(driver: neo4j.Driver, uri: str, nodes: int, edges: int) -> dict[str, float]:
    """The figures, on an empty database."""
    driver.execute_query("CREATE CONSTRAINT item_id FOR (n:Item) REQUIRE n.id IS UNIQUE")
    for first in range(0, nodes, 20_000):
        ids = [str(number) for number in range(first, min(nodes, first + 20_000))]
        driver.execute_query("UNWIND $ids AS id CREATE (:Item {id: id})", ids=ids)
    target = drawn(nodes, edges)
    rows = PublishingSettings().batch_rows
    say(f"{nodes:,} nodes, {len(target):,} edges, {rows:,} in a transaction")
    changed = TargetSet.of(
        replace(e, probability=e.probability - 0.1) if n % 20 == 0 else e for n, e in enumerate(target)
    )
    for _ in range(1 + WARMING):
        _empty(driver)
        create, merge, ours = _write_all(driver, uri, target, rows)
        same, report = _published(uri, target, "second")
        few, few_report = _published(uri, changed, "third")
    return {
        "create_ratio": create / ours,
        "merge_ratio": merge / ours,
        "unchanged_share": same / ours,
        "writes_when_unchanged": float(report.created + report.updated + report.removed),
        "change_5_percent_share": few / ours,
        "changed": float(few_report.updated),
        "create_seconds": create,
        "merge_seconds": merge,
        "publish_seconds": ours,
    }


def best_tails(heads: int) -> dict[str, float]:
    """The figures of the best tails of so many heads, each type after the other by one way and by the other."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng, width = np.random.default_rng(0), 2 * ModelSettings().structure_rank
    table, known = torch.randn(heads, width), 2 * heads  # two known tails of each head are left out
    plain = ours = 0.0
    for _ in range(RELATIONS):
        queries = torch.randn(heads, width)
        excluded = np.sort(rng.integers(heads, size=known)), rng.integers(heads, size=known)
        begun = time.monotonic()
        for first in range(0, heads, PLAIN_ROWS):
            torch.topk(torch.matmul(queries[first : first + PLAIN_ROWS], table.T), TAILS, dim=1)
        between = time.monotonic()
        best_products(queries, table, TAILS, excluded)
        plain, ours = plain + between - begun, ours + time.monotonic() - between
    return {"topk_ratio": ours / plain, "topk_seconds": ours}


def _write_all(driver: neo4j.Driver, uri: str, target: TargetSet, rows: int) -> tuple[float, float, float]:
    """Seconds of CREATE, of MERGE and of ours, whose edges stay. Others of ours that are there are removed first."""
    create = _seconds(driver, target, rows, "CREATE (h)-[e:RAW]->(t) SET e = row.values")
    _empty(driver)
    for relation in TYPES:
        name: LiteralString = f"RAW_{relation}"
        driver.execute_query(f"CREATE CONSTRAINT {name}_key IF NOT EXISTS FOR ()-[e:{name}]-() REQUIRE e.key IS UNIQUE")
    merge = _seconds(driver, target, rows, "MERGE (h)-[e:RAW {key: row.values.key}]->(t) SET e = row.values")
    _empty(driver)
    for relation in TYPES:
        driver.execute_query(f"DROP CONSTRAINT RAW_{relation}_key")
    ours, _ = _published(uri, target, "first")
    return create, merge, ours


def drawn(nodes: int, edges: int) -> TargetSet:
    """Edges between random nodes, at most so many."""
    rng = np.random.default_rng(0)
    ends, kinds = rng.integers(nodes, size=(edges, 2)), rng.integers(len(TYPES), size=edges)
    chances = rng.uniform(0.5, 1, edges).round(6)
    return TargetSet.of(
        TargetEdge.of(
            ScoredTriple(Triple(str(h), TYPES[kind], str(t)), 4 * p, p, 1 + number % 5, Evidence(EVIDENCE)), "m@1", "r"
        )
        for number, ((h, t), kind, p) in enumerate(zip(ends.tolist(), kinds.tolist(), chances.tolist(), strict=True))
    )


def _published(uri: str, target: TargetSet, run: str) -> tuple[float, PublicationReport]:
    settings = GraphSettings(uri=uri, keys={"Item": "id"})
    started = time.monotonic()
    with Neo4jClient.open(settings) as client, held(client, PUBLISH, seconds=15, patience=30) as fence:
        report = publish(client, target, PublicationPlan(settings, PublishingSettings(), run, "m", fence=fence))
    return time.monotonic() - started, report


def _seconds(driver: neo4j.Driver, target: TargetSet, rows: int, what: LiteralString) -> float:
    """Of writing the edges of each type in batches, one transaction each."""
    started = time.monotonic()
    for relation in TYPES:
        statement: LiteralString = ENDS + what.replace("RAW", f"RAW_{relation}")
        for batch in _batches([edge for edge in target if edge.relation == relation], rows):
            driver.execute_query(statement, rows=batch)
    return time.monotonic() - started


def _batches(edges: Sequence[TargetEdge], rows: int) -> Iterator[list[dict[str, object]]]:
    for first in range(0, len(edges), rows):
        yield [
            {
                "head": edge.head,
                "tail": edge.tail,
                "values": {
                    "key": edge.key,
                    "score": edge.score,
                    "probability": edge.probability,
                    "rank": edge.rank,
                    "evidence": edge.evidence,
                    "model": edge.model,
                    "run": edge.run,
                },
            }
            for edge in edges[first : first + rows]
        ]


def _empty(driver: neo4j.Driver) -> None:
    with driver.session() as session:  # such a statement manages its transactions itself
        session.run("MATCH ()-[e]->() CALL (e) { DELETE e } IN TRANSACTIONS OF 20000 ROWS").consume()


if __name__ == "__main__":
    main()
