"""How long an answer takes in Cypher: driver -> server -> jar -> service -> rows, all on one machine.

    python -m benchmarks.serving FOLDER [--minutes 2] [--seconds 60] [--keep FOLDER] [--workers 1] [--line 5]
        [--json FILE]

FOLDER holds a graph as tables (see benchmarks.graphs, `triples`). It is loaded into an embedded server and trained on
for so many minutes; --keep names a folder for both, so that another run need not do so again. A call asks for the best
10 tails of one node, as a query of its own:

    MATCH (n:Label {id: $id}) CALL relpred.predict.tails.stream(n, $type, {topK: 10}) YIELD tail RETURN tail.id

The empty handler is a service that answers every question with the same ten rows: what remains is Bolt, Cypher, the jar
and HTTP. The figures of both are taken in turns.

p50_ms, p99_ms, empty_p50_ms, empty_p99_ms: of single calls, one after the other, warm.
batch_ratio: nodes a second of one call with 1,000 nodes over those of single calls.
callers_N_per_second, callers_N_p50_ms, callers_N_p99_ms: of N callers at a time (1, 8, 32), each for --seconds.
callers_32_p99_over_p50: of the accepted. refused: calls that were told to come again (429). errors: all others.
service_mb_before, service_mb_after: memory of the service and its workers before and after the callers; what several
processes share counts once.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, LiteralString

import neo4j
import numpy as np
from neo4j.exceptions import Neo4jError

from benchmarks.graphs import load
from benchmarks.output import json_option, print_figures, say, write_json
from neo4j_relpred.api import RelationPredictor
from neo4j_relpred.config import load_settings
from neo4j_relpred.demo.server import EmbeddedNeo4j, choose_line, find_jar, free_port
from neo4j_relpred.demo.service import served
from neo4j_relpred.wire import NDJSON, WIRE, WIRE_HEADER

CACHE = Path(__file__).parents[1] / ".build"
CALL: LiteralString = (
    "MATCH (n) WHERE elementId(n) = $node CALL relpred.predict.tails.stream(n, $type, {topK: 10}) YIELD tail "
    "RETURN tail.id"
)
MANY: LiteralString = (
    "UNWIND $nodes AS node MATCH (n) WHERE elementId(n) = node WITH collect(n) AS nodes "
    "CALL relpred.predict.tails.stream(nodes, $type, {topK: 10}) YIELD tail RETURN count(tail)"
)
WARM, CALLS, BATCH, ROUNDS = 300, 1_000, 1_000, 3
CALLERS = 1, 8, 32
REFUSED = "overloaded"


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description="How long an answer takes.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a graph as tables")
    parser.add_argument("--minutes", type=float, default=2, help="of training (default: 2)")
    parser.add_argument("--seconds", type=float, default=60, help="of each number of callers (default: 60)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where graph and model are kept for another run")
    parser.add_argument("--workers", type=int, default=1, help="processes of the service that answer (default: 1)")
    parser.add_argument("--line", choices=["5", "2026"], help="server line (default: what the JDK at hand runs)")
    json_option(parser)
    options = parser.parse_args(words)
    with ExitStack() as stack:
        kept = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="relpred-serving-")))
        figures = measure(options, kept.resolve(), stack)
    print_figures(figures)
    write_json(figures, options.json)


def measure(options: argparse.Namespace, kept: Path, stack: ExitStack) -> dict[str, float]:
    """The figures."""
    jar = find_jar()
    if jar is None:
        raise SystemExit("The procedure jar is not built: `make build`.")
    port, empty_port = free_port(), free_port()
    conf = kept / "neo4j" / "conf" / "relpred.conf"
    conf.parent.mkdir(parents=True, exist_ok=True)
    ask_at(conf, port)
    server = EmbeddedNeo4j(choose_line(options.line), home=kept / "neo4j", cache=CACHE, plugins=[jar])
    stack.enter_context(server)
    driver = stack.enter_context(neo4j.GraphDatabase.driver(server.bolt_uri, notifications_min_severity="OFF"))
    service = f"port = {port}\nworkers = {options.workers}"
    settings = prepared(driver, server.bolt_uri, options.folder, options.minutes, kept, service)
    stack.enter_context(served(settings, port))
    asked = questions(driver)
    stack.enter_context(empty_handler(empty_port, [node for _, node in asked[:10]]))
    figures = one_by_one(driver, asked, conf, port, empty_port)
    ask_at(conf, port)
    figures["batch_ratio"] = in_one_call(driver, asked) * figures["mean_ms"] / 1_000
    process = _process(re.compile(rf"neo4j_relpred\.cli.*{re.escape(str(settings))}"))
    figures["service_mb_before"] = _memory_mb(process)
    refused = errors = 0
    for callers in CALLERS:
        found = together(server.bolt_uri, asked, callers, options.seconds)
        refused, errors = refused + found.refused, errors + len(found.errors)
        for text in sorted(set(found.errors))[:3]:
            say(text)
        figures |= {
            f"callers_{callers}_per_second": len(found.seconds) / options.seconds,
            f"callers_{callers}_p50_ms": _at(found.seconds, 50),
            f"callers_{callers}_p99_ms": _at(found.seconds, 99),
        }
    figures["service_mb_after"] = _memory_mb(process)
    figures["callers_32_p99_over_p50"] = figures["callers_32_p99_ms"] / figures["callers_32_p50_ms"]
    return figures | {"refused": float(refused), "errors": float(errors)}


def prepared(driver: neo4j.Driver, uri: str, folder: Path, minutes: float, kept: Path, service: str) -> Path:
    """The settings file of a graph that is loaded and trained on, now or in an earlier run."""
    settings, home = kept / "relpred.toml", kept / "relpred"
    if not driver.execute_query("MATCH (n) RETURN n LIMIT 1").records:
        nodes, edges = load(driver, "triples", folder)
        say(f"{nodes:,} nodes, {edges:,} relationships")
    labels = [row[0] for row in driver.execute_query("CALL db.labels()").records if not row[0].startswith("Relpred")]
    keys = ", ".join(f"{json.dumps(label)} = 'id'" for label in labels)
    settings.write_text(
        f"home = {json.dumps(str(home))}\n[graph]\nuri = {json.dumps(uri)}\n"
        f"keys = {{ {keys} }}\n"
        f'texts = ["text"]\n[training]\nminutes = {minutes}\n[service]\n{service}\n',
        encoding="utf-8",
    )
    with RelationPredictor.open(load_settings(settings)) as predictor:
        if not predictor.models():
            say(f"Training for {minutes:g} minutes ...")
            predictor.fit()
    return settings


def questions(driver: neo4j.Driver) -> list[tuple[str, str]]:
    """Types and nodes that have an edge of the type, by chance."""
    rows = driver.execute_query(
        "MATCH (n)-[e]->() WHERE NOT type(e) STARTS WITH 'PREDICTED_' AND NONE(l IN labels(n) WHERE l STARTS WITH "
        "'Relpred') RETURN DISTINCT type(e) AS type, elementId(n) AS node"
    ).records
    found = [(row["type"], row["node"]) for row in rows]
    random.Random(0).shuffle(found)
    return found


def one_by_one(
    driver: neo4j.Driver, asked: Sequence[tuple[str, str]], conf: Path, port: int, empty: int
) -> dict[str, float]:
    """Milliseconds of single calls, to the service and to the empty handler in turns."""
    seconds: dict[int, list[float]] = {port: [], empty: []}
    with driver.session() as session:
        for turn in range(1 + ROUNDS):
            for where, taken in seconds.items():
                ask_at(conf, where)
                if turn == 0:
                    for question in asked[:WARM]:
                        _call(session, question)
                    continue
                for question in asked[turn * CALLS : (turn + 1) * CALLS]:
                    started = time.perf_counter()
                    _call(session, question)
                    taken.append(time.perf_counter() - started)
    ours, nothing = seconds[port], seconds[empty]
    return {
        "p50_ms": _at(ours, 50),
        "p99_ms": _at(ours, 99),
        "mean_ms": 1_000 * sum(ours) / len(ours),
        "empty_p50_ms": _at(nothing, 50),
        "empty_p99_ms": _at(nothing, 99),
    }


def in_one_call(driver: neo4j.Driver, asked: Sequence[tuple[str, str]]) -> float:
    """Nodes a second where 1,000 are asked about in one call; the best of a few."""
    kind = max({kind for kind, _ in asked}, key=[kind for kind, _ in asked].count)
    nodes = [node for one, node in asked if one == kind][: BATCH * ROUNDS]
    best = 0.0
    for first in range(0, len(nodes) - BATCH + 1, BATCH):
        started = time.perf_counter()
        driver.execute_query(MANY, nodes=nodes[first : first + BATCH], type=kind)
        best = max(best, BATCH / (time.perf_counter() - started))
    return best


@dataclass
class Answers:
    """What some callers saw. Seconds are those of accepted calls."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    errors: list[str] = field(default_factory=list)


