"""A daemon that is killed at any moment: the next one ends up where it would have, and nothing stays behind."""

from __future__ import annotations

import os
import random
import signal
import time
from functools import partial
from pathlib import Path

import neo4j
import pytest

from neo4j_relpred.api import RelationPredictor
from neo4j_relpred.daemon import run_daemon
from neo4j_relpred.demo.server import EmbeddedNeo4j
from tests.integration.graphs import Town, ask, predicted, trained_town
from tests.reliability.daemons import change, daemon, marked, state_of, waited

pytestmark = pytest.mark.usefixtures("on_line_5")


@pytest.fixture
def place(server: EmbeddedNeo4j, driver: neo4j.Driver, tmp_path: Path) -> Town:
    return trained_town(driver, server.bolt_uri, tmp_path / "town")


def synced(place: Town) -> dict[str, tuple[object, ...]]:
    """What stands in the graph after a sync that nobody interrupts."""
    settings = place.settings
    run_daemon(settings, lambda: RelationPredictor.open(settings), once=True)
    return predicted(place.driver)


def test_killed_at_any_moment_the_next_one_leaves_what_an_uninterrupted_one_would(
    server: EmbeddedNeo4j, driver: neo4j.Driver, tmp_path: Path, faults: int
) -> None:
    quiet = trained_town(driver, server.bolt_uri, tmp_path / "quiet")
    synced(quiet)
    lot, expected = random.Random(7), []
    for number in range(faults):
        change(driver, lot, number)
        expected.append(synced(quiet))
    place = trained_town(driver, server.bolt_uri, tmp_path / "killed")
    synced(place)
    lot, moments, busy = random.Random(7), random.Random(8), 0
    for number in range(faults):
        change(driver, lot, number)
        mark = f"kill{number}"
        with daemon(place, mark) as process:
            waited(lambda: state_of(place).pid == process.pid, "the daemon starts")
            time.sleep(moments.uniform(0, 6))
            process.send_signal(signal.SIGKILL)
            process.wait()
        busy += predicted(driver) != expected[number]
        waited(partial(_none_left, mark), "no process is left behind", 20)
        waited(lambda: not _held(driver), "leases end by themselves", 20)
        assert synced(place) == expected[number]
    assert busy > 0  # else the kills came too late to show anything


def _none_left(mark: str) -> bool:
    return not marked(mark)


def _held(driver: neo4j.Driver) -> bool:
    (row,) = ask(
        driver,
        "MATCH (l:RelpredLease) WHERE l.owner IS NOT NULL AND l.expiresAt > datetime.realtime() "
        "RETURN count(l) AS held",
    )
    return bool(row["held"])


def test_killed_while_it_trains_the_next_one_goes_on_with_that_training(place: Town, tmp_path: Path) -> None:
    synced(place)
    ask(place.driver, "MATCH (d:RelpredDaemon) SET d.asked = ['retrain']")
    mark, log = "train", tmp_path / "log"
    with daemon(place, mark, log=log) as process:
        waited((place.home / "models" / "default" / "begun.json").is_file, "the training begins")
        assert len(marked(mark)) > 1
        process.send_signal(signal.SIGKILL)
        process.wait()
    waited(lambda: not marked(mark), "the training ends with its daemon", 20)
    with place.predictor() as predictor:
        begun = predictor.begun()
        assert begun is not None
        assert predictor.begun_snapshot() is not None
    with daemon(place, log=log) as process:
        waited(lambda: state_of(place).training_result is not None, "the training ends")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    with place.predictor() as predictor:
        assert predictor.begun() is None
        assert [version.version for version in predictor.models()] == [1, 2]
    assert os.path.getsize(log)
