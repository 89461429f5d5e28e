"""Decisions: accepted triples become real, rejected ones stay away, both outlive whatever comes after."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import neo4j
import pytest

from neo4j_relpred.config import GraphSettings, PublishingSettings
from neo4j_relpred.data.target_set import TargetEdge, TargetSet
from neo4j_relpred.errors import UnknownRelation
from neo4j_relpred.graph.client import Counters, GraphClient, Neo4jClient
from neo4j_relpred.graph.decisions import Wish, decide, decided, list_decisions, withdraw
from neo4j_relpred.graph.pending import list_pending
from neo4j_relpred.graph.writer import PublicationPlan, publish
from neo4j_relpred.triples import Evidence, Query, ScoredTriple, Triple
from tests.integration.graphs import Town, ask, predicted

pytestmark = pytest.mark.usefixtures("clean_graph")

GRAPH = GraphSettings(keys={"Item": "id"}, names=("name",))
YES, NO = Triple("1", "NEXT", "5"), Triple("2", "NEXT", "7")


def edge(triple: Triple, probability: float = 0.8) -> TargetEdge:
    return TargetEdge.of(ScoredTriple(triple, 1.5, probability, 1, Evidence("why")), "default@1", "r")


TARGET = TargetSet.of([edge(YES), edge(NO), edge(Triple("3", "NEXT", "8"), 0.55), edge(Triple("3", "LIKES", "4"))])


def plan(run: str = "r1", **changes: Any) -> PublicationPlan:
    return replace(PublicationPlan(GRAPH, PublishingSettings(shrink_guard=0), run, "default"), **changes)


@pytest.fixture
def items(driver: neo4j.Driver, clean_graph: object) -> None:
    ask(
        driver,
        "UNWIND range(0, 9) AS i CREATE (:Item {id: i, name: 'item ' + i}) "
        "WITH count(*) AS done MATCH (a:Item), (b:Item) WHERE b.id = (a.id + 1) % 10 CREATE (a)-[:NEXT]->(b)",
    )


@pytest.fixture
def published(client: Neo4jClient, items: None) -> None:
    publish(client, TARGET, plan())


def real(driver: neo4j.Driver, triple: Triple) -> list[dict[str, Any]]:
    found = ask(
        driver,
        "MATCH (h:Item)-[r]->(t:Item) WHERE toString(h.id) = $head AND toString(t.id) = $tail AND type(r) = $relation "
        "RETURN properties(r) AS p",
        head=triple.head,
        relation=triple.relation,
        tail=triple.tail,
    )
    return [row["p"] for row in found]


def proposed(client: GraphClient) -> set[Triple]:
    return {one.triple for one in list_pending(client, GRAPH)}


@pytest.mark.usefixtures("published")
def test_accepting_makes_the_relationship_and_takes_the_predicted_edge_away(
    driver: neo4j.Driver, client: Neo4jClient
) -> None:
    assert decide(client, GRAPH, [Wish(YES, "accepted", note="seen it")], "anna") == {"accepted": 1}
    (made,) = real(driver, YES)
    assert made.pop("relpredAcceptedAt").to_native().year >= 2026
    assert len(made.pop("relpredKey")) == 64
    assert made == {
        "relpredProbability": 0.8,
        "relpredModel": "default@1",
        "relpredRun": "r1",
        "relpredAcceptedBy": "anna",
    }
    assert YES not in proposed(client)
    (decision,) = list_decisions(client)
    assert (decision.triple, decision.verdict, decision.by, decision.note) == (YES, "accepted", "anna", "seen it")
    assert (decision.probability, decision.model) == (0.8, "default@1")


@pytest.mark.usefixtures("published")
def test_rejecting_takes_the_predicted_edge_away_for_good(driver: neo4j.Driver, client: Neo4jClient) -> None:
    assert decide(client, GRAPH, [Wish(NO, "rejected", "wrong-kind")], "anna") == {"rejected": 1}
    assert NO not in proposed(client)
    report = publish(client, TARGET, plan("r2"))
    assert (report.created, report.unchanged, report.skipped) == (0, 3, {"decided by a person": 1})
    assert NO not in proposed(client)
    assert decided(client, "rejected") == [NO]
    assert list_decisions(client, relation="NEXT")[0].reason == "wrong-kind"
    assert list_decisions(client, relation="LIKES") == []


@pytest.mark.usefixtures("published")
def test_deciding_twice_is_deciding_once(driver: neo4j.Driver, client: Neo4jClient) -> None:
    for _ in range(2):
        decide(client, GRAPH, [Wish(YES, "accepted"), Wish(NO, "rejected")], "anna")
    assert len(real(driver, YES)) == 1
    assert [(d.triple, d.probability) for d in sorted(list_decisions(client), key=lambda d: d.triple)] == [
        (YES, 0.8),
        (NO, 0.8),
    ]


@pytest.mark.usefixtures("published")
def test_a_decision_can_be_turned_round(driver: neo4j.Driver, client: Neo4jClient) -> None:
    decide(client, GRAPH, [Wish(YES, "accepted")], "anna")
    decide(client, GRAPH, [Wish(YES, "rejected")], "ben")
    assert real(driver, YES) == []
    assert decided(client, "rejected") == [YES]
    decide(client, GRAPH, [Wish(YES, "accepted")], "anna")
    assert len(real(driver, YES)) == 1
    assert decided(client, "rejected") == []


@pytest.mark.usefixtures("published")
def test_withdrawing_leaves_the_graph_as_if_nobody_had_decided(driver: neo4j.Driver, client: Neo4jClient) -> None:
    before = predicted(driver)
    decide(client, GRAPH, [Wish(YES, "accepted"), Wish(NO, "rejected")], "anna")
    assert withdraw(client, GRAPH, [YES, NO, Triple("0", "NEXT", "9")]) == 2
    assert real(driver, YES) == []
    assert list_decisions(client) == []
    publish(client, TARGET, plan("r2"))
    assert predicted(driver) == before


@pytest.mark.usefixtures("published")
def test_a_relationship_of_peoples_own_is_neither_doubled_nor_taken_away(
    driver: neo4j.Driver, client: Neo4jClient
) -> None:
    ask(driver, "MATCH (a:Item {id: 1}), (b:Item {id: 5}) CREATE (a)-[:NEXT {by: 'hand'}]->(b)")
    decide(client, GRAPH, [Wish(YES, "accepted")], "anna")
    assert real(driver, YES) == [{"by": "hand"}]
    decide(client, GRAPH, [Wish(YES, "rejected")], "anna")
    withdraw(client, GRAPH, [YES])
    assert real(driver, YES) == [{"by": "hand"}]


@pytest.mark.usefixtures("published")
def test_what_cannot_be_accepted_is_counted_and_what_is_gone_can_be_rejected(
    driver: neo4j.Driver, client: Neo4jClient
) -> None:
    ask(driver, "CREATE (:Item {id: '4'})")
    wishes = [Wish(Triple("1", "NEXT", "nobody"), "accepted"), Wish(Triple("1", "NEXT", "4"), "accepted")]
    assert decide(client, GRAPH, wishes, "anna") == {"missing node": 1, "ambiguous node": 1}
    assert list_decisions(client) == []
    gone = Triple("1", "NEXT", "nobody")
    assert decide(client, GRAPH, [Wish(gone, "rejected")], "anna") == {"rejected": 1}
    ask(driver, "CREATE (:Item {id: 'nobody'})")
    report = publish(client, TargetSet.of([*TARGET, edge(gone)]), plan("r2"))
    assert report.skipped == {"decided by a person": 1}


@pytest.mark.usefixtures("published")
def test_a_decision_outlives_its_nodes(driver: neo4j.Driver, client: Neo4jClient) -> None:
    decide(client, GRAPH, [Wish(NO, "rejected")], "anna")
    ask(driver, "MATCH (n:Item {id: 7}) DETACH DELETE n")
    ask(driver, "CREATE (:Item {id: 7})")
    publish(client, TARGET, plan("r2"))
    assert NO not in proposed(client)


@pytest.mark.usefixtures("published")
def test_a_decision_made_while_a_publication_goes_on_holds(driver: neo4j.Driver, client: Neo4jClient) -> None:
    more = Triple("4", "NEXT", "9")

    class Deciding:
        """A client that decides right before edges are created."""

        done = False

        def read(self, query: str, /, **parameters: Any) -> Any:
            return client.read(query, **parameters)

        def write(self, query: str, /, **parameters: Any) -> Counters:
            if "PREDICTED_NEXT" in query and "CREATE" in query and not self.done:
                self.done = True
                decide(client, GRAPH, [Wish(more, "rejected"), Wish(YES, "accepted")], "anna")
            return client.write(query, **parameters)

        def schema(self, query: str, /) -> None:
            client.schema(query)

        def close(self) -> None:
            client.close()

    publish(Deciding(), TargetSet.of([*TARGET, edge(more)]), plan("r2"))
    assert proposed(client) == {one for one in (NO, Triple("3", "NEXT", "8"), Triple("3", "LIKES", "4"))}
    assert len(real(driver, YES)) == 1


@pytest.mark.usefixtures("published")
def test_what_waits_is_listed_with_names_in_the_order_that_is_asked_for(client: Neo4jClient) -> None:
    first, *_ = list_pending(client, GRAPH, order="uncertain")
    assert (first.triple, first.head_name, first.tail_name) == (Triple("3", "NEXT", "8"), "item 3", "item 8")
    assert (first.probability, first.model, first.run, first.evidence) == (0.55, "default@1", "r1", "why")
    assert [one.triple for one in list_pending(client, GRAPH, min_probability=0.6, most=2)] == [YES, NO]
    assert [one.triple.tail for one in list_pending(client, GRAPH, relation="LIKES")] == ["4"]
    with pytest.raises(UnknownRelation, match="Did you mean LIKES"):
        list_pending(client, GRAPH, relation="LIKE")


def test_decisions_outlive_training_publication_and_undo(town: Town) -> None:
    with town.predictor() as predictor:
        predictor.snapshot()
        first = predictor.publish()
        waiting = [one.triple for one in predictor.review.pending()]
        assert len(waiting) >= 20
        yes, no = waiting[:10], waiting[10:20]
        wishes = [Wish(t, "accepted") for t in yes] + [Wish(t, "rejected", "unsupported") for t in no]
        assert predictor.review.decide(wishes, "anna") == {"accepted": 10, "rejected": 10}

        def stands() -> None:
            assert {d.triple for d in predictor.review.decisions()} == {*yes, *no}
            assert not {one.triple for one in predictor.review.pending()} & {*yes, *no}
            made = ask(town.driver, "MATCH ()-[r]->() WHERE r.relpredKey IS NOT NULL RETURN count(*) AS n")
            assert made == [{"n": 10}]

        stands()
        question = Query(head=no[0].head, relation=no[0].relation)
        assert no[0] not in {one.triple for one in predictor.predict(question, 50)}
        predictor.fit()
        second = predictor.publish(confirm_shrink=True)
        stands()
        predictor.undo(second.run)
        stands()
        predictor.undo(first.run)
        stands()
        whole = predictor.review.precision()[0]
        assert (whole.relation, whole.accepted, whole.decided, whole.precision) == (None, 10, 20, 0.5)
    assert "all types" in town.cli("model", "show").out


def test_reviewing_by_commands_and_by_a_file(town: Town, tmp_path: Path) -> None:
    assert town.cli("publish").code == 0
    listed = town.cli("review", "list", "--most", "3", "--json").json
    first, second, third = ([row["head"], row["relation"], row["tail"]] for row in listed)
    assert town.cli("review", "accept", *first).out == f"Accepted: {' '.join(first)}.\n"
    assert town.cli("review", "reject", *second, "--reason", "duplicate", "--by", "anna").code == 0
    decided = town.cli("review", "list", "--decided", "--json").json
    assert (decided[0]["decision"], decided[0]["reason"], decided[0]["by"]) == ("reject", "duplicate", "anna")
    assert town.cli("review", "withdraw", *first).out == "The decision is withdrawn.\n"
    again = town.cli("review", "withdraw", *first)
    assert (again.code, "review list --decided" in again.err) == (2, True)
    file = tmp_path / "pending.csv"
    assert town.cli("review", "export", str(file)).code == 0
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("head,relation,tail,head_name,tail_name,probability,evidence,decision,reason,note")
    marked = [line.replace(",,,", ",accept,,", 1) if line.startswith(",".join(third)) else line for line in lines]
    file.write_text("\n".join(marked) + "\n", encoding="utf-8")
    assert town.cli("review", "import", str(file)).out == "1 accepted.\n"
    file.write_text("\n".join(marked).replace(",accept,", ",perhaps,"), encoding="utf-8")
    wrong = town.cli("review", "import", str(file))
    assert (wrong.code, "decision 'perhaps'" in wrong.err) == (2, True)
    assert town.cli("admin", "lease", "list").code == 0
    assert "free already" in town.cli("admin", "lease", "break", "publish").out
