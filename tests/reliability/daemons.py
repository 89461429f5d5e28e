"""Daemons as processes that tests kill, stop and watch, and a town that changes under them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import neo4j

from neo4j_relpred.data.daemon_state import DaemonState, read_state
from tests.integration.graphs import Town, ask, child_environment

__all__ = ["change", "daemon", "marked", "state_of", "waited"]

MARK = "RELPRED_TEST_MARK"
TRADES = ("sailor", "farmer", "baker")


@contextmanager
def daemon(
    place: Town, mark: str = "", *, script: str = "", log: Path | None = None, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """`relpred daemon` with short pauses, which does not outlive the block; `script` runs in its process before."""
    code = f"{script}\nfrom neo4j_relpred.cli import main\nimport sys\nsys.argv[0] = 'relpred'\nmain()"
    short = {
        "RELPRED_DAEMON__INTERVAL_MINUTES": "0.02",
        "RELPRED_DAEMON__LEASE_SECONDS": "2",
        "RELPRED_PUBLISHING__LEASE_SECONDS": "2",
        MARK: mark,
    }
    with open(log or os.devnull, "a", encoding="utf-8") as sink:
        process = subprocess.Popen(
            [sys.executable, "-c", code, "--verbose", "--config", str(place.config), "daemon"],
            env=child_environment(**{**short, **environment}),
            stdout=sink,
            stderr=sink,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def marked(mark: str) -> set[int]:
    """The processes that carry a mark in their environment: a daemon, and what it started."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={mark}".encode() in path.read_bytes():
                found.add(int(path.parent.name))
        except OSError:  # it ended meanwhile
            continue
    return found


def waited(what: Callable[[], bool], why: str, seconds: float = 120) -> float:
    """Waits until something holds; how long that took. A test that waits in vain says for what."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, why
        time.sleep(0.05)
    return time.monotonic() - began


def state_of(place: Town) -> DaemonState:
    """What the daemon of the town says."""
    state = read_state(place.home)
    assert state is not None
    return state


def change(driver: neo4j.Driver, lot: random.Random, number: int) -> None:
    """Somebody else writes: a person comes, goes, moves, or does something else by now."""
    trade, city = lot.choice(TRADES), f"city{lot.randrange(6)}"
    about = f"A {trade} who enjoys working as a {trade}, for the {number}th time"
    person = f"person{lot.randrange(40)}"
    kind = lot.choice(("comes", "comes", "goes", "moves", "learns"))
    values: dict[str, Any] = {"uid": f"new{number}", "about": about, "city": city, "person": person}
    statements = {
        "comes": "MATCH (c:City {uid: $city}) CREATE (:Thing:Person {uid: $uid, name: 'Newcomer ' + $uid, "
        "description: $about})-[:LIVES_IN]->(c)",
        "goes": "MATCH (p:Person {uid: $person}) DETACH DELETE p",
        "moves": "MATCH (p:Person {uid: $person})-[old:LIVES_IN]->() MATCH (c:City {uid: $city}) DELETE old "
        "CREATE (p)-[:LIVES_IN]->(c)",
        "learns": "MATCH (p:Person {uid: $person}) SET p.description = $about",
    }
    ask(driver, statements[kind], **values)
