"""Loads a data folder into a running Neo4j, in the shape in which people meet it there.

    python -m benchmarks.graphs NAME FOLDER --uri bolt://127.0.0.1:7687 [--password PASSWORD] [--wipe]

NAME is `triples` for a folder of gzip tables (entities, relations, train, valid, test), or one of Neo4j's example
graphs, whose FOLDER holds them as published: movies, network-management, northwind, pole.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import re
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, LiteralString, TypeVar, cast

from neo4j import Driver, GraphDatabase

from neo4j_relpred.graph.names import quoted

DATABASE = "neo4j"
BATCH = 20_000
MOST_CONSTRAINTS = 100  # labels that are types of things; a graph with more of them has no person to constrain them all
MODEL = "neo4j_importer_model.json"
CYPHER: LiteralString = "CYPHER 5 "
# Two places of a script that today's servers refuse: an index in the old way, and a node that is read where it is made.
OLD_CYPHER = {
    "create index on :Software(name)": "CREATE INDEX IF NOT EXISTS FOR (s:Software) ON (s.name)",
    '{ip:s.ip+".254"}': '{ip:nr.ip+"."+rackid+".254"}',
}
LOAD_CSV = re.compile(r'LOAD CSV WITH HEADERS FROM "[^"]*/([^"/]+)" AS row')
Row = dict[str, Any]
Item = TypeVar("Item")


def load(driver: Driver, name: str, folder: Path) -> tuple[int, int]:
    """Loads a graph beside what is there already; the numbers of nodes and relationships that the database has then."""
    if name not in LOADERS:
        raise ValueError(f"There is no graph {name!r}; there are {', '.join(LOADERS)}.")
    LOADERS[name](driver, folder)
    (nodes,) = _ask(driver, "MATCH (n) RETURN count(n) AS number")
    (edges,) = _ask(driver, "MATCH ()-[r]->() RETURN count(r) AS number")
    return nodes["number"], edges["number"]


def wipe(driver: Driver) -> None:
    """Removes all nodes, constraints and indexes."""
    with driver.session(database=DATABASE) as session:
        session.run(CYPHER + "MATCH (n) CALL { WITH n DETACH DELETE n } IN TRANSACTIONS OF 20000 ROWS").consume()
    for row in _ask(driver, "SHOW CONSTRAINTS YIELD name"):
        _ask(driver, "DROP CONSTRAINT " + quoted(row["name"]))
    for row in _ask(driver, "SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP'"):
        _ask(driver, "DROP INDEX " + quoted(row["name"]))


def read_table(file: Path) -> Iterator[dict[str, str]]:
    """The rows of a gzip table: tabs between, a header row, no quoting."""
    with gzip.open(file, "rt", encoding="utf-8", newline="\n") as lines:
        columns = next(lines).removesuffix("\n").split("\t")
        for line in lines:
            yield dict(zip(columns, line.removesuffix("\n").split("\t"), strict=True))


def _load_triples(driver: Driver, folder: Path) -> None:
    """Types of entities become labels (several where a bar parts them), names of relations relationship types."""
    entities = list(read_table(folder / "entities.tsv.gz"))
    labels = {row["id"]: [part for part in row.get("type", "").split("|") if part] or ["Entity"] for row in entities}
    carried = sorted({label for several in labels.values() for label in several})
    if len(carried) <= MOST_CONSTRAINTS:
        _constrain(driver, ((label, "id") for label in carried))
    nodes = (
        (labels[row["id"]], {key: value for key, value in row.items() if value and key != "type"}) for row in entities
    )
    elements = dict(zip((row["id"] for row in entities), _create_nodes(driver, nodes), strict=True))
    types = _relation_types(folder)
    grouped: dict[str, list[tuple[str, str, Row]]] = {}
    for part in ("train", "valid", "test"):
        for row in read_table(folder / f"{part}.tsv.gz"):
            ends: tuple[str, str, Row] = (elements[row["head"]], elements[row["tail"]], {})
            grouped.setdefault(types[row["relation"]], []).append(ends)
    for relation, edges in grouped.items():
        _create_edges(driver, relation, edges)


def _relation_types(folder: Path) -> dict[str, str]:
    """The relationship type of each relation: its name; its id where it has none of its own."""
    rows = list(read_table(folder / "relations.tsv.gz"))
    names = [row["name"] for row in rows]
    return {row["id"]: row["name"] if row["name"] and names.count(row["name"]) == 1 else row["id"] for row in rows}


def _load_script(file: str) -> Callable[[Driver, Path], None]:
    def run(driver: Driver, folder: Path) -> None:
        for statement in _statements(folder / file):
            _ask(driver, statement)

    return run


def _statements(file: Path) -> list[str]:
    """Their ends are semicolons at the end of a line; those within comments and texts are none."""
    script = file.read_text(encoding="utf-8")
    for old, new in OLD_CYPHER.items():
        script = script.replace(old, new)
    parts = re.split(r";\s*(?:\n|\Z)", script)
    return [part for part in parts if any(line.strip() and not line.startswith("//") for line in part.splitlines())]


def _load_northwind(driver: Driver, folder: Path) -> None:
    """The published script; its rows come from the files at hand instead of the web."""
    folder = folder if (folder / "northwind.cypher").is_file() else folder / "northwind"
    for statement in _statements(folder / "northwind.cypher"):
        found = LOAD_CSV.search(statement)
        if found is None:
            _ask(driver, statement)
            continue
        with open(folder / found.group(1), encoding="utf-8", newline="") as file:
            rows = [_filled(row) for row in csv.DictReader(file)]
        _ask(driver, LOAD_CSV.sub("UNWIND $rows AS row", statement), rows=rows)


def _filled(row: Mapping[str | None, Any]) -> dict[str, str]:
    """LOAD CSV takes an empty field for none, and knows no field without a header."""
    return {key: value for key, value in row.items() if value and key is not None}


def _load_pole(driver: Driver, folder: Path) -> None:
    """What Neo4j's importer makes of the archive: its model names labels, types, properties, kinds and constraints."""
    with zipfile.ZipFile(folder / "pole-data-importer.zip") as archive:
        model = _ImporterModel(json.loads(archive.read(MODEL)))
        _constrain(driver, model.constraints())
        elements: dict[str, dict[str, str]] = {}
        for file, label, columns, key in model.nodes():
            rows = list(_archived(archive, file))
            nodes = [([label], _converted(row, columns)) for row in rows]
            made = _create_nodes(driver, nodes)
            elements[label] = dict(zip((row[key] for row in rows), made, strict=True))
        known = set()
        for file, relation, (head, tail), columns in model.edges():
            known.add(file)
            _create_edges(driver, relation, _edges(archive, file, elements[head], elements[tail], columns))
        everything = {row: element for label in elements.values() for row, element in label.items()}
        # A file that the model forgot is loaded by its own header, as neo4j-admin would.
        for file in sorted(set(archive.namelist()) - known):
            if ".relationships." in file:
                relation = next(_archived(archive, file))[":TYPE"]
                _create_edges(driver, relation, _edges(archive, file, everything, everything, {}))


