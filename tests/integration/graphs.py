"""A small town to learn from, a shelf of films, and the command line as a person meets it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import neo4j
import numpy as np
from click.testing import CliRunner

from neo4j_relpred.api import RelationPredictor
from neo4j_relpred.config import Settings, load_settings
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.reader import read_snapshot

ROOT = Path(__file__).parents[2]
PEOPLE, CITIES, COUNTRIES, FIRMS = 90, 12, 4, 20
TYPES = ("BASED_IN", "CITIZEN_OF", "HAS_SKILL", "LIVES_IN", "LOCATED_IN", "WORKS_FOR")
HIDDEN = 0.12  # share of citizenships and skills that the graph lacks: what is to be found
SKILLS = {
    "nurse": ("first aid", "patient care", "pharmacology"),
    "carpenter": ("woodworking", "joinery", "roof building"),
    "physicist": ("quantum mechanics", "statistics", "laser optics"),
    "cook": ("baking", "menu planning", "butchery"),
    "lawyer": ("contract law", "negotiation", "court pleading"),
    "gardener": ("pruning", "botany", "greenhouse keeping"),
    "teacher": ("lesson planning", "child psychology", "grammar"),
    "sailor": ("navigation", "knots", "weather reading"),
}
Rows = list[dict[str, Any]]

SETTINGS = """
home = {home}

[graph]
uri = "{uri}"
keys = {{ Thing = "uid" }}
texts = ["description"]
timeout_seconds = 20

[text]
precision = "fp32" # else each start loads the encoder twice, to see what half precision loses

[model]
hidden = 32
entity_width = 8
structure_rank = 16

[training]
minutes = 0.2
max_epochs = 30
holdout_share = 0.12

[evaluation]
baseline_minutes = 0.02

[publishing]
min_probability = 0.05

