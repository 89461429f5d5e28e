"""The Python client against the service that it is for, without a socket; and against what is none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx2 as httpx
import pytest
from starlette.testclient import TestClient

from neo4j_relpred import Client
from neo4j_relpred.client import Answer, Prediction, ServiceRefused, ServiceUnavailable
from neo4j_relpred.client import client as client_module
from neo4j_relpred.errors import (
    DependencyMissing,
    InvalidQuery,
    InvalidSettings,
    Overloaded,
    RunNotFound,
    UnknownEntity,
)
from neo4j_relpred.triples import Query, Triple
from neo4j_relpred.wire import TokenRefused
from tests.unit.service.conftest import FakePredictor, Serve, scored

ROW = (
    '{"head": {"element_id": "4:x:1", "id": "a"}, "relation": "R", "tail": {"element_id": "4:x:2", "id": "b"}, '
    '"score": 1.0, "probability": 0.5, "rank": 1, "model": "m@1", "run": null, "evidence": "", '
    '"key": "k", "predicted_type": "PREDICTED_R"}\n'
)


@dataclass
class Node:
    element_id: str


@pytest.fixture(autouse=True)
def _answers(predictor: FakePredictor) -> None:
    predictor.answers = [scored("Person/ada", "KNOWS", "Person/bob"), scored("Person/bob", "KNOWS", "Person/ada", 2)]


@pytest.fixture
def asking(client: TestClient) -> Client:
    return Client(http=client)


def answering(*answers: httpx.Response, patience: float = 5.0) -> tuple[Client, Iterator[httpx.Response]]:
    """A client to whom these answers are given, one after the other, and those that are left."""
    left = iter(answers)
    http = httpx.Client(base_url="http://127.0.0.1", transport=httpx.MockTransport(lambda _: next(left)))
    return Client(http=http, patience_seconds=patience), left


def test_every_kind_of_question_is_answered_as_the_predictor_answers_it(
    asking: Client, predictor: FakePredictor
) -> None:
    ada, bob = "Person/ada", "Person/bob"
    asked: list[tuple[Query, Callable[[], Answer[Prediction]]]] = [
        (Query(head=ada, relation="KNOWS"), lambda: asking.tails(ada, "KNOWS", 3, 0.25)),
        (Query(relation="KNOWS", tail=bob), lambda: asking.heads("KNOWS", bob, 3, 0.25)),
        (Query(head=ada, tail=bob), lambda: asking.relations(ada, bob, 3, 0.25)),
    ]
    for query, ask in asked:
        by_name, by_query = list(ask()), list(asking.predict(query, 3, 0.25))
        assert by_name == by_query
        assert predictor.asked[-2:] == [(query, 3, 0.25)] * 2
        for told, known in zip(by_name, predictor.answers, strict=True):
            same = (told.triple, told.score, told.probability, told.rank, told.evidence.summary)
            assert same == (known.triple, known.score, known.probability, known.rank, known.evidence.summary)
            assert (told.model, predictor.nodes[told.head_element_id]) == ("main/1", known.triple.head)


def test_an_estimate_is_one_row(asking: Client, predictor: FakePredictor) -> None:
    told = asking.estimate("tails", "KNOWS", 20)
    assert (told.candidates, told.basis, predictor.asked) == (100, "rough", [])
    assert asking.estimate("score").nodes == 3
    with pytest.raises(InvalidQuery):
        asking.estimate("tails")


def test_a_node_as_the_driver_returned_it_is_asked_about_by_its_element_id(
    asking: Client, predictor: FakePredictor
) -> None:
    element_id = next(iter(predictor.nodes))
    asking.tails(Node(element_id), "KNOWS")
    assert predictor.asked[-1][0].head == predictor.nodes[element_id]


def test_several_nodes_are_asked_about_at_once(
    asking: Client, predictor: FakePredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MOST_IN_ALL", 6)
    nodes = [Node(element_id) for element_id in predictor.nodes]
    assert len(asking.tails(nodes, "KNOWS", 3)) == 3 * len(predictor.answers)
    assert [query.head for query, *_ in predictor.asked] == list(predictor.nodes.values())
    assert predictor.looks == 2  # two nodes with three answers are all that fits into one request
    assert len(asking.heads("KNOWS", ("Person/ada", nodes[1]), 3)) == 2 * len(predictor.answers)
    assert [query.tail for query, *_ in predictor.asked[3:]] == ["Person/ada", "Person/bob"]
    assert list(asking.tails([], "KNOWS")) == []


def test_more_triples_than_one_request_may_hold_are_scored_in_order(
    asking: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MOST_ROWS", 2)
    triples = [Triple("Person/ada", kind, "Person/bob") for kind in ("A", "B", "C", "D", "E")]
    assert [told.triple for told in asking.score(triples)] == triples
    assert [told.triple.relation for told in asking.score([("Person/ada", "A", "Person/bob")])] == ["A"]
    assert list(asking.score([])) == []


def test_answers_are_tables_too(asking: Client, predictor: FakePredictor) -> None:
    answer = asking.tails("Person/ada", "KNOWS")
    row, _ = answer.to_arrow().to_pylist()
    assert (row["head"], row["relation"], row["tail"]) == ("Person/ada", "KNOWS", "Person/bob")
    assert (row["probability"], row["rank"], row["evidence"]) == (0.875, 1, "they share a friend")
    predictor.answers = []
    empty = asking.tails("Person/ada", "KNOWS").to_arrow()
    assert (empty.num_rows, empty.schema) == (0, answer.to_arrow().schema)
    assert asking.runs().to_arrow()["created"].to_pylist() == [0, 3]
    assert asking.review.pending().to_arrow()["probability"].to_pylist() == [0.75]


def test_a_data_frame_has_the_same_columns(asking: Client) -> None:
    frame = asking.tails("Person/ada", "KNOWS").to_pandas()
    assert list(frame.columns)[:3] == ["head", "relation", "tail"]
    assert frame.probability.between(0, 1).all()


def test_without_pandas_one_reads_how_to_get_it(asking: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(DependencyMissing, match="to_arrow"):
        asking.tails("Person/ada", "KNOWS").to_pandas()


def test_decisions_and_the_ledger_are_reached(asking: Client, predictor: FakePredictor) -> None:
    (waiting,) = asking.review.pending("KNOWS", order="uncertain", min_probability=0.5, top_k=7)
    assert (waiting.head_name, waiting.state, predictor.review.asked[-1]) == (
        "Ada",
        "pending",
        ("KNOWS", 0.5, "uncertain", 7),
    )
    triple = ("Person/ada", "KNOWS", "Person/bob")
    assert asking.review.accept(*triple, by="anna").state == "accepted"
    told = asking.review.reject(*triple, by="anna", reason="duplicate", note="twice")
    assert (told.state, told.reason, told.note) == ("rejected", "duplicate", "twice")
    assert [one.state for one in asking.review.decisions()] == ["rejected"]
    assert asking.review.withdraw(*triple).state == "withdrawn"
    with pytest.raises(InvalidQuery, match="Nobody decided"):
        asking.review.withdraw(*triple)
    assert [run.run for run in asking.runs(1)] == ["r2"]
    assert asking.undo("r1", dry_run=True).skipped == {"decided by a person": 1}
    with pytest.raises(RunNotFound):
        asking.undo("r9")
    assert asking.health().model == "main/1"


def test_errors_are_those_of_the_service_with_their_hints(serve: Serve, predictor: FakePredictor) -> None:
    asking = Client(http=serve())
    with pytest.raises(UnknownEntity) as unknown:
        asking.tails(Node("4:x:999"), "KNOWS")
    assert (unknown.value.message, unknown.value.hint) == ("There is no such node.", "Was it deleted?")
    with pytest.raises(InvalidQuery, match="top_k"):
        asking.tails("Person/ada", "KNOWS", top_k=0)


def test_the_token_is_sent(serve: Serve, token_file: object) -> None:
    http = serve(token_file=token_file)
    with pytest.raises(TokenRefused):
        Client(http=http).tails("Person/ada", "KNOWS")
    with Client(http=http, token="first-token") as asking:
        assert len(asking.tails("Person/ada", "KNOWS")) == 2


def full(seconds: float) -> httpx.Response:
    return httpx.Response(
        429,
        headers={"Retry-After": str(seconds)},
        json={"code": "overloaded", "message": "32 questions wait.", "hint": "Ask again."},
    )


def test_a_full_queue_is_waited_for_as_long_as_the_patience_lasts() -> None:
    asking, _ = answering(full(0.01), full(0.01), httpx.Response(200, text=ROW))
    assert [told.triple for told in asking.tails("a", "R")] == [Triple("a", "R", "b")]
    impatient, left = answering(full(60), httpx.Response(200, text=ROW), patience=0.0)
    with pytest.raises(Overloaded):
        impatient.tails("a", "R")
    assert next(left).status_code == 200  # nobody asked again


def unreachable(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


def too_late(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("too late")


@pytest.mark.parametrize("transport", [unreachable, too_late])
def test_a_service_that_is_not_there_is_told_apart_from_one_that_refuses(
    transport: Callable[[httpx.Request], httpx.Response],
) -> None:
    http = httpx.Client(base_url="http://127.0.0.1:1", transport=httpx.MockTransport(transport))
    with pytest.raises(ServiceUnavailable) as gone:
        Client(http=http).tails("a", "R")
    assert gone.value.retryable
    assert gone.value.hint


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>a proxy</html>"),
        httpx.Response(502, text=""),
        httpx.Response(200, text=ROW[:50]),
        httpx.Response(200, text="[1]"),
        httpx.Response(418, json={"code": "of-another-world", "message": "No.", "hint": ""}),
    ],
)
def test_what_is_no_answer_of_ours_is_refused(answer: httpx.Response) -> None:
    asking, _ = answering(answer)
    with pytest.raises(ServiceRefused):
        asking.tails("a", "R")


@pytest.mark.parametrize("mark", ["\u2028", "\u0085"])
def test_a_row_ends_with_its_line_and_not_with_what_else_may_end_one(mark: str) -> None:
    asking, _ = answering(httpx.Response(200, text=ROW.replace('"evidence": ""', f'"evidence": "a{mark}b"')))
    assert [told.evidence.summary for told in asking.tails("a", "R")] == [f"a{mark}b"]


def test_an_address_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(InvalidSettings, match="no address"):
        Client("localhost:7475")


def test_the_client_loads_neither_the_driver_nor_the_model() -> None:
    code = (
        "import sys, neo4j_relpred; assert 'httpx2' not in sys.modules; neo4j_relpred.Client();"
        "print([name for name in ('torch', 'neo4j', 'starlette', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
