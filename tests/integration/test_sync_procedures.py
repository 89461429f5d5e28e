"""The daemon from Cypher: how it is, and a pause; by its node in a real graph, and by a service without a model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from neo4j import Driver
from neo4j.exceptions import ClientError

from neo4j_relpred.api import RelationPredictor
from neo4j_relpred.config import Settings
from neo4j_relpred.data.daemon_state import DaemonState
from neo4j_relpred.demo.server import EmbeddedNeo4j, find_jar
from neo4j_relpred.graph.daemons import Failure
from tests.integration.graphs import ask
from tests.integration.serving import listening

pytestmark = pytest.mark.skipif(find_jar() is None, reason="the procedure jar is not built: mvn -f procedures package")


@pytest.fixture
def desk(clean_graph: Driver, server: EmbeddedNeo4j, service_port: int, tmp_path: Path) -> Iterator[RelationPredictor]:
    graph = {"uri": server.bolt_uri, "keys": {"Item": "id"}, "writer_password": "hunter2"}
    settings = Settings.model_validate({"home": tmp_path / "home", "graph": graph})
    with RelationPredictor.open(settings) as predictor, listening(predictor, service_port):
        yield predictor


def told(desk: RelationPredictor, *failures: Failure, **more: object) -> DaemonState:
    """What a daemon of another machine says of itself."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    state = DaemonState("default", "elsewhere", 7, "waiting", now, now, now, **more)  # type: ignore[arg-type]
    with desk.daemons.leading(5) as fence:
        desk.daemons.say(fence, state)
        desk.daemons.leave_out(fence, failures)
    return state


def test_the_status_follows_what_the_daemon_says(driver: Driver, desk: RelationPredictor) -> None:
    query = "CALL relpred.sync.status() YIELD state, problem, lagSeconds, host"
    (row,) = ask(driver, query)
    assert (row["state"], row["lagSeconds"], row["host"]) == ("absent", None, None)
    assert "relpred daemon" in row["problem"]
    at = "2026-11-29T12:30:00.250+00:00"
    state = told(desk, live="default@2", current_to=at, synced_at=at, created=4, sync_seconds=1.5, next_sync=at)
    (row,) = ask(driver, "CALL relpred.sync.status()")
    assert (row["state"], row["problem"], row["host"], row["model"]) == ("waiting", None, "elsewhere", "default@2")
    assert row["lagSeconds"] > 0
    assert row["syncedAt"].to_native() == row["nextSync"].to_native() == datetime.fromisoformat(at)
    assert row["beatAt"].to_native() == datetime.fromisoformat(state.beat_at)
    assert (row["lastSync"]["created"], row["lastSync"]["sync_seconds"]) == (4, 1.5)
    assert (row["nextRetrain"], row["error"], row["failuresInARow"]) == (None, None, 0)


def test_a_pause_is_an_order_to_the_daemon_until_it_is_taken_back(driver: Driver, desk: RelationPredictor) -> None:
    paused = "YIELD pausedBy RETURN pausedBy"
    assert ask(driver, f"CALL relpred.sync.pause({{by: 'anna'}}) {paused}") == [{"pausedBy": "anna"}]
    assert desk.daemons.orders().paused_by == "anna"
    assert ask(driver, f"CALL relpred.sync.pause() {paused}") == [{"pausedBy": "anna"}]  # the first one stays named
    assert ask(driver, f"CALL relpred.sync.status() {paused}") == [{"pausedBy": "anna"}]
    assert ask(driver, f"CALL relpred.sync.resume() {paused}") == [{"pausedBy": None}]
    assert desk.daemons.orders().paused_by is None
    with pytest.raises(ClientError, match="unknown key who"):
        ask(driver, "CALL relpred.sync.pause({who: 'anna'})")


def test_what_was_left_out_is_listed(driver: Driver, desk: RelationPredictor) -> None:
    assert ask(driver, "CALL relpred.sync.failures()") == []
    told(
        desk,
        Failure("1", "encode", "NotFinite", 6, None),
        Failure("2", "encode", "NotFinite", 1, "2026-11-29T12:30:00Z"),
    )
    first, second = ask(driver, "CALL relpred.sync.failures()")
    assert first == {"item": "1", "step": "encode", "error": "NotFinite", "tries": 6, "againAt": None}
    assert second["againAt"].to_native() == datetime(2026, 11, 29, 12, 30, tzinfo=UTC)
    assert len(ask(driver, "CALL relpred.sync.failures({topK: 1})")) == 1


def test_the_settings_are_shown_as_they_are_in_force_and_no_secret(driver: Driver, desk: RelationPredictor) -> None:
    shown = {row["key"]: row["value"] for row in ask(driver, "CALL relpred.config.show()")}
    assert shown["graph.uri"] == desk.settings.graph.uri
    assert shown["graph.keys"] == {"Item": "id"}
    assert (shown["graph.writer_password"], shown["graph.password"]) == ("set", "unset")
    assert (shown["model.structure_rank"], shown["training.memory_gb"]) == (128, None)
    assert "hunter2" not in str(shown)
