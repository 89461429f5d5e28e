"""Target sets over a graph of items, what of them stands in the graph, and a writer in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import neo4j

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.data.target_set import TargetEdge, TargetSet
from neo4j_relpred.triples import Evidence, ScoredTriple, Triple

ROOT = Path(__file__).parents[2]
NODES = 500
TYPES = ("KNOWS", "LIKES", "NEXT", "OWNS", "PART_OF")
KEYS = {"Item": "id"}

WRITER = """
import sys
from pathlib import Path
from neo4j_relpred.config import GraphSettings, PublishingSettings
from neo4j_relpred.data.target_set import TargetSet
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.leases import PUBLISH, held
from neo4j_relpred.graph.writer import PublicationPlan, publish

uri, folder, run = sys.argv[1:]
graph = GraphSettings(uri=uri, keys={"Item": "id"}, timeout_seconds=20)
publishing = PublishingSettings(batch_rows=200, shrink_guard=0)
target = TargetSet.read(Path(folder))
with Neo4jClient.open(graph) as client, held(client, PUBLISH, seconds=2, patience=20) as fence:
    print("begins", flush=True)
    publish(client, target, PublicationPlan(graph, publishing, run, "default", fence=fence))
print("ends", flush=True)
"""


def fill(driver: neo4j.Driver) -> None:
    """Items without any relationship."""
    driver.execute_query("CREATE CONSTRAINT item_id IF NOT EXISTS FOR (n:Item) REQUIRE n.id IS UNIQUE")
    driver.execute_query("UNWIND range(0, $n - 1) AS i CREATE (:Item {id: toString(i)})", n=NODES)


def target_set(count: int, seed: int) -> TargetSet:
    """So many edges over five types; of sets with other seeds, two thirds of the triples are the same."""
    found = []
    for number in range(count):
        relation, place = TYPES[number % len(TYPES)], number // len(TYPES)
        shift = 1 + (place // NODES) * 7 + (seed if number % 3 == 0 else 0) % 5
        triple = Triple(str(place % NODES), relation, str((place + shift) % NODES))
        probability = 0.5 + ((number * 31 + seed * 17) % 100) / 250
        found.append(ScoredTriple(triple, probability * 4, probability, 1 + number % 3, Evidence(f"because of {seed}")))
    return TargetSet.of(TargetEdge.of(one, "default@1", "r") for one in found)


def wanted(target: TargetSet) -> dict[str, tuple[Any, ...]]:
    """Key to everything that an edge is to say."""
    return {
        e.key: (e.head, f"PREDICTED_{e.relation}", e.tail, e.score, e.probability, e.rank, e.evidence, e.model)
        for e in target
    }


def in_graph(driver: neo4j.Driver) -> dict[str, tuple[Any, ...]]:
    """Key to everything that an edge says; a key twice is an error."""
    records = driver.execute_query(
        "MATCH (h)-[e]->(t) WHERE type(e) STARTS WITH 'PREDICTED_' RETURN e.key AS key, h.id AS h, type(e) AS r, "
        "t.id AS t, e.score AS s, e.probability AS p, e.rank AS k, e.evidence AS v, e.model AS m"
    ).records
    rows = [tuple(record.values()) for record in records]
    found = {row[0]: row[1:] for row in rows}
    assert len(found) == len(rows)
    return found


def writer(uri: str, folder: Path, run: str) -> subprocess.Popen[str]:
    """A process that publishes the set in a folder under a lease of two seconds."""
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, uri, str(folder), run],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def settings(uri: str) -> GraphSettings:
    """Of the graph of items."""
    return GraphSettings(uri=uri, keys=KEYS, timeout_seconds=20)