[service]
port = {port}
"""


def ask(driver: neo4j.Driver, statement: str, **parameters: Any) -> Rows:
    return [record.data() for record in driver.execute_query(statement, parameters, database_="neo4j").records]


def town() -> tuple[Rows, Rows]:
    """Nodes and edges. Who lives in a city is a citizen of its country; what one does tells what one can do."""
    rng = np.random.default_rng(3)
    trades = list(SKILLS)
    nodes: Rows = [{"uid": f"country{i}", "kind": "Country", "name": f"Land {i}"} for i in range(COUNTRIES)]
    edges: Rows = []

    def edge(head: str, kind: str, tail: str) -> None:
        edges.append({"head": head, "type": kind, "tail": tail})

    for i in range(CITIES):
        nodes.append({"uid": f"city{i}", "kind": "City", "name": f"Town {i}"})
        edge(f"city{i}", "LOCATED_IN", f"country{i % COUNTRIES}")
    for i in range(FIRMS):
        nodes.append({"uid": f"firm{i}", "kind": "Company", "name": f"Firm {i}", "description": "A company"})
        edge(f"firm{i}", "BASED_IN", f"city{i % CITIES}")
    for skill in (skill for skills in SKILLS.values() for skill in skills):
        nodes.append({"uid": skill.replace(" ", "-"), "kind": "Skill", "name": skill})
    for i in range(PEOPLE):
        trade, city = trades[i % len(trades)], int(rng.integers(CITIES))
        about = f"A {trade} who enjoys working as a {trade}"
        nodes.append({"uid": f"person{i}", "kind": "Person", "name": f"Person {i}", "description": about})
        edge(f"person{i}", "LIVES_IN", f"city{city}")
        near = [firm for firm in range(FIRMS) if firm % CITIES == city]
        edge(f"person{i}", "WORKS_FOR", f"firm{near[int(rng.integers(len(near)))]}")
        if rng.random() > HIDDEN:
            edge(f"person{i}", "CITIZEN_OF", f"country{city % COUNTRIES}")
        for skill in SKILLS[trade]:
            if rng.random() > HIDDEN:
                edge(f"person{i}", "HAS_SKILL", skill.replace(" ", "-"))
    return nodes, edges


def empty(driver: neo4j.Driver) -> None:
    """Takes everything out of the graph but the constraints that these tests make again: plans are kept with them."""
    ask(driver, "MATCH (n) DETACH DELETE n")
    for row in ask(driver, "SHOW CONSTRAINTS YIELD name"):
        if row["name"] != "thing_uid" and not row["name"].startswith("relpred_"):
            ask(driver, f"DROP CONSTRAINT `{row['name']}`")


def load(driver: neo4j.Driver, nodes: Rows, edges: Rows) -> None:
    """Writes nodes and edges; every node is a Thing with a unique uid."""
    ask(driver, "CREATE CONSTRAINT thing_uid IF NOT EXISTS FOR (n:Thing) REQUIRE n.uid IS UNIQUE")
    for kind in sorted({node["kind"] for node in nodes}):
        rows = [{k: v for k, v in node.items() if k != "kind"} for node in nodes if node["kind"] == kind]
        ask(driver, f"UNWIND $rows AS row CREATE (n:Thing:`{kind}`) SET n = row", rows=rows)
    for kind in sorted({edge["type"] for edge in edges}):
        rows = [edge for edge in edges if edge["type"] == kind]
        ask(
            driver,
            "UNWIND $rows AS row MATCH (h:Thing {uid: row.head}) MATCH (t:Thing {uid: row.tail}) "
            f"CREATE (h)-[:`{kind}`]->(t)",
            rows=rows,
        )


def load_films(driver: neo4j.Driver) -> None:
    """Films and who made them, without any constraint and without a key that fits all labels."""
    rng = np.random.default_rng(5)
    films = [{"title": f"Film number {i}", "released": 1960 + i, "tagline": f"Story {i} of love"} for i in range(30)]
    people = [{"name": f"Actor {i}", "born": 1930 + i} for i in range(40)]
    ask(driver, "UNWIND $rows AS row CREATE (m:Film) SET m = row", rows=films)
    ask(driver, "UNWIND $rows AS row CREATE (p:Human) SET p = row", rows=people)
    for kind, each in (("ACTED_IN", 4), ("DIRECTED", 1), ("REVIEWED", 2)):
        rows = [
            {"film": film["title"], "person": people[(number + int(draw)) % len(people)]["name"]}
            for number, film in enumerate(films)
            for draw in rng.choice(8, each, replace=False)
        ]
        ask(
            driver,
            f"UNWIND $rows AS row MATCH (p:Human {{name: row.person}}), (m:Film {{title: row.film}}) "
            f"MERGE (p)-[:{kind}]->(m)",
            rows=rows,
        )


def write_settings(folder: Path, uri: str, port: int = 7475, more: Mapping[str, str] | None = None) -> Path:
    """relpred.toml in the folder; `more` replaces texts in it."""
    folder.mkdir(parents=True, exist_ok=True)
    text = SETTINGS.format(home=json.dumps(str(folder / "relpred")), uri=uri, port=port)
    for old, new in (more or {}).items():
        assert old in text
        text = text.replace(old, new)
    file = folder / "relpred.toml"
    file.write_text(text, encoding="utf-8")
    return file


@dataclass(frozen=True)
class Town:
    """The town in a graph, a trained model of it, and the file of settings."""

    driver: neo4j.Driver
    config: Path

    @property
    def settings(self) -> Settings:
        return load_settings(self.config)

    @property
    def home(self) -> Path:
        return self.settings.home

    def predictor(self) -> RelationPredictor:
        return RelationPredictor.open(self.settings)

    def cli(self, *words: str) -> Outcome:
        return relpred("--config", str(self.config), *words)


_trained: list[Path] = []


def trained_town(driver: neo4j.Driver, uri: str, folder: Path, port: int = 7475) -> Town:
    """The town alone in the graph of the driver, and a home of its own with the one model that the session trains.

    The snapshot is read anew: element ids are not those of the graph that the model was trained on.
    """
    empty(driver)
    load(driver, *town())
    place = Town(driver, write_settings(folder, uri, port))
    if not _trained:
        with place.predictor() as predictor:
            predictor.fit()
        shutil.copytree(place.home, folder.parent / f"{folder.name}-trained")
        _trained.append(folder.parent / f"{folder.name}-trained")
        return place
    shutil.copytree(_trained[0], place.home)
    with Neo4jClient.open(place.settings.graph) as client:
        read_snapshot(client, place.settings.graph).write(place.home / "snapshots" / "000001")
    return place


def predicted(driver: neo4j.Driver) -> dict[str, tuple[Any, ...]]:
    """Key to what a predicted edge says, without the run and the time; a key twice is an error."""
    rows = ask(
        driver,
        "MATCH (h)-[e]->(t) WHERE type(e) STARTS WITH 'PREDICTED_' "
        "RETURN e.key AS key, h.uid AS h, type(e) AS r, t.uid AS t, e.score AS s, e.probability AS p, e.rank AS k, "
        "e.evidence AS v, e.model AS m",
    )
    found = {row.pop("key"): tuple(row.values()) for row in rows}
    assert len(found) == len(rows)
    return found


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def relpred(*words: str) -> Outcome:
    """The command line in this process, from its entry point to its exit code."""
    from neo4j_relpred.cli import main

    code = 0
    with CliRunner().isolation(env={"NO_COLOR": "1"}) as streams, mock.patch.object(sys, "argv", ["relpred", *words]):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1 if end.code else 0
        out, err = (stream.getvalue().decode() for stream in streams[:2])
    return Outcome(code, out, err)


def child_command(*words: str) -> list[str]:
    return [sys.executable, "-m", "neo4j_relpred.cli", *words]


def child_environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


@contextmanager
def child(words: Sequence[str], **environment: str) -> Iterator[subprocess.Popen[str]]:
    """The command line as a process of its own, which does not outlive the block."""
    process = subprocess.Popen(
        child_command(*words),
        env=child_environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def written(driver: neo4j.Driver, home: Path) -> tuple[list[str], int, int]:
    """What a command that failed must not have changed: folders of versions and sets, predicted edges, runs."""
    folders = [*(home / "models").glob("*/*"), *(home / "runs").glob("*")]
    runs = ask(driver, "MATCH (run:RelpredRun) RETURN count(*) AS number")[0]["number"]
    return sorted(str(path.relative_to(home)) for path in folders), len(predicted(driver)), runs
