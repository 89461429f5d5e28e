"""The bundled graph, CoDEx-S, loaded as a person would model it.

Labels come from the entities' types, relationship types from the relations' names; `wikidataId` identifies a node. The
test triples stay out of the graph. Source and licences: demo/data/NOTICE.
"""

from __future__ import annotations

import gzip
import re
from collections import defaultdict
from importlib.resources import files
from pathlib import Path

from neo4j import Driver

__all__ = ["BASE_LABEL", "KEY", "load_codex", "relation_type", "write_test_file"]

BASE_LABEL, KEY = "Entity", "wikidataId"
BATCH = 5_000


def load_codex(driver: Driver, database: str) -> tuple[int, int]:
    """Writes nodes and relationships into an empty database; returns how many of each."""
    nodes: dict[tuple[str, ...], list[dict[str, str]]] = defaultdict(list)
    entities = _table("entities.tsv.gz")
    for entity, name, text, kinds in entities:
        labels = tuple(sorted({_label(kind) for kind in kinds.split("|") if kind}))
        values = {KEY: entity, "name": name, "description": text}
        nodes[labels].append({key: value for key, value in values.items() if value})
    types = _relation_types()
    edges: dict[str, list[dict[str, str]]] = defaultdict(list)
    for head, relation, tail in _table("graph.tsv.gz"):
        edges[types[relation]].append({"head": head, "tail": tail})
    driver.execute_query(
        f"CREATE CONSTRAINT entity_key IF NOT EXISTS FOR (n:{BASE_LABEL}) REQUIRE n.{KEY} IS UNIQUE",
        database_=database,
    )
    for labels, rows in nodes.items():
        names = "".join(f":`{label}`" for label in (BASE_LABEL, *labels))
        driver.execute_query(f"UNWIND $rows AS row CREATE (n{names}) SET n = row", rows=rows, database_=database)
    for kind, pairs in edges.items():
        for first in range(0, len(pairs), BATCH):
            driver.execute_query(
                f"UNWIND $rows AS row MATCH (h:{BASE_LABEL} {{{KEY}: row.head}}) "
                f"MATCH (t:{BASE_LABEL} {{{KEY}: row.tail}}) CREATE (h)-[:`{kind}`]->(t)",
                rows=pairs[first : first + BATCH],
                database_=database,
            )
    return len(entities), sum(len(pairs) for pairs in edges.values())


def write_test_file(file: Path) -> Path:
    """The test triples with the names that the graph uses."""
    types = _relation_types()
    rows = ["\t".join((head, types[relation], tail)) for head, relation, tail in _table("test.tsv.gz")]
    file.write_text("\n".join(["head\trelation\ttail", *rows]) + "\n", encoding="utf-8")
    return file


def relation_type(name: str) -> str:
    """'place of birth' as the relationship type PLACE_OF_BIRTH."""
    return re.sub(r"\W+", "_", name).strip("_").upper()


def _label(kind: str) -> str:
    """'sovereign state' as the label SovereignState; only letters and digits are left, so quoting is safe."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"\W+", kind) if word)


def _relation_types() -> dict[str, str]:
    return {relation: relation_type(name) for relation, name in _table("relations.tsv.gz")}


def _table(name: str) -> list[list[str]]:
    """The rows of a bundled file, header left out."""
    content = gzip.decompress((files("neo4j_relpred.demo") / "data" / name).read_bytes()).decode("utf-8")
    return [line.split("\t") for line in content.rstrip("\n").split("\n")[1:]]