class _ImporterModel:
    """The part of the importer's model that matters here."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        model = document["dataModel"]
        self._schema = model["graphSchemaRepresentation"]["graphSchema"]
        self._mapping = model["graphMappingRepresentation"]
        self._keys = model["graphSchemaExtensionsRepresentation"]["nodeKeyProperties"]
        self._objects: dict[str, Any] = {}
        self._collect(model)

    def _collect(self, part: Any) -> None:
        """Everything that has an id of its own is referred to by '#' and that id."""
        if isinstance(part, dict):
            if "$id" in part:
                self._objects["#" + part["$id"]] = part
            part = list(part.values())
        if isinstance(part, list):
            for inner in part:
                self._collect(inner)

    def constraints(self) -> Iterator[tuple[str, str]]:
        for constraint in self._schema["constraints"]:
            (name,) = constraint["properties"]
            yield self._of(constraint["nodeLabel"])["token"], self._of(name)["token"]

    def nodes(self) -> Iterator[tuple[str, str, dict[str, tuple[str, str]], str]]:
        """File, label, columns and the column that identifies a row."""
        keys = {key["node"]["$ref"]: key["keyProperty"]["$ref"] for key in self._keys}
        for mapping in self._mapping["nodeMappings"]:
            wanted = keys[mapping["node"]["$ref"]]
            (key,) = [p["fieldName"] for p in mapping["propertyMappings"] if p["property"]["$ref"] == wanted]
            yield self._file(mapping), self._label(mapping["node"]), self._columns(mapping), key

    def edges(self) -> Iterator[tuple[str, str, tuple[str, str], dict[str, tuple[str, str]]]]:
        """File, type, labels of both ends, columns."""
        for mapping in self._mapping["relationshipMappings"]:
            drawn = self._of(mapping["relationship"])
            ends = self._label(drawn["from"]), self._label(drawn["to"])
            yield self._file(mapping), self._of(drawn["type"])["token"], ends, self._columns(mapping)

    def _of(self, reference: Mapping[str, str]) -> Any:
        return self._objects[reference["$ref"]]

    def _file(self, mapping: Mapping[str, Any]) -> str:
        return str(self._of(mapping["tableSchema"])["name"])

    def _label(self, node: Mapping[str, str]) -> str:
        return str(self._of(self._of(node)["labels"][0])["token"])

    def _columns(self, mapping: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
        properties = ((p["fieldName"], self._of(p["property"])) for p in mapping["propertyMappings"])
        return {field: (found["token"], found["type"]["type"]) for field, found in properties}


def _archived(archive: zipfile.ZipFile, file: str) -> Iterator[dict[str, str]]:
    with archive.open(file) as raw:
        yield from csv.DictReader(io.TextIOWrapper(raw, "utf-8", newline=""))


def _converted(row: Mapping[str, str], columns: Mapping[str, tuple[str, str]]) -> Row:
    kinds: dict[str, Callable[[str], Any]] = {"integer": int, "float": float}
    return {name: kinds.get(kind, str)(row[field]) for field, (name, kind) in columns.items() if row[field]}


def _edges(
    archive: zipfile.ZipFile,
    file: str,
    heads: Mapping[str, str],
    tails: Mapping[str, str],
    columns: Mapping[str, tuple[str, str]],
) -> list[tuple[str, str, Row]]:
    """The rows whose ends are among these nodes: one file may hold edges of several pairs of labels."""
    return [
        (heads[row[":START_ID"]], tails[row[":END_ID"]], _converted(row, columns))
        for row in _archived(archive, file)
        if row[":START_ID"] in heads and row[":END_ID"] in tails
    ]


def _constrain(driver: Driver, keys: Iterable[tuple[str, str]]) -> None:
    for label, name in keys:
        _ask(driver, f"CREATE CONSTRAINT IF NOT EXISTS FOR (n:{quoted(label)}) REQUIRE n.{quoted(name)} IS UNIQUE")


def _create_nodes(driver: Driver, nodes: Iterable[tuple[Sequence[str], Row]]) -> Iterator[str]:
    """Creates the nodes; their element ids, in order."""
    for batch in _batches(nodes):
        query = "UNWIND $rows AS row CREATE (n:$(row[0])) SET n = row[1] RETURN collect(elementId(n)) AS made"
        (answer,) = _ask(driver, query, rows=batch)
        yield from answer["made"]


def _create_edges(driver: Driver, relation: str, edges: Iterable[tuple[str, str, Row]]) -> None:
    for batch in _batches(edges):
        query = (
            "UNWIND $rows AS row MATCH (a) WHERE elementId(a) = row[0] MATCH (b) WHERE elementId(b) = row[1] "
            f"CREATE (a)-[r:{quoted(relation)}]->(b) SET r = row[2]"
        )
        _ask(driver, query, rows=batch)


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    source = iter(items)
    while batch := list(islice(source, BATCH)):
        yield batch


def _ask(driver: Driver, statement: str, **parameters: Any) -> list[Row]:
    """Runs a statement of ours or of a published script."""
    text = cast(LiteralString, CYPHER + statement)  # type: ignore[redundant-cast]
    return [record.data() for record in driver.execute_query(text, parameters, database_=DATABASE).records]


LOADERS: dict[str, Callable[[Driver, Path], None]] = {
    "triples": _load_triples,
    "movies": _load_script("movies.cypher"),
    "network-management": _load_script("network-management.cypher"),
    "northwind": _load_northwind,
    "pole": _load_pole,
}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.graphs", description="Load a data folder into Neo4j.")
    parser.add_argument("name", choices=list(LOADERS), metavar="NAME", help=", ".join(LOADERS))
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where its files are")
    parser.add_argument("--uri", default="bolt://127.0.0.1:7687", help="Bolt address of the server")
    parser.add_argument("--user", default="neo4j", help="user name")
    parser.add_argument("--password", help="password; none for a server that asks for none")
    parser.add_argument("--wipe", action="store_true", help="first remove all that is in the database")
    options = parser.parse_args(words)
    auth = None if options.password is None else (options.user, options.password)
    start = time.monotonic()
    with GraphDatabase.driver(options.uri, auth=auth, notifications_min_severity="OFF") as driver:
        if options.wipe:
            wipe(driver)
        nodes, edges = load(driver, options.name, options.folder)
    print(f"{nodes:,} nodes, {edges:,} relationships in {time.monotonic() - start:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