def together(uri: str, asked: Sequence[tuple[str, str]], callers: int, seconds: float) -> Answers:
    """So many callers, each with the next question as soon as it has an answer."""
    found = Answers()
    until = time.monotonic() + seconds

    def call(number: int) -> None:
        lots = random.Random(number)
        with driver.session() as session:
            while time.monotonic() < until:
                started = time.perf_counter()
                try:
                    _call(session, lots.choice(asked))
                    found.seconds.append(time.perf_counter() - started)
                except Neo4jError as error:
                    if REFUSED in (error.message or ""):
                        found.refused += 1
                    else:
                        found.errors.append((error.message or "")[:300])

    with neo4j.GraphDatabase.driver(uri, notifications_min_severity="OFF") as driver:
        threads = [threading.Thread(target=call, args=(number,)) for number in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return found


def ask_at(conf: Path, port: int) -> None:
    """Where the procedures look for the service from the next call on."""
    conf.write_text(f"service.address=http://127.0.0.1:{port}\n", encoding="utf-8")


@contextmanager
def empty_handler(port: int, nodes: Sequence[str]) -> Iterator[None]:
    """A service that gives the same rows to every question."""
    about = {"relation": "R", "score": 1.0, "probability": 0.5, "model": "m@1", "run": None, "evidence": "none"}
    rows = [
        {"head": {"element_id": node, "id": "h"}, "tail": {"element_id": node, "id": "t"}, "rank": rank, **about}
        for rank, node in enumerate(nodes, start=1)
    ]
    body = "".join(json.dumps(row) + "\n" for row in rows).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            for name, value in ((WIRE_HEADER, WIRE), ("Content-Type", NDJSON), ("Content-Length", len(body))):
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _call(session: neo4j.Session, question: tuple[str, str]) -> Any:
    kind, node = question
    return session.run(CALL, node=node, type=kind).values()


def _at(seconds: Sequence[float], percent: float) -> float:
    """A percentile, in milliseconds."""
    return float(np.percentile(seconds, percent)) * 1_000 if seconds else float("nan")


def _process(command: re.Pattern[str]) -> int:
    """The process of a command line."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and command.search((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()):
            return int(folder.name)
    raise RuntimeError("The service is not there any more.")


def _memory_mb(process: int) -> float:
    """Of a process and those that it started."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    started = [int(pid) for task in tasks for pid in task.read_text().split()]
    texts = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in (process, *started))
    return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("Pss:")) / 1024


if __name__ == "__main__":
    main()
