"""Publications that are killed, cut off, raced and read meanwhile: nothing is lost, doubled, or seen half."""

from __future__ import annotations

import random
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import neo4j
import pytest

from neo4j_relpred.config import PublishingSettings
from neo4j_relpred.data.target_set import TargetSet
from neo4j_relpred.errors import GraphQueryFailed, GraphUnavailable
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.leases import PUBLISH, held
from neo4j_relpred.graph.writer import PublicationPlan, PublicationReport, publish
from tests.reliability.proxy import Proxy, after_commit
from tests.reliability.sets import fill, in_graph, settings, target_set, wanted, writer

pytestmark = pytest.mark.usefixtures("items")


@pytest.fixture
def items(clean_graph: neo4j.Driver) -> None:
    fill(clean_graph)


def publish_here(client: Neo4jClient, uri: str, target: TargetSet, run: str, rows: int = 200) -> PublicationReport:
    publishing = PublishingSettings(batch_rows=rows, shrink_guard=0)
    plan = PublicationPlan(settings(uri), publishing, run, "default")
    with held(client, PUBLISH, seconds=5, patience=20) as fence:
        return publish(client, target, replace(plan, fence=fence))


def test_killed_anywhere_and_replayed_the_graph_holds_exactly_the_set(
    driver: neo4j.Driver, graph_uri: str, tmp_path: Path, faults: int, edges: int
) -> None:
    lot, half = random.Random(1), 0
    for number in range(faults):
        target = target_set(edges, number)
        target.write(tmp_path / str(number), {})
        with writer(graph_uri, tmp_path / str(number), f"killed-{number}") as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "begins\n"
            time.sleep(lot.uniform(0, 0.8 if edges < 10_000 else 6))
            child.send_signal(signal.SIGKILL)
        half += in_graph(driver) != wanted(target)
        with writer(graph_uri, tmp_path / str(number), f"replayed-{number}") as child:
            _, complaint = child.communicate(timeout=300)
        assert child.returncode == 0, complaint
        assert in_graph(driver) == wanted(target)
    assert half > faults / 4  # else the kills came too late to show anything


def test_connections_cut_right_after_a_commit_neither_lose_nor_double_an_edge(
    driver: neo4j.Driver, graph_uri: str, faults: int, edges: int
) -> None:
    lot = random.Random(2)
    place = urlsplit(graph_uri)
    with Proxy(place.hostname or "", place.port or 0) as proxy:
        uri, number = f"bolt://127.0.0.1:{proxy.port}", 0
        while proxy.cuts < faults:
            number += 1
            target = target_set(edges, number)
            proxy.fault = after_commit(lambda: lot.random() < 0.15)
            for attempt in range(20):
                try:
                    with Neo4jClient.open(settings(uri)) as client:
                        publish_here(client, uri, target, f"cut-{number}-{attempt}", rows=max(200, edges // 20))
                    break
                except (GraphUnavailable, GraphQueryFailed):
                    continue
            else:
                pytest.fail("twenty attempts were not enough")
            assert in_graph(driver) == wanted(target)


def test_readers_never_meet_an_empty_answer_nor_two_edges_for_a_triple(
    driver: neo4j.Driver, client: Neo4jClient, graph_uri: str, faults: int, edges: int
) -> None:
    first, second = target_set(edges, 1), target_set(edges, 2)
    publish_here(client, graph_uri, first, "first")
    both = sorted({(e.head, e.relation) for e in first} & {(e.head, e.relation) for e in second})
    ended, wrong, read = threading.Event(), [], [0]

    def reads(seed: int) -> None:
        lot = random.Random(seed)
        while not ended.is_set():
            head, relation = lot.choice(both)
            keys = [
                record["key"]
                for record in driver.execute_query(
                    f"MATCH (:Item {{id: $head}})-[e:PREDICTED_{relation}]->() RETURN e.key AS key", head=head
                ).records
            ]
            read[0] += 1
            if not keys or len(keys) != len(set(keys)):
                wrong.append((head, relation, keys))

    readers = [threading.Thread(target=reads, args=(seed,)) for seed in range(4)]
    for reader in readers:
        reader.start()
    try:
        for number in range(max(4, 30 * faults // 50)):
            publish_here(client, graph_uri, (second, first)[number % 2], f"turn-{number}", rows=500)
    finally:
        ended.set()
        for reader in readers:
            reader.join()
    assert wrong == []
    assert read[0] > 100


def test_of_two_publishers_the_one_that_slept_beyond_its_lease_is_refused(
    driver: neo4j.Driver, client: Neo4jClient, graph_uri: str, tmp_path: Path, edges: int
) -> None:
    theirs, ours = target_set(edges, 3), target_set(edges, 4)
    theirs.write(tmp_path / "theirs", {})
    with writer(graph_uri, tmp_path / "theirs", "asleep") as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begins\n"
        while not in_graph(driver):
            time.sleep(0.02)
        child.send_signal(signal.SIGSTOP)
        publish_here(client, graph_uri, ours, "awake")  # waits until the lease has ended
        assert in_graph(driver) == wanted(ours)
        child.send_signal(signal.SIGCONT)
        _, complaint = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "The lease 'publish' was lost while publishing." in complaint
    assert in_graph(driver) == wanted(ours)
