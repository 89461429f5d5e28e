"""The daemon on a real server: what changed in the graph changes what is predicted."""

from __future__ import annotations

import logging
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import neo4j
import pytest

from neo4j_relpred.api import RelationPredictor
from neo4j_relpred.daemon import run_daemon
from neo4j_relpred.data.daemon_state import DaemonState, problem_of, read_state
from neo4j_relpred.demo.server import EmbeddedNeo4j
from tests.integration.graphs import Town, ask, child, load, predicted, town, trained_town, write_settings

log = logging.getLogger(__name__)
pytestmark = pytest.mark.usefixtures("on_line_2026")
NO_ENCODER = '[text]\nencoder = ""'


@pytest.fixture
def place(server: EmbeddedNeo4j, driver: neo4j.Driver, tmp_path: Path) -> Town:
    return trained_town(driver, server.bolt_uri, tmp_path / "town")


def sync(place: Town) -> DaemonState:
    settings = place.settings
    run_daemon(settings, lambda: RelationPredictor.open(settings), once=True)
    state = read_state(settings.home)
    assert state is not None
    assert (state.state, state.error_code) == ("stopped", None)
    return state


def about(place: Town, uid: str) -> set[tuple[str, str, str]]:
    return {row[:3] for row in predicted(place.driver).values() if uid in (row[0], row[2])}


def test_without_a_model_the_first_sync_trains_one(
    server: EmbeddedNeo4j, clean_graph: neo4j.Driver, tmp_path: Path
) -> None:
    load(clean_graph, *town())
    place = Town(clean_graph, write_settings(tmp_path / "new", server.bolt_uri))
    done = sync(place)
    assert (done.live, done.training_result) == ("default@1", "default@1 is live")
    assert done.created == len(predicted(clean_graph)) > 0


def test_what_changed_in_the_graph_changes_what_is_predicted(place: Town) -> None:
    first = sync(place)
    assert (first.changed_nodes, first.changed_edges) == (0, 0)
    assert first.created == len(predicted(place.driver))
    calm = sync(place)
    assert (calm.created, calm.updated, calm.removed) == (0, 0, 0)
    people = "MATCH (n:Person)-[:PREDICTED_CITIZEN_OF]->() RETURN n.uid AS uid ORDER BY uid LIMIT 1"
    goes = ask(place.driver, people)[0]["uid"]
    with place.predictor() as predictor:
        held = predictor.text_cache.by_encoder()
    (lost,) = ask(
        place.driver,
        "MATCH (n:Person {uid: $uid}) WITH n, COUNT { (n)-[r]-() WHERE NOT type(r) STARTS WITH 'PREDICTED_' } AS edges "
        "DETACH DELETE n RETURN edges",
        uid=goes,
    )
    ask(
        place.driver,
        "MATCH (c:City {uid: 'city2'}) CREATE (:Thing:Person {uid: 'comes', name: 'Newcomer', "
        "description: 'A sailor who enjoys working as a sailor'})-[:LIVES_IN]->(c)",
    )
    changed = sync(place)
    assert changed.changed_nodes == 2
    assert changed.changed_edges == lost["edges"] + 1
    assert changed.encoded_texts == 1
    assert about(place, goes) == set()
    assert ("comes", "PREDICTED_CITIZEN_OF", "country2") in about(place, "comes")
    with place.predictor() as predictor:  # one text came, and that of the deleted node went
        assert predictor.text_cache.by_encoder() == held


def test_a_changed_description_is_the_only_text_that_is_encoded(place: Town) -> None:
    sync(place)
    before = predicted(place.driver)
    ask(place.driver, "MATCH (n:Person {uid: 'person7'}) SET n.description = 'A farmer who enjoys farming'")
    done = sync(place)
    assert (done.changed_nodes, done.changed_edges, done.encoded_texts) == (1, 0, 1)
    after = predicted(place.driver)
    near = {"person7", *_neighbours(place, "person7")}
    far = {key for key, row in {**before, **after}.items() if not near & {row[0], row[2]}}
    assert len({key for key in far if before.get(key) != after.get(key)}) <= 0.2 * len(far)


def _neighbours(place: Town, uid: str) -> set[str]:
    rows = ask(place.driver, "MATCH (:Thing {uid: $uid})--(n) RETURN DISTINCT n.uid AS uid", uid=uid)
    return {row["uid"] for row in rows}


def test_a_node_that_was_deleted_and_made_again_is_found_again(place: Town) -> None:
    sync(place)
    uid, _ = Counter(row[0] for row in predicted(place.driver).values()).most_common()[-1]
    (node,) = ask(
        place.driver,
        "MATCH (n:Thing {uid: $uid}) OPTIONAL MATCH (n)-[r]-() WHERE NOT type(r) STARTS WITH 'PREDICTED_' "
        "RETURN properties(n) AS values, [l IN labels(n) WHERE l <> 'Thing'][0] AS kind, "
        "collect({head: startNode(r).uid, type: type(r), tail: endNode(r).uid}) AS edges",
        uid=uid,
    )
    before = about(place, uid)
    assert before
    ask(place.driver, "MATCH (n:Thing {uid: $uid}) DETACH DELETE n", uid=uid)
    sync(place)
    assert about(place, uid) == set()
    load(place.driver, [{**node["values"], "kind": node["kind"]}], node["edges"])
    sync(place)
    after = about(place, uid)
    assert {row for row in after if row[0] == uid} == {row for row in before if row[0] == uid}
    assert after <= before  # of nodes that did not change, those are asked whom it suits best


