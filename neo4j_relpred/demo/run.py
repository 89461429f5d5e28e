"""`relpred demo`: the whole path of data on an embedded Neo4j with the bundled graph, shown step by step."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neo4j import Driver, GraphDatabase

from neo4j_relpred.api import RelationPredictor
from neo4j_relpred.config import load_settings
from neo4j_relpred.demo.codex import BASE_LABEL, KEY, load_codex, write_test_file
from neo4j_relpred.demo.server import EmbeddedNeo4j, choose_line, default_cache, find_jar, free_port
from neo4j_relpred.demo.service import served
from neo4j_relpred.evaluation.report import Report
from neo4j_relpred.graph.writer import PublicationReport

__all__ = ["DemoOptions", "Show", "run_demo"]

DATABASE = "neo4j"
SHOWN = 12
EACH = 2
TRY = (
    "MATCH (h)-[e]->(t) WHERE type(e) STARTS WITH 'PREDICTED_' "
    "RETURN h.name, type(e), t.name, e.probability ORDER BY e.probability DESC LIMIT 25;",
    "MATCH (h:Entity {name: 'Paula Abdul'}) CALL relpred.predict.tails.stream(h, 'OCCUPATION', {topK: 5}) "
    "YIELD tail, probability, evidence RETURN tail.name, probability, evidence;",
    "CREATE (n:Entity:Human {wikidataId: 'me', name: 'Ada Example', description: 'French film actress and singer'});",
    "MATCH (n:Entity {wikidataId: 'me'}) CALL relpred.predict.tails.stream(n, 'LANGUAGES_SPOKEN_WRITTEN_OR_SIGNED') "
    "YIELD tail, probability RETURN tail.name, probability;",
)


@dataclass(frozen=True)
class DemoOptions:
    """stay: True, False, or None for 'on a terminal only'."""

    minutes: float = 4.0
    line: str | None = None
    cache: Path | None = None
    json_file: Path | None = None
    stay: bool | None = None


@dataclass(frozen=True)
class Show:
    """How the demo speaks: a line of text, a table, an evaluation table. The command line gives it its voice."""

    say: Callable[[str], None]
    table: Callable[[str, Sequence[str], Sequence[Sequence[Any]]], None]
    report: Callable[[Report, str], None]


def run_demo(options: DemoOptions, show: Show, progress: Callable[[str, float], None]) -> None:
    """Starts a server, loads the graph, trains, evaluates, publishes, asks; cleans up whatever happens."""
    started = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="relpred-demo-")))
        port = free_port()
        server = stack.enter_context(_server(options, folder, port, show))
        driver = stack.enter_context(GraphDatabase.driver(server.bolt_uri, auth=server.auth))
        nodes, edges = load_codex(driver, DATABASE)
        show.say(f"Loaded CoDEx-S: {nodes} nodes, {edges} relationships. Its test triples stay out of the graph.")
        config = _settings_file(options, server, folder, port)
        predictor = stack.enter_context(RelationPredictor.open(load_settings(config)))
        _, report = predictor.fit(progress=progress)
        show.report(report, "Evaluation on CoDEx-S's test triples")
        publication = predictor.publish(progress)
        show.say(f"Published {publication.created} edges in {publication.seconds:.1f} s (run {publication.run}).")
        _show_predictions(driver, show)
        if find_jar() is not None:
            stack.enter_context(served(config, port))
            _show_procedures(driver, show)
        else:
            show.say("The procedure jar is not built (`make build`), so there is no CALL relpred... in this demo.")
        seconds = time.monotonic() - started
        if options.json_file:
            options.json_file.write_text(json.dumps(_figures(report, publication, seconds), indent=2))
        show.say(f"Done in {seconds:.0f} s.")
        if options.stay if options.stay is not None else sys.stdout.isatty():
            _stay(server, show)


@contextmanager
def _server(options: DemoOptions, folder: Path, port: int, show: Show) -> Iterator[EmbeddedNeo4j]:
    line = choose_line(options.line)
    show.say(f"Starting Neo4j Community {line.version} ...")
    home = folder / "neo4j"
    (home / "conf").mkdir(parents=True)
    (home / "conf" / "relpred.conf").write_text(f"service.address=http://127.0.0.1:{port}\n")
    jar = find_jar()
    cache = options.cache or default_cache()
    with EmbeddedNeo4j(line, home=home, cache=cache, plugins=[jar] if jar else []) as server:
        show.say(f"Neo4j answers at {server.bolt_uri}.")
        yield server


def _settings_file(options: DemoOptions, server: EmbeddedNeo4j, folder: Path, port: int) -> Path:
    """The settings of the demo as a file, so that the service can be started as anyone would start it."""
    test = write_test_file(folder / "test.tsv")
    file = folder / "relpred.toml"
    file.write_text(
        f"""home = {json.dumps(str(folder / "relpred"))}

