"""What is scored for publishing: everything, what a person chose, or what changed; and what that would take."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from neo4j_relpred.errors import InvalidQuery, InvalidSettings
from neo4j_relpred.triples import Triple
from tests.integration.graphs import Town, ask, predicted

TRIPLE = ("head", "relation", "tail")


def told(town: Town) -> list[Triple]:
    return [Triple(edge[0], edge[1].removeprefix("PREDICTED_"), edge[2]) for edge in predicted(town.driver).values()]


def test_given_triples_are_judged_and_nothing_else(
    town: Town, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of their types, the graph has what was given and is probable enough; other types stay as they are."""
    with town.predictor() as predictor:
        predictor.publish()
    before = told(town)
    skills = [triple for triple in before if triple.relation == "HAS_SKILL"]
    others = [triple for triple in before if triple.relation != "HAS_SKILL"]
    assert len(skills) > 2
    assert others
    (real,) = ask(town.driver, "MATCH (h:Thing)-[:HAS_SKILL]->(t:Thing) RETURN h.uid AS h, t.uid AS t LIMIT 1")
    file = tmp_path / "some.csv"
    rows = [*skills[:2], skills[0], Triple(real["h"], "HAS_SKILL", real["t"])]
    file.write_text("head,relation,tail\n" + "".join(f"{r.head},{r.relation},{r.tail}\n" for r in rows))
    done = town.cli("publish", "--candidates", str(file), "--min-probability", "0", "--confirm-shrink")
    assert done.code == 0, done.err
    assert "2 candidates are given twice, or are relationships already" in caplog.text
    assert sorted(told(town)) == sorted([*skills[:2], *others])
    judged = predicted(town.driver)
    with town.predictor() as predictor:
        swept = predictor.publish()
        assert len(told(town)) == len(before)
        predictor.undo(swept.run)
    assert predicted(town.driver) == judged


def test_a_query_names_candidates_by_their_nodes_or_their_keys(town: Town) -> None:
    query = (
        "MATCH (h:Thing), (t:Thing)<-[:HAS_SKILL]-() WHERE NOT EXISTS { (h)-[:HAS_SKILL]->(t) } "
        "WITH DISTINCT h, t ORDER BY h.uid, t.uid LIMIT 20 RETURN h AS head, 'HAS_SKILL' AS relation, t.uid AS tail"
    )
    with town.predictor() as predictor:
        candidates = predictor.publishing.candidates(query=query)
        assert len(candidates) == 20
        report = predictor.publish(candidates=candidates, min_probability=0.0)
        assert report.created > 0
        assert set(told(town)) <= set(candidates)
        with pytest.raises(InvalidSettings, match="writes"):
            predictor.publishing.candidates(query="CREATE (n) RETURN n AS head, 'X' AS relation, n AS tail")
        with pytest.raises(InvalidSettings, match="cannot be run"):
            predictor.publishing.candidates(query="MATCH (n RETURN n")
        for wrong in ("RETURN 1 AS head", "RETURN 1 AS head, 'X' AS relation, 2 AS tail"):
            with pytest.raises(InvalidQuery):
                predictor.publishing.candidates(query=wrong)


def test_a_parquet_file_is_read_and_what_is_no_list_of_triples_is_refused(town: Town, tmp_path: Path) -> None:
    good, bad = tmp_path / "some.parquet", tmp_path / "bad.csv"
    pq.write_table(pa.table(dict(zip(TRIPLE, (["a"], ["R"], ["b"]), strict=True))), good)
    bad.write_text("head,tail\na,b\n")
    with town.predictor() as predictor:
        assert predictor.publishing.candidates(good) == [Triple("a", "R", "b")]
        with pytest.raises(InvalidQuery, match="cannot be read"):
            predictor.publishing.candidates(bad)
    refused = town.cli("publish", "--candidates", str(good))
    assert (refused.code, "no node 'a'" in refused.err) == (3, True)
    both = town.cli("publish", "--candidates", str(good), "--changed")
    assert (both.code, "does not go with candidates" in both.err) == (2, True)


def test_only_changed_nodes_are_asked_again_and_the_others_keep_their_edges(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "neo4j_relpred")
    with town.predictor() as predictor:
        first = predictor.publish()
    before = predicted(town.driver)
    (row,) = ask(town.driver, "MATCH (h:Thing)-[e:PREDICTED_HAS_SKILL]->() RETURN h.uid AS h ORDER BY h LIMIT 1")
    ask(town.driver, "MATCH (h:Thing {uid: $h}) SET h.name = h.name + ' the Second'", h=row["h"])
    with town.predictor() as predictor:
        predictor.snapshot()
    done = town.cli("publish", "--changed", "--json")
    assert done.code == 0, done.err
    asked, kept = (int(number) for number in re.findall(r"asked about (\d+) nodes; (\d+) edges", caplog.text)[-1])
    assert 1 <= asked < 60
    after = predicted(town.driver)
    assert 0 < kept <= len([key for key, edge in after.items() if before.get(key) == edge])
    again = town.cli("publish", "--changed", "--json")
    assert "asked about 0 nodes" in caplog.text
    assert (again.json["created"], again.json["updated"], again.json["removed"]) == (0, 0, 0)
    other = town.cli("publish", "--changed", "--min-probability", "0.4", "--confirm-shrink", "--json")
    assert "all nodes are asked" in caplog.text
    assert 0 < other.json["unchanged"] < first.created


def test_an_estimate_says_what_a_sweep_takes_and_changes_nothing(town: Town) -> None:
    shown = town.cli("estimate")
    assert shown.code == 0, shown.err
    assert "HAS_SKILL" in shown.out
    assert "publishing.minutes" in shown.out
    found = town.cli("estimate", "--json").json
    assert found["questions"] == sum(one["heads"] for one in found["types"])
    assert found["triples"] == sum(one["triples"] for one in found["types"]) < found["every"]
    assert predicted(town.driver) == {}
