"""What other queries of the database notice while calls of the procedures fail.

    python -m benchmarks.failing [--callers 8] [--queries 5000] [--no-breaker] [--line 5] [--json FILE]

A service that fails in every way, one after the other: down, refusing (it hangs up), a black hole, one byte a second,
an error 500, cut JSON, an endless body, a redirect. Some callers, who do not wait for each other, call
`relpred.predict.tails.stream` again and again, a tenth of a second after the last call has failed, with a deadline of a
second. Meanwhile somebody asks short queries of another kind, one after the other. The circuit breaker is as it comes;
without it every call meets the service.

quiet_p50_ms, quiet_p99_ms: of those queries while nobody calls. FAILURE_p99_over_quiet: their p99 beside the calls,
over that of as many queries right before and as many right after, without calls. FAILURE_calls: calls that failed
meanwhile, within FAILURE_slowest_s. plain_p99_over_quiet: the same beside calls of something that does not fail and
asks no service: what any query at that pace costs the others; wrong_p99_over_quiet: beside queries that divide by zero,
what any error costs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, LiteralString

import neo4j
import numpy as np
from neo4j.exceptions import Neo4jError

from benchmarks.output import json_option, print_figures, say, write_json
from neo4j_relpred.demo.server import EmbeddedNeo4j, choose_line, find_jar, free_port
from neo4j_relpred.wire import NDJSON, WIRE, WIRE_HEADER

CACHE = Path(__file__).parents[1] / ".build"
NODES = 10_000
CALL: LiteralString = "MATCH (n:Item {id: 1}) CALL relpred.predict.tails.stream(n, 'NEXT') YIELD tail RETURN tail"
CONTROLS: dict[str, LiteralString] = {  # calls that ask no service
    "plain": "MATCH (n:Item {id: 1}) RETURN relpred.version()",
    "wrong": "MATCH (n:Item {id: 1}) RETURN 1 / (n.id - 1)",
}
OTHER: LiteralString = "MATCH (n:Item {id: $id})-[:NEXT*1..3]->(m) RETURN count(m)"
PAUSE = 0.1  # seconds of a caller between two calls
HEAD = f"HTTP/1.1 200 OK\r\nContent-Type: {NDJSON}\r\n{WIRE_HEADER}: {WIRE}\r\n".encode()

Failure = Callable[[socket.socket], None]


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failing", description="Queries beside failing calls.")
    parser.add_argument("--callers", type=int, default=8, help="at a time (default: 8)")
    parser.add_argument("--queries", type=int, default=5_000, help="of another kind, beside each failure")
    parser.add_argument("--no-breaker", action="store_true", help="every call meets the service")
    parser.add_argument("--line", choices=["5", "2026"], help="server line (default: what the JDK at hand runs)")
    json_option(parser)
    options = parser.parse_args(words)
    figures = measure(options)
    print_figures(figures)
    write_json(figures, options.json)


def measure(options: argparse.Namespace) -> dict[str, float]:
    """The figures."""
    jar = find_jar()
    if jar is None:
        raise SystemExit("The procedure jar is not built: `make build`.")
    with tempfile.TemporaryDirectory(prefix="relpred-failing-") as place:
        conf = Path(place) / "neo4j" / "conf" / "relpred.conf"
        conf.parent.mkdir(parents=True)
        with (
            EmbeddedNeo4j(choose_line(options.line), home=Path(place) / "neo4j", cache=CACHE, plugins=[jar]) as server,
            neo4j.GraphDatabase.driver(server.bolt_uri, notifications_min_severity="OFF") as driver,
        ):
            driver.execute_query("CREATE CONSTRAINT FOR (n:Item) REQUIRE n.id IS UNIQUE")
            driver.execute_query(
                "UNWIND range(1, $n) AS id CREATE (:Item {id: id}) WITH count(*) AS made UNWIND range(1, $n) AS id "
                "MATCH (a:Item {id: id}), (b:Item {id: 1 + (id * 7) % $n}) CREATE (a)-[:NEXT]->(b)",
                n=NODES,
            )
            _asked(driver, options.queries)  # warm
            return _beside(driver, server.bolt_uri, conf, options)


def _beside(driver: neo4j.Driver, uri: str, conf: Path, options: argparse.Namespace) -> dict[str, float]:
    figures, quiet = dict[str, float](), list[float]()
    for name in (*CONTROLS, *FAILURES):
        port = free_port()  # the breaker of each service is its own
        breaker = "service.breaker_failures=0\n" if options.no_breaker else ""
        address = f"service.address=http://127.0.0.1:{port}\n"
        conf.write_text(f"{address}service.deadline_ms=1000\n{breaker}", encoding="utf-8")
        before = _asked(driver, options.queries)
        with _calling(uri, port, name, options.callers) as calls:
            beside = _asked(driver, options.queries)
        around = before + _asked(driver, options.queries)
        quiet += around
        figures[f"{name}_p99_over_quiet"] = float(np.percentile(beside, 99) / np.percentile(around, 99))
        if name in FAILURES:
            failed = [seconds for seconds, error in calls if error]
            assert len(failed) == len(calls), "a call did not fail"
            figures |= {f"{name}_calls": float(len(failed)), f"{name}_slowest_s": max(failed)}
        say(f"{name}: {len(calls)} calls")
    p50, p99 = np.percentile(quiet, [50, 99]) * 1_000
    return {"quiet_p50_ms": float(p50), "quiet_p99_ms": float(p99)} | figures


def _asked(driver: neo4j.Driver, queries: int) -> list[float]:
    """Seconds of so many queries."""
    found = []
    with driver.session() as session:
        for number in range(queries):
            started = time.perf_counter()
            session.run(OTHER, id=1 + number * 31 % NODES).consume()
            found.append(time.perf_counter() - started)
    return found


@contextmanager
def _calling(uri: str, port: int, name: str, callers: int) -> Iterator[list[tuple[float, str]]]:
    """Callers and a failing service at work, in a process of their own; seconds and error of each call, at the end."""
    apart = multiprocessing.get_context("spawn")
    calls, over, told = list[tuple[float, str]](), apart.Event(), apart.SimpleQueue()
    process = apart.Process(target=_called, args=(uri, port, name, callers, over, told))
    process.start()
    told.get()  # that they have begun
    time.sleep(1)
    try:
        yield calls
    finally:
        over.set()
        calls += told.get()
        process.join()


def _called(uri: str, port: int, name: str, callers: int, over: Any, told: Any) -> None:
    calls = list[tuple[float, str]]()

    def call(number: int) -> None:
        with driver.session() as session:
            over.wait(number * PAUSE / callers)
            while not over.is_set():
                started, error = time.perf_counter(), ""
                try:
                    session.run(CONTROLS.get(name, CALL)).consume()
                except Neo4jError as raised:
                    error = (raised.message or "")[:160]
                calls.append((time.perf_counter() - started, error))
                over.wait(PAUSE)

    with (
        _failing(port, FAILURES.get(name)),
        neo4j.GraphDatabase.driver(uri, notifications_min_severity="OFF") as driver,
    ):
        threads = [threading.Thread(target=call, args=(number,)) for number in range(callers)]
        for thread in threads:
            thread.start()
        told.put("begun")
        for thread in threads:
            thread.join()
    told.put(calls)


@contextmanager
def _failing(port: int, failure: Failure | None) -> Iterator[None]:
    """A service that fails like this; None for one that is down."""
    if failure is None:
        yield
        return
    listener = socket.create_server(("127.0.0.1", port))

    def accept() -> None:
        with suppress(OSError):  # until it is closed
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):  # until the caller hangs up
            connection.recv(65_536)
            failure(connection)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _silent(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


def _slow(connection: socket.socket) -> None:
    for byte in HEAD + b"Content-Length: 9\r\n\r\n":
        connection.sendall(bytes([byte]))
        time.sleep(1)


def _endless(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Connection: close\r\n\r\n")
    while True:
        connection.sendall(b"[" * 65_536)


FAILURES: dict[str, Failure | None] = {
    "down": None,
    "refusing": lambda connection: None,
    "black_hole": _silent,
    "slow": _slow,
    "error_500": lambda connection: connection.sendall(b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n"),
    "cut_json": lambda connection: connection.sendall(HEAD + b'Content-Length: 6\r\n\r\n{"head'),
    "endless": _endless,
    "redirect": lambda connection: connection.sendall(
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2/\r\nContent-Length: 0\r\n\r\n"
    ),
}


if __name__ == "__main__":
    main()
