"""Why a triple is scored as it is, over HTTP and through the Python client."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from neo4j_relpred import Client
from neo4j_relpred.errors import UnknownEntity
from neo4j_relpred.triples import Triple
from tests.unit.service.conftest import FakePredictor

ADA, BOB = {"element_id": "4:x:1"}, {"id": "Person/bob"}
ASKED = {"head": ADA, "relation": "PREDICTED_LIKES", "tail": BOB}
JUDGED = {"score": 2.5, "probability": 0.875, "model": "main/1"}
KIND = {"kind": "rules", "share": 0.75, "explanation": "much", "pattern": None, "bindings": []}
PATTERN = "(h)-[:`KNOWS`]->(x1)-[:`KNOWS`]->(t)"


def test_each_kind_of_evidence_and_each_rule_is_a_row(client: TestClient, predictor: FakePredictor) -> None:
    kind, rule = client.post("/v1/explain", json=ASKED).json()
    assert kind == {**KIND, "support": None, "confidence": None, **JUDGED}
    assert rule == {
        "kind": "rule",
        "share": None,
        "explanation": "friends of friends",
        "pattern": PATTERN,
        "bindings": [
            [
                {"element_id": "4:x:1", "id": "Person/ada", "name": "Ada"},
                {"element_id": "4:x:3", "id": "Person/cid", "name": "Cid"},
                {"element_id": "4:x:2", "id": "Person/bob", "name": "Bob"},
            ]
        ],
        "support": 12,
        "confidence": 0.5,
        **JUDGED,
    }
    assert predictor.explained == [Triple("Person/ada", "LIKES", "Person/bob")]  # the type of the predicted edge too
    assert predictor.threads == {"relpred-model"}
    lines = client.post("/v1/explain", json=ASKED, headers={"Accept": "application/x-ndjson"}).text.splitlines()
    assert [json.loads(line) for line in lines] == [kind, rule]


@pytest.mark.parametrize("wrong", [{"head": ADA, "relation": "LIKES"}, {**ASKED, "top_k": 3}, {**ASKED, "tail": {}}])
def test_what_is_not_one_triple_is_refused(client: TestClient, wrong: dict[str, object]) -> None:
    assert client.post("/v1/explain", json=wrong).json()["code"] == "invalid-query"


def test_the_python_client_reads_the_rows(client: TestClient, predictor: FakePredictor) -> None:
    asking = Client(http=client)
    answer = asking.explain(("Person/ada", "LIKES", "Person/bob"))
    kind, rule = answer
    assert (kind.kind, kind.share, rule.kind, rule.pattern, rule.support) == ("rules", 0.75, "rule", PATTERN, 12)
    assert [[node.name for node in path] for path in rule.bindings] == [["Ada", "Cid", "Bob"]]
    assert answer.to_arrow().column("bindings").to_pylist() == ["", "Ada - Cid - Bob"]
    assert list(answer.to_arrow().schema.names) == list(type(kind).model_fields)
    with pytest.raises(UnknownEntity):
        asking.explain(Triple("Person/ada", "LIKES", "Person/nobody"))
    assert predictor.explained[-1].tail == "Person/nobody"
