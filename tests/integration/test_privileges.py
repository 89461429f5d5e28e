"""Two logins, and a script of what each of them may do."""

from __future__ import annotations

import re

import neo4j
import pytest
from neo4j import exceptions as driver_errors
from pydantic import SecretStr

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.data.daemon_state import DaemonState
from neo4j_relpred.demo.server import EmbeddedNeo4j
from neo4j_relpred.errors import InvalidSettings, LoginRefused
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.daemons import Failure
from neo4j_relpred.graph.decisions import Wish
from neo4j_relpred.graph.privileges import ACCEPTED_PROPERTIES, EDGE_PROPERTIES, NODE_LABELS, grants
from neo4j_relpred.triples import Triple
from tests.integration.conftest import PASSWORD
from tests.integration.graphs import Town, ask, predicted


def test_the_script_names_all_that_publishing_and_reviewing_write_and_nothing_else(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELPRED_PUBLISHING__EXPIRE_DAYS", "30")
    with town.predictor() as predictor:
        predictor.publish()
        first, second, *_ = sorted(predicted(town.driver).values())
        triples = [Triple(edge[0], edge[1].removeprefix("PREDICTED_"), edge[2]) for edge in (first, second)]
        predictor.review.decide([Wish(triples[0], "accepted"), Wish(triples[1], "rejected")], by="anna")
        script = predictor.admin.grants("reader", "writer")
        with predictor.daemons.leading(5.0) as fence:
            predictor.daemons.say(fence, DaemonState("default", "h", 1, "waiting", "", "", ""))
            predictor.daemons.leave_out(fence, [Failure("person1", "encode", "RuntimeError", 1, None)])
    (row,) = ask(
        town.driver,
        "MATCH ()-[e]->() WITH type(e) STARTS WITH 'PREDICTED_' AS ours, e.relpredKey IS NOT NULL AS accepted, e "
        "WHERE ours OR accepted UNWIND keys(e) AS name "
        "RETURN collect(DISTINCT CASE WHEN ours THEN name END) AS ours, "
        "collect(DISTINCT CASE WHEN accepted THEN name END) AS accepted",
    )
    assert set(row["ours"]) == set(EDGE_PROPERTIES)
    assert set(row["accepted"]) == set(ACCEPTED_PROPERTIES)
    (labels,) = ask(
        town.driver, "MATCH (n) WHERE NOT n:Thing UNWIND labels(n) AS name RETURN collect(DISTINCT name) AS names"
    )
    assert set(labels["names"]) == set(NODE_LABELS)
    assert any("`PREDICTED_HAS_SKILL`" in line for line in script if line.startswith("GRANT CREATE ON GRAPH"))
    assert not [line for line in script if "reader" in line and not re.search(r"ROLE|ACCESS|MATCH|SHOW|EXECUTE", line)]
    shown = town.cli("admin", "grants", "--reader", "reader", "--writer", "writer")
    assert shown.out.splitlines() == [f"{line};" for line in script]


def test_the_server_understands_every_statement_of_the_script(driver: neo4j.Driver) -> None:
    """Community has no roles, and says so only of what it can read."""
    names = GraphSettings(labels=("A b", "C`d"), database="neo4j")
    for statement in grants(names, ["KNOWS", "A`B"], "reader", "writer"):
        with pytest.raises(driver_errors.Neo4jError) as refused:
            driver.execute_query(statement, database_="system")
        assert "SyntaxError" not in str(refused.value.code), statement
    with pytest.raises(InvalidSettings):
        grants(names, [], "reader", "writer; DROP DATABASE neo4j")


def test_what_writes_logs_in_as_the_writer_and_what_reads_does_not(guarded: EmbeddedNeo4j) -> None:
    who = "SHOW CURRENT USER YIELD user RETURN user"
    with neo4j.GraphDatabase.driver(guarded.bolt_uri, auth=guarded.auth) as driver:
        driver.execute_query("CREATE USER scribe SET PASSWORD 'another-horse' CHANGE NOT REQUIRED", database_="system")
    login = GraphSettings(uri=guarded.bolt_uri, password=SecretStr(PASSWORD), writer="scribe")
    with Neo4jClient.open(login.model_copy(update={"writer_password": SecretStr("another-horse")})) as client:
        assert client.read(who) == [{"user": "neo4j"}]
        assert client.write(who).rows == ({"user": "scribe"},)
    with Neo4jClient.open(login.model_copy(update={"writer_password": SecretStr("wrong")})) as client:
        assert client.read("RETURN 1 AS one") == [{"one": 1}]
        with pytest.raises(LoginRefused, match="'scribe'"):
            client.write("CREATE (:Never)")