[graph]
uri = {json.dumps(server.bolt_uri)}
keys = {{ {BASE_LABEL} = "{KEY}" }}
texts = ["description"]

[training]
minutes = {options.minutes}

[evaluation]
test_file = {json.dumps(str(test))}
baseline_minutes = 0.5

[service]
port = {port}
""",
        encoding="utf-8",
    )
    return file


def _show_predictions(driver: Driver, show: Show) -> None:
    query = (
        "MATCH (h)-[e]->(t) WHERE type(e) STARTS WITH 'PREDICTED_' WITH h, e, t ORDER BY e.probability DESC "
        "WITH type(e) AS type, collect({h: h, e: e, t: t})[..$each] AS best UNWIND best AS row "
        "WITH type, row.h AS h, row.e AS e, row.t AS t "
        "RETURN coalesce(h.name, h.wikidataId) AS head, type, coalesce(t.name, t.wikidataId) AS tail, "
        "round(e.probability, 3) AS probability, e.evidence AS evidence ORDER BY e.probability DESC LIMIT $limit"
    )
    found = driver.execute_query(query, limit=SHOWN, each=EACH, database_=DATABASE).records
    rows = [list(record.values()) for record in found]
    show.table(
        f"The most probable new relationships, at most {EACH} of a type",
        ("head", "type", "tail", "probability", "evidence"),
        rows,
    )
    counts = (
        "MATCH ()-[e]->() WHERE type(e) STARTS WITH 'PREDICTED_' "
        "RETURN type(e) AS type, count(*) AS edges, round(avg(e.probability), 3) AS meanProbability "
        "ORDER BY edges DESC LIMIT $limit"
    )
    rows = [list(record.values()) for record in driver.execute_query(counts, limit=SHOWN, database_=DATABASE).records]
    show.say(f"Read back by plain Cypher:\n  {counts}")
    show.table("", ("type", "edges", "mean probability"), rows)


def _show_procedures(driver: Driver, show: Show) -> None:
    calls = (
        "MATCH (h:Entity {name: 'Paula Abdul'}), (t:Entity {wikidataId: 'Q30'}) "
        "CALL relpred.predict.relations.stream(h, t, {topK: 3}) YIELD relation, probability, evidence "
        "RETURN h.name AS head, relation, coalesce(t.name, t.wikidataId) AS tail, "
        "round(probability, 3) AS probability, evidence",
        "MATCH (h:Entity {name: 'Paula Abdul'}) "
        "CALL relpred.predict.tails.stream(h, 'OCCUPATION', {topK: 5}) YIELD relation, tail, probability, evidence "
        "RETURN h.name AS head, relation, coalesce(tail.name, tail.wikidataId) AS tail, "
        "round(probability, 3) AS probability, evidence",
    )
    for call in calls:
        rows = [list(record.values()) for record in driver.execute_query(call, database_=DATABASE).records]
        show.say(call)
        show.table("", ("head", "relation", "tail", "probability", "evidence"), rows)


def _figures(report: Report, publication: PublicationReport, seconds: float) -> dict[str, Any]:
    """The figures under the names that benchmarks use."""
    return {
        "relation_hits_at_1": report.relations.hits_at(1),
        "entity_mrr": report.entities.mrr,
        "ece": report.calibration.ece,
        "ece_entities": report.calibration.entities.ece,
        "ece_relations": report.calibration.relations.ece,
        "edges_published": publication.created,
        "best_baseline_relation_hits_at_1": report.best_baseline("relations")[1].hits_at(1),
        "best_baseline_entity_mrr": report.best_baseline("entities")[1].mrr,
        "training_seconds": report.seconds,
        "seconds": seconds,
    }


def _stay(server: EmbeddedNeo4j, show: Show) -> None:
    """Waits for Ctrl-C."""
    show.say(f"\nNeo4j stays up at {server.bolt_uri} (no login). Try there, for instance with cypher-shell:\n")
    for query in TRY:
        show.say(f"  {query}\n")
    show.say("Ctrl-C ends it.")
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    show.say("Stopping ...")
