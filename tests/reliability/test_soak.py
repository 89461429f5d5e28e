"""A daemon that is left alone while everything around it breaks: it neither swells nor loses nor doubles anything.

RELPRED_TEST_SOAK_MINUTES says for how long, with a fault a minute; without it, each fault comes once.
"""

from __future__ import annotations

import json
import logging
import os
import random
import resource
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import neo4j
import pytest

from neo4j_relpred.data.published import PublishedSets
from neo4j_relpred.demo.server import EmbeddedNeo4j, Line
from tests.integration.conftest import CACHE
from tests.integration.graphs import Town, ask, predicted, trained_town
from tests.reliability.daemons import change, daemon, state_of, waited
from tests.reliability.proxy import Proxy

log = logging.getLogger(__name__)
MINUTES = float(os.environ.get("RELPRED_TEST_SOAK_MINUTES", "0"))
LAG_SECONDS = 60.0  # that a sync and a few tries may take on a busy machine
POISON = "a text that no encoder can take"
# In the daemon's own process: an encoder that fails on one text, and a clock that a signal moves by an hour.
SCRIPT = f"""
import datetime, signal, time
import apscheduler.schedulers.base, apscheduler.triggers.cron, apscheduler.triggers.interval
from neo4j_relpred.text import transformers_encoder

real, moved = datetime.datetime, [0.0]

class Moved(real):
    @classmethod
    def now(cls, tz=None):
        return real.now(tz) + datetime.timedelta(seconds=moved[0])

for module in (apscheduler.schedulers.base, apscheduler.triggers.cron, apscheduler.triggers.interval):
    module.datetime = Moved
true_time = time.time
time.time = lambda: true_time() + moved[0]

def move(*_):
    moved[0] = 3600.0 if not moved[0] else 0.0

signal.signal(signal.SIGUSR1, move)
encode = transformers_encoder.TransformersEncoder.encode

def delicate(self, texts, progress=None):
    if any({POISON!r} in text for text in texts):
        raise RuntimeError("cannot take it")
    return encode(self, texts, progress)

transformers_encoder.TransformersEncoder.encode = delicate
"""


@dataclass
class Soak:
    """What breaks, and what is measured of the daemon meanwhile."""

    place: Town
    server: EmbeddedNeo4j
    proxy: Proxy
    process: subprocess.Popen[str]
    lot: random.Random = field(default_factory=lambda: random.Random(11))
    figures: list[tuple[float, int, int]] = field(default_factory=list)  # resident MB, open files, threads
    recovered: dict[str, list[float]] = field(default_factory=dict)
    number: int = 0

    @property
    def faults(self) -> list[Callable[[], None]]:
        return [self.cut, self.clock_ahead, self.disk_full, self.poison, self.clock_back, self.restart]

    def cut(self) -> None:
        """Every connection between daemon and server, in the midst of whatever they say."""
        self.proxy.cut()

    def disk_full(self) -> None:
        """No file may grow any more, for some seconds."""
        before = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
        self.write()
        time.sleep(4)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, before)

    def poison(self) -> None:
        ask(
            self.place.driver,
            "CREATE (:Thing:Person {uid: $uid, name: 'Poison', description: $text})",
            uid=f"poison{self.number}",
            text=POISON,
        )

    def clock_ahead(self) -> None:
        """By an hour."""
        self.process.send_signal(signal.SIGUSR1)

    def clock_back(self) -> None:
        """By the same hour."""
        self.process.send_signal(signal.SIGUSR1)

    def restart(self) -> None:
        self.server.restart()

    def write(self) -> None:
        self.number += 1
        change(self.place.driver, self.lot, self.number)

    def recover(self, name: str) -> None:
        """Waits until all that is there now has been looked at."""
        self.write()
        began = time.time()

        def up_to_date() -> bool:
            assert self.process.poll() is None, "the daemon ended"
            lag = state_of(self.place).lag_seconds()
            return lag is not None and time.time() - lag > began

        self.recovered.setdefault(name, []).append(waited(up_to_date, f"it recovers from {name}", LAG_SECONDS * 2))
        self.measure()

    def measure(self) -> None:
        proc = Path(f"/proc/{self.process.pid}")
        status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines() if ":" in line)
        resident = int(status["VmRSS"].split()[0]) / 1e3
        self.figures.append((resident, len(list((proc / "fd").iterdir())), int(status["Threads"])))


@pytest.fixture
def own(neo4j_line: Line, tmp_path: Path) -> Iterator[EmbeddedNeo4j]:
    """A server that may be stopped and started again."""
    with EmbeddedNeo4j(neo4j_line, home=tmp_path / "neo4j", cache=CACHE, heap="512m") as running:
        yield running


@pytest.fixture
def place(own: EmbeddedNeo4j, tmp_path: Path) -> Iterator[Town]:
    with neo4j.GraphDatabase.driver(own.bolt_uri, notifications_min_severity="OFF") as driver:
        yield trained_town(driver, own.bolt_uri, tmp_path / "town")


@pytest.mark.usefixtures("on_line_2026")
def test_a_daemon_left_alone_among_faults_neither_swells_nor_loses_nor_doubles(
    place: Town, own: EmbeddedNeo4j, tmp_path: Path
) -> None:
    address = urlsplit(own.bolt_uri)
    with Proxy(address.hostname or "", address.port or 0) as proxy:
        uri = f"bolt://127.0.0.1:{proxy.port}"
        with daemon(place, script=SCRIPT, log=tmp_path / "log", RELPRED_GRAPH__URI=uri) as process:
            waited(lambda: (place.home / "daemon.json").is_file() and state_of(place).synced_at is not None, "it syncs")
            soak = Soak(place, own, proxy, process)
            ends, rounds = time.monotonic() + MINUTES * 60, 0
            while rounds < len(soak.faults) or time.monotonic() < ends:
                fault = soak.faults[rounds % len(soak.faults)]
                fault()
                soak.recover(fault.__name__)
                until = time.monotonic() + (55 if MINUTES else 0)
                while time.monotonic() < until:
                    soak.write()
                    time.sleep(2)
                rounds += 1
            soak.recover("nothing")
            state = state_of(place)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, (tmp_path / "log").read_text()[-2000:]
    told = {name: f"{max(times):.1f} s" for name, times in soak.recovered.items()}
    log.warning("recovered within %s; resident MB, files, threads: %s", json.dumps(told), json.dumps(soak.figures))
    assert state.failing == len(ask(place.driver, "MATCH (f:RelpredFailure) RETURN f.item AS item")) > 0
    assert (tmp_path / "log").read_text().count("Traceback") == 0
    _settled(place)
    if MINUTES >= 10:
        _flat(soak.figures)


def _settled(place: Town) -> None:
    """The graph holds the set that was published last, each edge once."""
    sets = PublishedSets(place.home / "runs", 5)
    run = sets.live("default")
    assert run is not None
    assert {edge.key for edge in sets.read(run)} == predicted(place.driver).keys()


def _flat(figures: list[tuple[float, int, int]]) -> None:
    """The last third against the middle one: what grows at all grows by less than a twentieth."""
    third = len(figures) // 3
    for column, name in enumerate(("resident memory", "open files", "threads")):
        middle = statistics.median(row[column] for row in figures[third : 2 * third])
        last = statistics.median(row[column] for row in figures[2 * third :])
        assert last <= 1.05 * middle, f"{name}: {middle} to {last}"
