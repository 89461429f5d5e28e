"""The modes of the predicting procedures in a real server: against a service of a few lines, and against a model."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import neo4j
import pytest
from neo4j import Driver
from neo4j.exceptions import ClientError, TransientError

from neo4j_relpred.api import RelationPredictor
from neo4j_relpred.demo.server import find_jar
from neo4j_relpred.graph.decisions import Wish
from neo4j_relpred.triples import Triple, edge_key
from tests.integration.graphs import Town, ask
from tests.integration.serving import listening
from tests.integration.test_procedures import Stub, people, row

__all__ = ["people"]  # a fixture

pytestmark = pytest.mark.skipif(find_jar() is None, reason="the procedure jar is not built: mvn -f procedures package")

ADA = "MATCH (a:Person {name: 'Ada'}), (b:Person {name: 'Bob'}), (c:Person {name: 'Cid'}) "
SKILLS = "MATCH (p:Person {uid: $person}) CALL relpred.predict.tails.write(p, 'HAS_SKILL', $configuration) "
COUNTS = (
    "YIELD relationshipsWritten AS edges, propertiesWritten AS properties, runId AS run RETURN edges, properties, run"
)
JUDGED = (
    "UNWIND $triples AS one MATCH (h:Thing {uid: one[0]}), (t:Thing {uid: one[1]}) "
    "WITH collect({head: h, relation: 'HAS_SKILL', tail: t}) AS triples CALL relpred.predict.triples."
)
WRITTEN = (
    "MATCH (h)-[e:PREDICTED_HAS_SKILL]->(t) "
    "RETURN h.uid AS h, t.uid AS t, properties(e) AS e, type(e) AS type ORDER BY h, t"
)


@pytest.fixture
def model(town: Town, service_port: int) -> Iterator[RelationPredictor]:
    """The trained town, and the service before it."""
    with town.predictor() as predictor, listening(predictor, service_port):
        predictor.ready()
        yield predictor


def answered(ids: dict[str, str], *probabilities: float) -> Callable[[dict[str, Any]], list[dict[str, Any]]]:
    """Ada likes Bob and Cid in turn."""

    def answers(_: dict[str, Any]) -> list[dict[str, Any]]:
        tails = [ids["Bob"], ids["Cid"]]
        return [
            row(ids["Ada"], "LIKES", tails[n % 2], n + 1)
            | {"probability": p, "key": f"k{n}", "predicted_type": "PREDICTED_LIKES"}
            for n, p in enumerate(probabilities)
        ]

    return answers


# against a service of a few lines


def test_given_triples_are_judged_in_the_order_given(
    driver: Driver, people: dict[str, str], stub_service: Stub
) -> None:
    ask(driver, ADA + "CREATE (a)-[:LIKES]->(b)")
    stub_service.answers["/v1/score"] = lambda body: [
        row("gone", one["relation"], "gone", n + 1) for n, one in enumerate(body["triples"])
    ]
    query = (
        ADA + "MATCH (a)-[e:LIKES]->(b) CALL relpred.predict.triples.stream("
        "[{head: b, relation: 'KNOWS', tail: c}, e], {threshold: 0.5, modelName: 'main'}) "
        "YIELD head, relation, tail, rank RETURN head.name AS h, relation AS r, tail.name AS t, rank"
    )
    assert ask(driver, query) == [
        {"h": "Bob", "r": "KNOWS", "t": "Cid", "rank": 1},
        {"h": "Ada", "r": "LIKES", "t": "Bob", "rank": 2},
    ]
    ends = {name: {"element_id": element_id} for name, element_id in people.items()}
    triples = [
        {"head": ends["Bob"], "relation": "KNOWS", "tail": ends["Cid"]},
        {"head": ends["Ada"], "relation": "LIKES", "tail": ends["Bob"]},
    ]
    assert stub_service.questions == [("/v1/score", {"triples": triples, "model": "main"})]
    assert ask(driver, query.replace("0.5", "0.9")) == []
    assert ask(driver, "CALL relpred.predict.triples.stream([]) YIELD rank RETURN rank") == []


def test_what_is_no_triple_is_refused(driver: Driver, people: dict[str, str]) -> None:
    for wrong, message in {
        "null": "triples is null",
        "[null]": "triples is null",
        "[a]": "neither maps nor relationships",
        "[{head: a, tail: b}]": "without head and tail",
        "[{head: a, relation: 'R', tail: null}]": "without head and tail",
        "[{head: a, relation: 'R', tails: b}]": r"unknown key tails\. Did you mean tail\?",
    }.items():
        with pytest.raises(ClientError, match=message):
            ask(driver, f"{ADA}CALL relpred.predict.triples.stream({wrong}) YIELD rank RETURN rank")


def test_stats_are_one_row(driver: Driver, people: dict[str, str], stub_service: Stub) -> None:
    stub_service.answers["/v1/tails"] = answered(people, *(n / 100 for n in range(100, 0, -1)))
    query = f"{ADA}CALL relpred.predict.tails.stats(a, 'LIKES', $configuration)"
    columns = "predictions, probabilityDistribution AS spread, configuration"
    (told,) = ask(
        driver, f"{query} YIELD {columns.replace(' AS spread', '')} RETURN {columns}", configuration={"topK": 100}
    )
    spread = told["spread"]
    assert spread.pop("mean") == pytest.approx(0.505)
    assert spread == {"min": 0.01, "p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "max": 1.0}
    assert (told["predictions"], told["configuration"]) == (100, {"topK": 100, "threshold": 0.0})
    stub_service.answers["/v1/tails"] = answered(people)
    (told,) = ask(driver, f"{query} YIELD {columns.replace(' AS spread', '')} RETURN {columns}", configuration={})
    assert (told["predictions"], told["spread"]) == (0, {})


def test_an_estimate_asks_for_what_the_call_would_ask(
    driver: Driver, people: dict[str, str], stub_service: Stub
) -> None:
    cost = {"nodes": 9, "relationships": 8, "candidates": 27, "bytes_min": 5, "bytes_max": 6, "memory": "[5 ... 6]"}
    stub_service.answers["/v1/estimate"] = lambda _: [cost | {"seconds": 0.5, "basis": "rough"}]
    told = {
        "nodeCount": 9,
        "relationshipCount": 8,
        "candidates": 27,
        "bytesMin": 5,
        "bytesMax": 6,
        "requiredMemory": "[5 ... 6]",
        "estimatedSeconds": 0.5,
        "basis": "rough",
    }
    query = "CALL relpred.predict.tails.estimate([a, b, c], 'LIKES') YIELD "
    assert ask(driver, f"{ADA}{query}{', '.join(told)} RETURN {', '.join(told)}") == [told]
    for call in (
        "heads.estimate(a, 'LIKES', {modelName: 'main'})",
        "relations.estimate(a, b)",
        "triples.estimate([{head: a, relation: 'LIKES', tail: b}])",
        "tails.estimate([], 'LIKES')",
    ):
        ask(driver, f"{ADA}CALL relpred.predict.{call} YIELD basis RETURN basis")
    assert [body for _, body in stub_service.questions] == [
        {"question": "tails", "number": 3, "relation": "LIKES"},
        {"question": "heads", "number": 1, "relation": "LIKES", "model": "main"},
        {"question": "relations", "number": 1},
        {"question": "score", "number": 1},
        {"question": "tails", "number": 0, "relation": "LIKES"},
    ]


@pytest.mark.parametrize(
    ("mode", "column"), [("stream", "rank"), ("stats", "predictions"), ("write", "runId"), ("estimate", "basis")]
)
def test_keys_of_gds_that_mean_nothing_here_are_refused_with_a_hint(
    driver: Driver, people: dict[str, str], mode: str, column: str
) -> None:
    for key, hint in {
        "concurrency": "training",
        "jobId": "no job",
        "topN": "topK",
        "topk": "Did you mean topK",
    }.items():
        with pytest.raises(ClientError, match=hint):
            ask(
                driver,
                f"{ADA}CALL relpred.predict.tails.{mode}(a, 'LIKES', {{{key}: 4}}) YIELD {column} RETURN {column}",
            )


def test_more_than_a_call_may_write_is_refused_before_anything_is_written(
    driver: Driver, people: dict[str, str], stub_service: Stub
) -> None:
    stub_service.answers["/v1/tails"] = answered(people, *[0.5] * 1001)
    with pytest.raises(ClientError, match=r"more than 1000 answers.*nothing was written.*relpred publish"):
        ask(driver, ADA + "CALL relpred.predict.tails.write(a, 'LIKES', {topK: 2000}) YIELD runId RETURN runId")
    assert ask(driver, "MATCH ()-[e]->() RETURN count(e) AS n") == [{"n": 0}]


def test_a_service_that_says_no_key_writes_nothing(driver: Driver, people: dict[str, str], stub_service: Stub) -> None:
    stub_service.answers["/v1/tails"] = lambda _: [row(people["Ada"], "LIKES", people["Bob"])]
    with pytest.raises(ClientError, match=r"of the same version"):
        ask(driver, ADA + "CALL relpred.predict.tails.write(a, 'LIKES') YIELD runId RETURN runId")


# what is written, of a trained model


def wrote(driver: Driver, person: str, **configuration: object) -> dict[str, Any]:
    (told,) = ask(driver, SKILLS + COUNTS, person=person, configuration=configuration)
    return told


def test_what_is_written_is_what_is_streamed(driver: Driver, model: RelationPredictor) -> None:
    stream = "MATCH (p:Person {uid: 'person0'}) CALL relpred.predict.tails.stream(p, 'HAS_SKILL', {topK: 3}) "
    columns = "score, probability, rank, evidence, model"
    streamed = ask(driver, f"{stream}YIELD tail, {columns} RETURN tail.uid AS t, {columns} ORDER BY t")
    told = wrote(driver, "person0", topK=3)
    assert (told["edges"], told["properties"]) == (3, 24)
    written = ask(driver, WRITTEN)
    assert len(written) == 3
    for one, found in zip(written, streamed, strict=True):
        edge = one["e"]
        assert edge.pop("predictedAt").to_native().year >= 2026
        assert edge.pop("run") == told["run"]
        assert edge.pop("key") == edge_key("person0", "HAS_SKILL", one["t"])
        assert edge | {"t": one["t"]} == found


def test_a_rollback_takes_it_back(driver: Driver, model: RelationPredictor) -> None:
    with driver.session() as session, session.begin_transaction() as transaction:
        # what the caller itself holds locked is no hindrance
        transaction.run("MATCH (p:Person {uid: 'person0'}) SET p.seen = true").consume()
        answer = transaction.run(SKILLS + COUNTS, person="person0", configuration={}).single(strict=True)
        assert answer["edges"] == 10
        assert transaction.run(WRITTEN + " LIMIT 1").single() is not None
        transaction.rollback()
    assert ask(driver, WRITTEN) == []


def test_a_publication_of_the_same_answers_changes_nothing(driver: Driver, model: RelationPredictor) -> None:
    held = {(one["h"], one["t"]) for one in ask(driver, "MATCH (h)-[:HAS_SKILL]->(t) RETURN h.uid AS h, t.uid AS t")}
    pairs = [("person0", "joinery"), ("person1", "first-aid"), ("person2", "botany"), ("person2", "joinery")]
    new = [pair for pair in pairs if pair not in held]
    assert len(new) > 1
    (told,) = ask(driver, f"{JUDGED}write(triples) {COUNTS}", triples=new)
    assert told["edges"] == len(new)
    candidates = [Triple(head, "HAS_SKILL", tail) for head, tail in new]
    report = model.publish(candidates=candidates, min_probability=0.0)
    assert (report.unchanged, report.created, report.updated, report.removed) == (len(new), 0, 0, 0)
    assert wrote(driver, "person5", topK=2)["edges"] == 2  # and under the constraint that it made, too
    report = model.publish(candidates=candidates, min_probability=0.0, confirm_shrink=True)
    assert (report.unchanged, report.removed) == (len(new), 2)


def test_writing_again_updates(driver: Driver, model: RelationPredictor) -> None:
    first, second = wrote(driver, "person0"), wrote(driver, "person0")
    assert first["edges"] == second["edges"] == 10
    assert [one["e"]["run"] for one in ask(driver, WRITTEN)] == [second["run"]] * 10


def test_what_holds_and_what_was_rejected_is_left_out(driver: Driver, model: RelationPredictor) -> None:
    held = ask(driver, "MATCH (h)-[:HAS_SKILL]->(t) RETURN h.uid AS h, t.uid AS t LIMIT 1")[0]
    new = ("person0", "joinery")
    model.review.settle(Wish(Triple("person0", "HAS_SKILL", "joinery"), "rejected"), by="ben")
    triples = [(held["h"], held["t"]), new, ("person1", "botany")]
    streamed = ask(driver, f"{JUDGED}stream(triples) YIELD probability RETURN probability", triples=triples)
    assert len(streamed) == 3
    (told,) = ask(driver, f"{JUDGED}write(triples) {COUNTS}", triples=triples)
    assert told["edges"] == 1
    assert [(one["h"], one["t"]) for one in ask(driver, WRITTEN)] == [("person1", "botany")]
    judged = (
        "MATCH ()-[e:PREDICTED_HAS_SKILL]->() CALL relpred.predict.triples.stream([e]) YIELD relation AS r RETURN r"
    )
    assert ask(driver, judged) == [{"r": "HAS_SKILL"}]


def test_a_type_of_another_model_is_refused(driver: Driver, model: RelationPredictor) -> None:
    other = "CREATE (h)-[:PREDICTED_HAS_SKILL {key: 'x', model: 'other@3', run: 'r'}]->(t)"
    ask(driver, f"MATCH (h:Person {{uid: 'person7'}}), (t:Skill {{uid: 'botany'}}) {other}")
    with pytest.raises(ClientError, match=r"PREDICTED_HAS_SKILL belongs to the model 'other'.*--take-over"):
        wrote(driver, "person0")
    assert len(ask(driver, WRITTEN)) == 1
    with pytest.raises(ClientError, match=r"answers with the model 'default@1', not with 'other'"):
        wrote(driver, "person0", modelName="other")


def test_two_writers_at_once_give_one_edge(driver: Driver, model: RelationPredictor) -> None:
    start = threading.Barrier(4)

    def write(_: int) -> int:
        with driver.session() as session, session.begin_transaction() as transaction:
            start.wait(20)
            told = transaction.run(SKILLS + COUNTS, person="person0", configuration={}).single(strict=True)
            transaction.commit()
            return int(told["edges"])

    with ThreadPoolExecutor(4) as writers:
        assert list(writers.map(write, range(4))) == [10] * 4
    written = ask(driver, WRITTEN)
    assert len({one["e"]["key"] for one in written}) == len(written) == 10


def missing_skill(driver: Driver) -> tuple[str, str]:
    (row,) = ask(
        driver,
        "MATCH (p:Person {uid: 'person0'}), (s:Skill) WHERE NOT (p)-[:HAS_SKILL]->(s) "
        "RETURN p.uid AS p, s.uid AS s ORDER BY s LIMIT 1",
    )
    return row["p"], row["s"]


def test_a_publication_that_meets_a_write_of_the_same_edge_ends_in_that_edge(
    driver: Driver, model: RelationPredictor
) -> None:
    head, tail = missing_skill(driver)
    other = next(uid for uid in ("botany", "joinery") if uid != tail)
    wrote(driver, "person1", topK=1)
    model.publish(candidates=[Triple("person1", "HAS_SKILL", other)], min_probability=0.0)  # makes the constraint
    with ThreadPoolExecutor(1) as publishers, driver.session() as holding:
        holder = holding.begin_transaction()
        holder.run(f"{JUDGED}write(triples) {COUNTS}", triples=[(head, tail)]).consume()
        publishing = publishers.submit(
            model.publish, candidates=[Triple(head, "HAS_SKILL", tail)], min_probability=0.0, confirm_shrink=True
        )
        waits(driver, "SET h += {}")
        holder.commit()
        publishing.result(60)
    assert [(one["h"], one["t"]) for one in ask(driver, WRITTEN)] == [(head, tail)]


def test_a_write_that_meets_a_publication_of_the_same_edge_ends_in_that_edge(
    driver: Driver, model: RelationPredictor
) -> None:
    head, tail = missing_skill(driver)
    model.publish(candidates=[Triple(head, "HAS_SKILL", tail)], min_probability=0.0)
    (before,) = ask(driver, WRITTEN)
    ask(driver, "MATCH ()-[e:PREDICTED_HAS_SKILL]->() DELETE e")
    with ThreadPoolExecutor(1) as writers, driver.session() as holding:
        holder = holding.begin_transaction()  # as a publication creates it
        holder.run(
            "MATCH (h:Thing {uid: $h}), (t:Thing {uid: $t}) SET h += {} SET t += {} "
            "CREATE (h)-[e:PREDICTED_HAS_SKILL]->(t) SET e = $e",
            h=head,
            t=tail,
            e=before["e"],
        ).consume()
        waiting = writers.submit(ask, driver, f"{JUDGED}write(triples) {COUNTS}", triples=[(head, tail)])
        waits(driver)
        holder.commit()
        (told,) = waiting.result(30)
    (edge,) = ask(driver, WRITTEN)
    assert (told["edges"], edge["e"]["run"]) == (1, told["run"])


def test_a_lock_that_is_held_is_told_within_the_deadline(driver: Driver, model: RelationPredictor) -> None:
    wrote(driver, "person1")
    with driver.session() as holding, holding.begin_transaction() as holder:
        holder.run("MATCH (p:Person {uid: 'person0'}) SET p.locked = true").consume()
        began = time.monotonic()
        with pytest.raises(ClientError, match=r"holds locked.*within 1500 ms.*SHOW TRANSACTIONS"):
            wrote(driver, "person0", timeoutMillis=1500)
        assert time.monotonic() - began < 20
        assert wrote(driver, "person1")["edges"] == 10  # nobody holds these
    with driver.session() as holding, holding.begin_transaction() as holder:
        holder.run("MATCH (:Person {uid: 'person1'})-[e:PREDICTED_HAS_SKILL]->() SET e.seen = true").consume()
        with pytest.raises(ClientError, match=r"holds locked.*within 1500 ms"):
            wrote(driver, "person1", timeoutMillis=1500)
    assert wrote(driver, "person0")["edges"] == 10


def test_a_lock_that_is_let_go_is_waited_for(driver: Driver, model: RelationPredictor) -> None:
    with ThreadPoolExecutor(1) as writers, driver.session() as holding:
        holder = holding.begin_transaction()
        holder.run("MATCH (p:Person {uid: 'person0'}) SET p.locked = true").consume()
        waiting: Future[dict[str, Any]] = writers.submit(wrote, driver, "person0")
        waits(driver)
        holder.commit()
        assert waiting.result(30)["edges"] == 10


def test_who_waits_for_each_other_is_told_to_try_again(driver: Driver, model: RelationPredictor) -> None:
    ends = "MATCH (n:Thing) WHERE n.uid = $uid SET n.locked = true"
    with ThreadPoolExecutor(1) as writers, driver.session() as holding:
        holder = holding.begin_transaction()
        holder.run(ends, uid="joinery").consume()
        waiting = writers.submit(ask, driver, f"{JUDGED}write(triples) {COUNTS}", triples=[("person0", "joinery")])
        waits(driver)
        ended: list[Exception] = []
        for step in (lambda: holder.run(ends, uid="person0").consume(), holder.commit, lambda: waiting.result(30)):
            try:
                step()
            except neo4j.exceptions.Neo4jError as error:
                ended.append(error)
                break
        holder.close()
    assert [type(error) for error in ended] in ([], [TransientError])


def waits(driver: Driver, text: str = ".write(") -> None:
    """Until a statement with this text waits for a lock."""
    query = "SHOW TRANSACTIONS YIELD currentQuery, status WHERE currentQuery CONTAINS $text RETURN status"
    deadline = time.monotonic() + 20
    while not any("Blocked" in one["status"] for one in ask(driver, query, text=text)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