def test_a_refresh_goes_on_from_the_live_version_and_also_when_its_shape_was_changed(place: Town) -> None:
    place.config.write_text(place.config.read_text().replace("max_epochs = 30", "max_epochs = 3"))
    with place.predictor() as predictor:
        predictor.fit(go_on=True)
        assert [version.version for version in predictor.models()] == [1, 2]
        assert predictor.begun() is None
    text = place.config.read_text()
    changes = {"hidden = 32": "hidden = 48", "structure_rank = 16": "structure_rank = 0", "[text]": NO_ENCODER}
    for old, new in changes.items():
        text = text.replace(old, new)
    place.config.write_text(text)
    with place.predictor() as predictor:
        predictor.fit(go_on=True)
        assert [version.version for version in predictor.models()] == [1, 2, 3]


def test_sigterm_ends_the_daemon_in_good_order(place: Town) -> None:
    with child(["--config", str(place.config), "daemon"]) as daemon:
        deadline = time.monotonic() + 120
        while (state := read_state(place.home)) is None or state.synced_at is None:
            assert daemon.poll() is None, daemon.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert problem_of(place.home) is None
        daemon.send_signal(signal.SIGTERM)
        out, err = daemon.communicate(timeout=60)
        assert (daemon.returncode, out) == (0, ""), err
        assert "Traceback" not in err
    ended = read_state(place.home)
    assert ended is not None
    assert ended.state == "stopped"
    assert predicted(place.driver)


def test_an_error_that_no_retry_can_help_ends_the_daemon_with_its_code(place: Town) -> None:
    place.config.write_text(place.config.read_text().replace("texts = ", 'labels = ["Persn"]\ntexts = '))
    outcome = place.cli("daemon")
    assert outcome.code == 2
    assert "Did you mean Person?" in outcome.err
    state = read_state(place.home)
    assert state is not None
    assert (state.state, state.error_code) == ("stopped", "invalid-settings")


def test_an_emptied_graph_ends_the_daemon_and_leaves_the_model(place: Town) -> None:
    ask(place.driver, "MATCH (n) DETACH DELETE n")
    outcome = place.cli("daemon", "--once")
    assert outcome.code == 4
    assert "has no node" in outcome.err
    assert (place.home / "models" / "default" / "1" / "manifest.json").is_file()


def begun(place: Town, home: Path, **environment: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """A daemon of the town."""
    return child(["--config", str(place.config), "--home", str(home), "daemon"], **environment)


def waited(what: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def state(home: Path) -> str:
    found = read_state(home)
    return found.state if found else ""


def test_who_pauses_the_daemon_pauses_the_next_one_too(place: Town) -> None:
    with begun(place, place.home) as daemon:
        waited(lambda: state(place.home) == "waiting" and bool(predicted(place.driver)))
        shown = place.cli("sync", "status")
        assert shown.code == 0, shown.err
        assert "behind by" in shown.out
        assert place.cli("sync", "pause").code == 0
        waited(lambda: state(place.home) == "paused")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(60) == 0
    ask(place.driver, "MATCH ()-[e:PREDICTED_HAS_SKILL]->() DELETE e")
    with begun(place, place.home) as daemon:
        waited(lambda: state(place.home) == "paused")
        assert place.cli("sync", "trigger").code == 0
        (asked,) = ask(place.driver, "MATCH (d:RelpredDaemon) RETURN d.asked AS asked, d.pausedBy AS by")
        assert (asked["asked"], "@" in asked["by"]) == (["sync"], True)
        assert place.cli("sync", "resume").code == 0
        waited(lambda: state(place.home) == "waiting" and "PREDICTED_HAS_SKILL" in _types(place))
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(60) == 0
    status = place.cli("sync", "status", "--json")
    assert (status.json["state"], status.json["problem"]) == ("stopped", "The daemon has stopped.")
    shutil.rmtree(place.home)
    assert place.cli("sync", "status", "--json").json["synced_at"]  # of the node in the graph


def _types(place: Town) -> set[str]:
    return {row[1] for row in predicted(place.driver).values()}


def test_another_daemon_takes_over_from_one_that_no_longer_moves(place: Town, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(place.home, other)
    short = {"RELPRED_DAEMON__LEASE_SECONDS": "2"}
    with begun(place, place.home, **short) as first, begun(place, other, **short) as second:
        waited(lambda: {state(place.home), state(other)} == {"waiting", "standing by"})
        first_leads = state(other) == "standing by"
        leads, stands_by, home = (first, second, other) if first_leads else (second, first, place.home)
        leads.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        waited(lambda: state(home) in ("waiting", "syncing"))
        log.info("taken over after %.1f s of terms of 2 s", time.monotonic() - began)
        leads.send_signal(signal.SIGCONT)
        waited(lambda: {state(place.home), state(other)} == {"waiting", "standing by"})
        assert state(home) == "waiting"
        (lease,) = ask(place.driver, "MATCH (l:RelpredLease {name: 'daemon-default'}) RETURN l.owner AS owner")
        assert f":{stands_by.pid}:" in lease["owner"]
        for daemon in (leads, stands_by):
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(60) == 0
    assert {row[1] for row in predicted(place.driver).values()}
