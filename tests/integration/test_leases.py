"""Leases: one holder at a time, whose former holder can write nothing more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import neo4j
import pytest

from neo4j_relpred.errors import Busy, LeaseNotFound, PublicationStopped
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.leases import Fence, break_lease, held, list_leases, write_fenced
from tests.integration.graphs import ask

pytestmark = pytest.mark.usefixtures("clean_graph")


def lease(client: Neo4jClient, seconds: float = 30, patience: float = 0) -> Any:
    return held(client, "publish", seconds=seconds, patience=patience)


def test_a_lease_is_held_by_one_and_free_afterwards(client: Neo4jClient) -> None:
    with lease(client) as first:
        (seen,) = list_leases(client)
        assert seen.held
        assert f":{os.getpid()}:" in seen.owner
        with pytest.raises(Busy, match="is publishing into this database") as refused, lease(client):
            pass
        assert "relpred admin lease break publish" in refused.value.hint
    assert not list_leases(client)[0].held
    with lease(client) as second:
        assert second.number == first.number + 1


def test_who_waits_gets_the_lease_when_it_is_free(client: Neo4jClient) -> None:
    began, taken = threading.Event(), threading.Event()

    def hold() -> None:
        with lease(client):
            began.set()
            time.sleep(1)
            assert not taken.is_set()

    thread = threading.Thread(target=hold)
    thread.start()
    began.wait()
    with lease(client, patience=20):
        taken.set()
        thread.join()


def test_a_lease_is_renewed_for_as_long_as_it_is_held(client: Neo4jClient) -> None:
    with lease(client, seconds=3):
        time.sleep(4.5)
        with pytest.raises(Busy), lease(client):
            pass


def test_of_many_who_want_it_at_once_one_gets_it(client: Neo4jClient) -> None:
    together, others, got, refused = threading.Barrier(8), threading.Event(), [], []

    def want() -> None:
        together.wait()
        try:
            with lease(client) as fence:
                got.append(fence.number)
                others.wait(60)
        except Busy:
            refused.append(1)
            if len(refused) == 7:
                others.set()

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 7)


def test_a_former_holder_can_write_nothing(driver: neo4j.Driver, client: Neo4jClient) -> None:
    with lease(client, seconds=60) as fence:
        was = break_lease(client, "publish")
        assert was.held
        with pytest.raises(PublicationStopped, match="lease 'publish' was lost"):
            write_fenced(client, fence, "CREATE (n:Late) RETURN $fence AS fence")
        with lease(client) as mine:
            assert mine.number > fence.number
            write_fenced(client, mine, "CREATE (n:Early) RETURN $fence AS fence")
    assert ask(driver, "MATCH (n:Late) RETURN n") == []
    assert len(ask(driver, "MATCH (n:Early) RETURN n")) == 1


def test_a_lease_that_was_purged_begins_with_a_higher_number(driver: neo4j.Driver, client: Neo4jClient) -> None:
    with lease(client) as before:
        ask(driver, "MATCH (l:RelpredLease) DELETE l")
        with lease(client) as after:
            assert after.number > before.number
            with pytest.raises(PublicationStopped):
                write_fenced(client, before, "RETURN $fence AS fence")


def test_what_is_no_lease_cannot_be_broken(client: Neo4jClient) -> None:
    with pytest.raises(LeaseNotFound, match="Nothing was published here yet"):
        break_lease(client, "publish")
    with lease(client):
        pass
    with pytest.raises(LeaseNotFound, match="Did you mean publish"):
        break_lease(client, "publisch")


def test_a_fence_without_a_lease_writes_nothing(client: Neo4jClient) -> None:
    with pytest.raises(PublicationStopped):
        write_fenced(client, Fence("nobody", 1), "RETURN $fence AS fence")


HOLDER = """
import sys, time
from neo4j_relpred.config import GraphSettings
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.leases import held, write_fenced

with Neo4jClient.open(GraphSettings(uri=sys.argv[1])) as client:
    with held(client, "publish", seconds=1, patience=0) as fence:
        print("held", flush=True)
        for number in range(1000):
            write_fenced(client, fence, "CREATE (n:By {who: 'first'}) RETURN $fence AS fence")
            print("between", flush=True)
            time.sleep(0.5)
"""


def test_a_holder_that_slept_beyond_its_lease_is_refused_by_the_fence(
    driver: neo4j.Driver, client: Neo4jClient, server: Any
) -> None:
    here = str(Path(__file__).parents[2])
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, server.bolt_uri],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": here},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    assert child.stdout.readline() == "between\n"  # in a transaction, the server would end it first
    child.send_signal(signal.SIGSTOP)
    try:
        with lease(client, patience=30):
            seen = len(ask(driver, "MATCH (n:By) RETURN n"))
            child.send_signal(signal.SIGCONT)
            _, complaint = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 1
    assert "PublicationStopped: The lease 'publish' was lost while publishing." in complaint
    assert len(ask(driver, "MATCH (n:By) RETURN n")) == seen
