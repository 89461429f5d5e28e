"""Long work from Cypher: submitted, watched by others, cancelled, done once; and the versions that come of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import neo4j
import pytest
from neo4j.exceptions import ClientError, Neo4jError

from neo4j_relpred.demo.server import EmbeddedNeo4j, find_jar
from neo4j_relpred.demo.service import served
from tests.integration.graphs import Town, ask, predicted, trained_town

pytestmark = pytest.mark.skipif(find_jar() is None, reason="the procedure jar is not built: mvn -f procedures package")

LONG = {"minutes": 30}
PROGRESS = (
    "CALL relpred.listProgress() YIELD jobId, taskName, progress, status RETURN jobId, taskName, progress, status"
)


@pytest.fixture(scope="module")
def place(
    server: EmbeddedNeo4j, driver: neo4j.Driver, service_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Town]:
    town = trained_town(driver, server.bolt_uri, tmp_path_factory.mktemp("jobs") / "town", service_port)
    with served(town.config, service_port):
        yield town


def until(holds: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def training(driver: neo4j.Driver) -> list[dict[str, Any]]:
    """The trainings that are at work, and not only about to begin."""
    return [row for row in ask(driver, PROGRESS) if row["status"] == "running" and ":" in row["taskName"]]


class Waiting:
    """A query that waits for a training in a thread of its own."""

    def __init__(self, driver: neo4j.Driver, configuration: dict[str, Any]) -> None:
        self.error: Neo4jError | None = None
        self._driver, self._configuration = driver, configuration
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def _ask(self) -> None:
        try:
            ask(self._driver, "CALL relpred.train($configuration)", configuration=self._configuration)
        except Neo4jError as error:
            self.error = error


def test_a_training_from_cypher_makes_the_next_version_live_and_can_be_taken_back(place: Town) -> None:
    query = (
        "CALL relpred.train({minutes: 0.1, randomSeed: 3}) YIELD trainMillis, modelInfo, configuration, jobId, status "
    )
    (row,) = ask(place.driver, query + "RETURN *")
    assert row["status"] == "done"
    assert row["configuration"] == {
        "fresh": False,
        "go_on": False,
        "gate": False,
        "training.minutes": 0.1,
        "training.seed": 3,
    }
    assert row["modelInfo"]["model"] == "default@2"
    assert 0 < row["modelInfo"]["entityMrr"] <= 1
    assert row["trainMillis"] > 1000
    listed = "CALL relpred.model.list() YIELD version, live, trainConfig RETURN version, live, trainConfig.seed AS seed"
    assert ask(place.driver, listed) == [
        {"version": 1, "live": False, "seed": 0},
        {"version": 2, "live": True, "seed": 3},
    ]
    health = "CALL relpred.health() YIELD model RETURN model"
    until(lambda: ask(place.driver, health) == [{"model": "default@2"}])
    assert ask(place.driver, "CALL relpred.model.rollback() YIELD version, live RETURN version, live") == [
        {"version": 1, "live": True}
    ]
    assert ask(place.driver, "CALL relpred.model.deploy(2) YIELD version RETURN version") == [{"version": 2}]
    with pytest.raises(ClientError, match="is live"):
        ask(place.driver, "CALL relpred.model.drop(2)")
    ask(place.driver, "CALL relpred.model.deploy(1)")
    assert ask(place.driver, "CALL relpred.model.drop(2) YIELD version RETURN version") == [{"version": 2}]
    exists = "CALL relpred.model.exists($name) YIELD exists RETURN exists"
    found = [ask(place.driver, exists, name=name)[0]["exists"] for name in ("default", "default@1", "default@2", "x")]
    assert found == [True, True, False, False]
    with pytest.raises(ClientError, match=r"has no version 2.*Known versions: 1"):
        ask(place.driver, "CALL relpred.model.deploy(2)")


def test_others_see_how_far_a_training_is_and_cancel_it(place: Town) -> None:
    waiting = Waiting(place.driver, LONG | {"jobId": "long-1"})
    (row,) = until(lambda: training(place.driver))
    assert row["jobId"] == "long-1"
    assert row["progress"].endswith("%")
    started = time.monotonic()
    (cancelled,) = ask(place.driver, "CALL relpred.job.cancel('long-1') YIELD jobId, status RETURN jobId, status")
    waiting.thread.join(30)
    assert time.monotonic() - started < 5  # what is promised
    assert cancelled == {"jobId": "long-1", "status": "cancelled"}
    assert waiting.error is not None
    assert "long-1 was cancelled" in str(waiting.error)
    assert ask(place.driver, PROGRESS) == []
    assert place.predictor().models()[-1].version == 1


def test_a_terminated_query_takes_its_job_with_it(place: Town) -> None:
    waiting = Waiting(place.driver, LONG | {"fresh": True, "jobId": "long-2"})
    until(lambda: training(place.driver))
    find = "SHOW TRANSACTIONS YIELD transactionId, currentQuery WHERE currentQuery STARTS WITH 'CALL relpred.train' "
    (transaction,) = ask(place.driver, find + "RETURN transactionId")
    started = time.monotonic()
    ask(place.driver, "TERMINATE TRANSACTION $id", id=transaction["transactionId"])
    (ended,) = until(lambda: [job for job in jobs(place.driver) if job["jobId"] == "long-2" and job["endedAt"]])
    assert time.monotonic() - started < 5
    assert ended["status"] == "cancelled"
    waiting.thread.join(30)
    assert waiting.error is not None
    assert "terminated" in str(waiting.error).lower()
    assert place.predictor().models()[-1].live


@pytest.mark.usefixtures("on_line_5")
def test_a_terminated_query_leaves_a_job_that_another_one_waits_for(place: Town) -> None:
    first, second = (Waiting(place.driver, LONG | {"fresh": True, "jobId": "shared"}) for _ in range(2))
    find = "SHOW TRANSACTIONS YIELD transactionId, currentQuery WHERE currentQuery STARTS WITH 'CALL relpred.train' "
    one, other = until(lambda: two_of(ask(place.driver, find + "RETURN transactionId AS id")))
    until(lambda: training(place.driver))
    ask(place.driver, "TERMINATE TRANSACTION $id", id=one["id"])
    until(lambda: not (first.thread.is_alive() and second.thread.is_alive()))
    assert [job["status"] for job in jobs(place.driver) if job["jobId"] == "shared"] == ["running"]
    ask(place.driver, "TERMINATE TRANSACTION $id", id=other["id"])
    until(lambda: [job for job in jobs(place.driver) if job["jobId"] == "shared" and job["status"] == "cancelled"])


def two_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return rows if len(rows) == 2 else []


def jobs(driver: neo4j.Driver) -> list[dict[str, Any]]:
    return ask(driver, "CALL relpred.job.list({topK: 100}) YIELD jobId, status, endedAt, error RETURN *")


def test_a_publication_is_submitted_once_by_its_id(place: Town) -> None:
    submit = (
        "CALL relpred.publish({jobId: 'once', threshold: 0.6, async: $async}) "
        "YIELD status, runId, relationshipsWritten, jobId RETURN *"
    )
    (first,) = ask(place.driver, submit, **{"async": True})
    assert (first["status"] in ("waiting", "running"), first["runId"], first["jobId"]) == (True, None, "once")
    (done,) = ask(place.driver, submit, **{"async": False})
    assert done["status"] == "done"
    assert done["relationshipsWritten"] == len(predicted(place.driver)) > 0
    assert ask(place.driver, submit, **{"async": False}) == [done]
    with pytest.raises(ClientError, match="submitted as another one"):
        ask(place.driver, "CALL relpred.publish({jobId: 'once'})")
    listed = "CALL relpred.run.list() YIELD run, kind RETURN run, kind"
    assert ask(place.driver, listed) == [{"run": done["runId"], "kind": "publish"}]


def test_what_a_job_would_take_is_told_by_the_names_of_the_job(place: Town) -> None:
    (row,) = ask(place.driver, "CALL relpred.train.estimate({minutes: 3, randomSeed: 3, async: true})")
    graph = "MATCH (n) WHERE none(l IN labels(n) WHERE l STARTS WITH 'Relpred') RETURN count(n) AS number"
    assert row["nodeCount"] == ask(place.driver, graph)[0]["number"]
    edges = "MATCH ()-[r]->() WHERE NOT type(r) STARTS WITH 'PREDICTED_' RETURN count(r) AS number"
    assert row["relationshipCount"] == ask(place.driver, edges)[0]["number"]
    assert 0 < row["bytesMin"] < row["bytesMax"] < row["bytesFree"]
    assert row["bytesMax"] == sum(row["mapView"].values())
    assert row["requiredMemory"].startswith("[")
    evaluation = place.settings.evaluation
    assert row["estimatedSeconds"] == 60 * (3 + evaluation.baseline_minutes + evaluation.minutes)
    (row,) = ask(place.driver, "CALL relpred.publish.estimate({threshold: 0.6})")
    assert (row["questions"] > 0, row["candidates"] > row["questions"], row["estimatedSeconds"] > 0) == (True,) * 3
    assert (row["share"], row["bytesMin"]) == (1.0, row["bytesMax"])
    with pytest.raises(ClientError, match="has the model 'default'"):
        ask(place.driver, "CALL relpred.publish.estimate({modelName: 'other'})")


def test_a_sync_tells_what_it_found(place: Town) -> None:
    (row,) = ask(place.driver, "CALL relpred.sync.trigger({publish: false}) YIELD status, result RETURN status, result")
    assert row["status"] == "done"
    assert row["result"]["changed_nodes"] == 0
    assert row["result"]["publication"] is None


def test_a_failed_job_ends_the_query_that_waits_with_its_error(place: Town) -> None:
    with pytest.raises(ClientError, match=r"Publish .*take.over|another model|has the model 'default'"):
        ask(place.driver, "CALL relpred.train({modelName: 'other'})")
    with pytest.raises(ClientError, match=r"training\.minutes|minutes cannot be used"):
        ask(place.driver, "CALL relpred.train({minutes: -1})")
    with pytest.raises(ClientError, match="Did you mean minutes"):
        ask(place.driver, "CALL relpred.train({minute: 1})")
    with pytest.raises(ClientError, match="no job 'nobody'"):
        ask(place.driver, "CALL relpred.job.cancel('nobody')")
    place.driver.execute_query("MATCH ()-[e:PREDICTED_CITIZEN_OF]->() SET e.model = 'other@1'")
    with pytest.raises(ClientError, match=r"PREDICTED_CITIZEN_OF belongs to the model 'other'.*take-over"):
        ask(place.driver, "CALL relpred.publish({threshold: 0.6})")
    assert jobs(place.driver)[0]["error"].startswith("publication-stopped")
