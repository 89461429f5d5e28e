"""The daemon on a real server: what changed in the graph changes what is predicted."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import neo4j
import pytest
import torch

from neo4j_relpred.api import RelationPredictor
from neo4j_relpred.daemon import run_daemon
from neo4j_relpred.daemon.heartbeat import Heartbeat, problem_of, read_heartbeat
from neo4j_relpred.demo.server import EmbeddedNeo4j
from tests.integration.graphs import Town, ask, child, load, predicted, town, trained_town, write_settings

NO_ENCODER = '[text]\nencoder = ""\n[model]'


@pytest.fixture
def place(server: EmbeddedNeo4j, driver: neo4j.Driver, tmp_path: Path) -> Iterator[Town]:
    yield trained_town(driver, server.bolt_uri, tmp_path / "town")
    torch.set_flush_denormal(False)


def refresh(place: Town) -> Heartbeat:
    settings = place.settings
    run_daemon(settings, lambda: RelationPredictor.open(settings), once=True)
    beat = read_heartbeat(settings.home)
    assert beat is not None
    assert (beat.state, beat.last_error) == ("stopped", None)
    return beat


def about(place: Town, uid: str) -> set[tuple[str, str, str]]:
    return {row[:3] for row in predicted(place.driver).values() if uid in (row[0], row[2])}


def test_without_a_model_the_first_refresh_trains_one(
    server: EmbeddedNeo4j, clean_graph: neo4j.Driver, tmp_path: Path
) -> None:
    load(clean_graph, *town())
    place = Town(clean_graph, write_settings(tmp_path / "new", server.bolt_uri))
    done = refresh(place).last_refresh
    assert done is not None
    assert (done["retrained"], done["model"], done["encoded_texts"] > 0) == (True, "default@1", True)
    assert done["created"] == len(predicted(clean_graph)) > 0
    torch.set_flush_denormal(False)


def test_what_changed_in_the_graph_changes_what_is_predicted(place: Town) -> None:
    first = refresh(place).last_refresh
    assert first is not None
    assert (first["changed_nodes"], first["changed_edges"], first["retrained"]) == (0, 0, False)
    assert first["created"] == len(predicted(place.driver))
    calm = refresh(place).last_refresh
    assert calm is not None
    assert (calm["created"], calm["updated"], calm["removed"]) == (0, 0, 0)
    goes = next(row[0] for row in predicted(place.driver).values() if row[1] == "PREDICTED_CITIZEN_OF")
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
    changed = refresh(place).last_refresh
    assert changed is not None
    assert changed["changed_nodes"] == 2
    assert changed["changed_edges"] == lost["edges"] + 1
    assert changed["encoded_texts"] == 1
    assert about(place, goes) == set()
    assert ("comes", "PREDICTED_CITIZEN_OF", "country2") in about(place, "comes")


def test_a_node_that_was_deleted_and_made_again_is_found_again(place: Town) -> None:
    refresh(place)
    uid, _ = Counter(row[2] for row in predicted(place.driver).values()).most_common()[-1]
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
    refresh(place)
    assert about(place, uid) == set()
    load(place.driver, [{**node["values"], "kind": node["kind"]}], node["edges"])
    refresh(place)
    assert about(place, uid) == before


def test_retraining_goes_on_from_the_live_version_and_also_when_its_shape_was_changed(place: Town) -> None:
    with place.predictor() as predictor:
        report = predictor.refresh(retrain=True)
        assert report.retrained
        assert [version.version for version in predictor.models()] == [1, 2]
    text = place.config.read_text()
    changes = {"hidden = 32": "hidden = 48", "structure_rank = 16": "structure_rank = 0", "[model]": NO_ENCODER}
    for old, new in changes.items():
        text = text.replace(old, new)
    place.config.write_text(text)
    with place.predictor() as predictor:
        predictor.refresh(retrain=True, publish=False)
        assert [version.version for version in predictor.models()] == [1, 2, 3]


def test_sigterm_ends_the_daemon_in_good_order(place: Town) -> None:
    with child(["--config", str(place.config), "daemon"]) as daemon:
        deadline = time.monotonic() + 120
        while (beat := read_heartbeat(place.home)) is None or beat.last_refresh is None:
            assert daemon.poll() is None, daemon.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert problem_of(place.home) is None
        daemon.send_signal(signal.SIGTERM)
        out, err = daemon.communicate(timeout=60)
        assert (daemon.returncode, out) == (0, ""), err
        assert "Traceback" not in err
    ended = read_heartbeat(place.home)
    assert ended is not None
    assert ended.state == "stopped"
    assert predicted(place.driver)


def test_an_error_that_no_retry_can_help_ends_the_daemon_with_its_code(place: Town) -> None:
    place.config.write_text(place.config.read_text().replace("texts = ", 'labels = ["Persn"]\ntexts = '))
    outcome = place.cli("daemon")
    assert outcome.code == 2
    assert "Did you mean Person?" in outcome.err
    beat = read_heartbeat(place.home)
    assert beat is not None
    assert beat.last_error is not None
    assert (beat.state, beat.last_error["code"]) == ("stopped", "invalid-settings")


def test_an_emptied_graph_ends_the_daemon_and_leaves_the_model(place: Town) -> None:
    ask(place.driver, "MATCH (n) DETACH DELETE n")
    outcome = place.cli("daemon", "--once")
    assert outcome.code == 4
    assert "has no node" in outcome.err
    assert (place.home / "models" / "default" / "1" / "manifest.json").is_file()
