"""Every Cypher example of the documentation runs, against a model of the people that the documentation speaks of."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from neo4j import Driver, GraphDatabase

from neo4j_relpred.api import RelationPredictor
from neo4j_relpred.config import load_settings
from neo4j_relpred.demo.server import EmbeddedNeo4j, find_jar
from tests.integration.conftest import PASSWORD
from tests.integration.graphs import ROOT, Rows, ask, empty, load, write_settings
from tests.integration.serving import listening

pytestmark = [
    pytest.mark.skipif(find_jar() is None, reason="the procedure jar is not built: mvn -f procedures package"),
    pytest.mark.usefixtures("on_line_5"),
]

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"^```cypher\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
QUERY = re.compile(r"(MATCH|CALL|RETURN|UNWIND|CREATE INDEX) ?")
TYPES = ("CITIZEN_OF", "HAS_SKILL", "KNOWS", "OCCUPATION", "WORKS_AT")
# what nobody failed in, waits for or does now, and what a training of seconds is not sure of
MAY_BE_EMPTY = (
    "4:b0c1:17",
    "sync.failures",
    "'waiting'",
    "listProgress",
    "userLog",
    "CREATE INDEX",
    "threshold: 0",
    "probability >= 0",
)
# what the reader is told to replace by something of his own, or what takes ten minutes
OURS = {"minutes: 10": "minutes: 0.05", "'20261124-120000-ab12cd'": "$run"}
# what was done before, where an example goes on from there
BEFORE = {
    "PREDICTED_": "MATCH (ada:Thing {uid: 'ada'}) UNWIND $types AS type "
    "CALL relpred.predict.tails.write(ada, type, {topK: 100}) YIELD runId RETURN runId",
    "decided: true": "CALL relpred.review.reject({head: 'ada', relation: 'WORKS_AT', tail: 'firm4'}) "
    "YIELD state RETURN state",
    "relpredAcceptedBy": "CALL relpred.review.accept({head: 'ada', relation: 'WORKS_AT', tail: 'firm3'}, {by: 'anna'}) "
    "YIELD state RETURN state",
}


def examples() -> list[str]:
    """All queries but those that GDS would have to answer."""
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    blocks = [block for text in texts for kind in (FENCED, INDENTED) for block in kind.findall(text)]
    queries = [re.sub(r"^    ", "", one, flags=re.MULTILINE).strip() for block in blocks for one in block.split(";")]
    return [query for query in queries if QUERY.match(query) and "gds." not in query]


def people() -> tuple[Rows, Rows]:
    """Ada and Bob among others. Ada lives in Paris, and the graph does not say what she is a citizen of."""
    nodes: Rows = [{"uid": "france", "kind": "Country", "name": "France"}]
    nodes += [{"uid": f"land{i}", "kind": "Country", "name": f"Land {i}"} for i in range(2)]
    nodes += [{"uid": f"city{i}", "kind": "City", "name": f"Town {i}"} for i in range(6)]
    nodes += [{"uid": "acme", "kind": "Company", "name": "Acme"}]
    nodes += [{"uid": f"firm{i}", "kind": "Company", "name": f"Firm {i}"} for i in range(5)]
    nodes += [{"uid": f"skill{i}", "kind": "Skill", "name": f"Skill {i}"} for i in range(6)]
    nodes += [{"uid": f"trade{i}", "kind": "Occupation", "name": f"Trade {i}"} for i in range(3)]
    names = ["Ada", "Bob", *(f"Person {i}" for i in range(40))]
    ids = ["ada", "bob", *(f"person{i}" for i in range(40))]
    nodes += [
        {"uid": uid, "kind": "Person", "name": name, "email": f"{uid}@example.org", "description": f"Trade {i % 3}"}
        for i, (uid, name) in enumerate(zip(ids, names, strict=True))
    ]
    countries, firms = ["france", "land0", "land1"], ["acme", *(f"firm{i}" for i in range(5))]
    edges = [(f"city{i}", "LOCATED_IN", countries[i % 3]) for i in range(6)]
    for i, uid in enumerate(ids):
        edges += [(uid, "LIVES_IN", f"city{i % 6}"), (uid, "KNOWS", ids[(i + 6) % len(ids)])]
        edges += [(uid, "WORKS_AT", firms[(i + 1) % 6]), (uid, "HAS_SKILL", f"skill{i % 6}")]
        if uid != "ada":
            edges += [(uid, "CITIZEN_OF", countries[i % 3]), (uid, "OCCUPATION", f"trade{i % 3}")]
    return nodes, [dict(zip(("head", "type", "tail"), edge, strict=True)) for edge in edges]


@pytest.fixture(scope="module")
def login(guarded: EmbeddedNeo4j) -> Iterator[Driver]:
    """A driver of somebody with a name."""
    with GraphDatabase.driver(guarded.bolt_uri, auth=("neo4j", PASSWORD), notifications_min_severity="OFF") as driver:
        yield driver


@pytest.fixture(scope="module")
def service(
    on_line_5: None,
    guarded: EmbeddedNeo4j,
    login: Driver,
    service_port: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RelationPredictor]:
    """The service before a model of these people, everything published; who decides is logged in."""
    empty(login)
    load(login, *people())
    more = {
        "timeout_seconds = 20": f"timeout_seconds = 20\npassword = '{PASSWORD}'",
        "minutes = 0.2": "minutes = 0.05",
        "min_probability = 0.05": "min_probability = 0.001\nexpire_days = 30\nshrink_guard = 0",
    }
    file = write_settings(tmp_path_factory.mktemp("people"), guarded.bolt_uri, service_port, more)
    with RelationPredictor.open(load_settings(file)) as predictor, listening(predictor, service_port):
        predictor.fit()
        predictor.publish()
        predictor.ready()
        yield predictor
    empty(login)
    ask(login, "DROP INDEX predicted_works_at IF EXISTS")


@pytest.mark.parametrize("query", examples())
def test_an_example_runs(service: RelationPredictor, login: Driver, query: str) -> None:
    parameters = {"types": TYPES, "run": service.runs()[0].id}
    for what, statement in BEFORE.items():
        if what in query:
            assert ask(login, statement, **parameters)
    for theirs, ours in OURS.items():
        query = query.replace(theirs, ours)
    found = ask(login, query, **parameters)
    assert found or any(text in query for text in MAY_BE_EMPTY)


def test_there_are_examples() -> None:
    assert len(examples()) > 50
