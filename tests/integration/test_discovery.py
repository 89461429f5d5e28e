"""`relpred init` on a real graph: what it finds, what it proposes, and how it looks later on."""

# ruff: noqa: RUF001 - Chinese marks are meant

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import neo4j
import pytest

from neo4j_relpred.config import GraphSettings, load_settings
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.facts import GraphSchema
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.graph.proposal import Proposal, propose
from neo4j_relpred.graph.proposed_keys import SampleProbe, StoreProbe
from neo4j_relpred.graph.schema import check_settings, discover_schema
from tests.integration.graphs import ask, relpred

pytestmark = pytest.mark.usefixtures("clean_graph")

# Twenty shops in five towns of one country. Each stands in exactly one town; a town has its shops, told the other way
# round; who is served is written on the edge; some staff are also on the board.
SHOPS = """
    CREATE (land:Country {code: 'XX', name: 'Nowhere'})
    WITH land UNWIND range(0, 4) AS i
    CREATE (t:Town {name: 'Town ' + ['of the Hill', 'by the Sea', 'in the Woods', 'on the River', 'at the Lake'][i]})
    CREATE (t)-[:IN]->(land)
    WITH collect(t) AS towns UNWIND range(0, 19) AS i
    WITH towns[i % 5] AS t, i
    CREATE (s:Shop {shopId: i, shopName: 'The shop of number ' + i, townName: t.name,
                    about: 'Sells ' + ['bread and cakes', 'books and maps'][i % 2] + ' to everybody nearby',
                    page: 'https://example.org/' + i})
    CREATE (s)-[:STANDS_IN]->(t), (t)-[:HAS]->(s)
    WITH collect(s) AS shops UNWIND range(0, 29) AS i
    CREATE (p:Person {name: 'Person', mail: 'p' + i + '@example.org'})
    FOREACH (_ IN CASE WHEN i < 3 THEN [1] ELSE [] END | SET p:Board)
    FOREACH (s IN [shops[i % 20], shops[(i * 7 + 1) % 20]] | CREATE (p)-[:BUYS_AT {since: 1990 + i, times: i}]->(s))
    FOREACH (s IN CASE WHEN i < 4 THEN [shops[i]] ELSE [] END | CREATE (p)-[:OWNS]->(s))
"""
HOSTILE = ["a`b", "a\\u0060) DETACH DELETE n //", "\\", "{}", "x\ny", "'\"", " ", "é😀", "人物 关系", "# [graph]"]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def look(client: Neo4jClient, **more: Any) -> GraphSchema:
    return discover_schema(client, GraphSettings(), thorough=True, **more)


def proposed(client: Neo4jClient, **more: Any) -> Proposal:
    found = look(client, **more)
    return propose(found, StoreProbe(client, SampleProbe(found)))


def test_what_is_complete_one_sided_and_said_twice_is_found(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, SHOPS)
    found = look(client)
    types = {info.name: info for info in found.relations}
    assert (types["IN"].only_tail, types["IN"].only_head) == (True, False)
    assert (types["STANDS_IN"].complete_head, types["STANDS_IN"].complete_tail) == ("Shop", "")
    assert types["HAS"].complete_tail == "Shop"
    assert types["STANDS_IN"].inverse == {"HAS": 1.0}
    assert types["BUYS_AT"].complete_head == types["BUYS_AT"].complete_tail == ""
    assert types["BUYS_AT"].ends == (("Person", "Shop"), ("Board", "Shop"))
    assert types["BUYS_AT"].shares == (1.0, 0.1)
    assert {(p.name, p.kind, p.fill) for p in types["BUYS_AT"].properties} == {
        ("since", "integer", 1.0),
        ("times", "integer", 1.0),
    }
    assert {(s.labels, s.count) for s in found.label_sets} >= {(("Board", "Person"), 3), (("Person",), 27)}
    assert found.copies == {("Shop", "townName"): "STANDS_IN"}


def test_what_is_proposed_is_what_a_person_would_choose(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, SHOPS)
    ask(driver, "CREATE CONSTRAINT FOR (n:Person) REQUIRE n.mail IS UNIQUE")
    found = proposed(client)
    assert found.keys == {"Person": "mail", "Shop": "shopId", "Town": "name", "Country": "code"}
    assert found.names == ("name", "shopName")
    assert found.texts == ("about",)
    assert [p.name for p in found.edge_properties] == ["since", "times"]
    assert [p.name for p in found.time_properties] == ["since"]
    assert found.types.relations == ("BUYS_AT",)
    assert found.types.left_out["OWNS"] == "too few edges to learn from: 4"


def test_one_value_twice_among_thousands_is_no_key(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(driver, "UNWIND range(1, 3000) AS i CREATE (:Item {id: i, serial: 'S' + i, name: 'Item ' + i})")
    assert proposed(client).keys == {"Item": "id"}
    ask(driver, "MATCH (n:Item {id: 1777}) SET n.id = 1778")
    assert proposed(client).keys == {"Item": "serial"}
    ask(driver, "MATCH (n:Item {serial: 'S9'}) REMOVE n.serial")
    assert proposed(client).keys == {"Item": "name"}


def test_a_sample_does_not_prefer_what_was_created_first(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(
        driver,
        "UNWIND range(0, 2999) AS i WITH i, CASE WHEN i < 1000 THEN 1 END AS old "
        "CREATE (n:Item {id: i, old: old}) CREATE (n)-[:SELF {old: old}]->(n)",
    )
    found = look(client, sample=300)
    assert found.properties_of("Item")["old"].fill == pytest.approx(1 / 3, abs=0.12)
    (on_edges,) = found.relations[0].properties
    assert on_edges.fill == pytest.approx(1 / 3, abs=0.12)
    assert look(client, sample=300) == found


def test_hostile_names_are_proposed_written_and_checked(
    driver: neo4j.Driver, client: Neo4jClient, server: Any, here: Path
) -> None:
    for name in HOSTILE:
        n, key, text = quoted(name), quoted("id" + name), quoted(name + "text")
        client.write(
            f"UNWIND range(1, 12) AS i CREATE (a:{n} {{{key}: i, {text}: 'A story about all the things number ' + i}}) "
            f"WITH collect(a) AS all UNWIND all AS a UNWIND all AS b WITH a, b WHERE a.{key} < b.{key} "
            f"CREATE (a)-[:{n} {{{n}: a.{key} * 1.5}}]->(b)"
        )
    init = relpred("init", "--uri", server.bolt_uri)
    assert init.code == 0, init.err
    settings = load_settings(here / "relpred.toml")
    found = look(client)
    assert found.label_names == found.relation_names == tuple(sorted(HOSTILE))
    check_settings(found, settings.graph)
    assert set(settings.graph.edge_properties) == set(HOSTILE)
    assert {*settings.graph.names, *settings.graph.texts} >= {name + "text" for name in HOSTILE}
    check = relpred("init", "--check", "--json")
    assert (check.code, [f for f in check.json["findings"] if f["level"] == "error"]) == (0, [])
    assert not [f for f in check.json["findings"] if "new to the file" in f["found"]]


def test_chinese_graphs_are_understood(driver: neo4j.Driver, client: Neo4jClient) -> None:
    ask(
        driver,
        "UNWIND range(0, 19) AS i CREATE (a:人物 {编号: 'R' + i, "
        "姓名: ['甄', '贾', '林', '薛'][i % 4] + toString(i) + '官', "
        "简介: ['寄居贾府的才女，性情孤高', '荣国府的公子，厌恶功名'][i % 2], "
        "生日: '17' + (10 + i) + '年4月26日'}) "
        "WITH collect(a) AS all UNWIND range(0, 19) AS i WITH all[i] AS a, all[(i * 3 + 1) % 20] AS b, "
        "all[(i * 7 + 2) % 20] AS c CREATE (a)-[:认识]->(b), (a)-[:认识]->(c)",
    )
    found = proposed(client)
    assert (found.keys, found.names, found.texts) == ({"人物": "编号"}, ("姓名",), ("简介",))
    assert found.types.relations == ("认识",)


def test_init_writes_a_file_that_fits_and_tells_later_what_does_not(
    driver: neo4j.Driver, server: Any, here: Path
) -> None:
    ask(driver, SHOPS)
    init = relpred("init", "--uri", server.bolt_uri, "--json")
    assert init.code == 0
    assert init.json["predicted"] == ["BUYS_AT"]
    assert (here / "relpred.toml").is_file()
    fits = relpred("init", "--check")
    assert (fits.code, fits.out) == (0, "relpred.toml fits the graph.\n")

    ask(driver, "MATCH (s:Shop {shopId: 3}) SET s.shopId = 4")
    ask(driver, "MATCH (s:Shop) SET s.history = 'Founded by the grandfather of the owner, ' + s.about REMOVE s.about")
    ask(driver, "MATCH (:Person)-[r:BUYS_AT]->() WITH r SKIP 5 DELETE r")
    ask(driver, "MATCH (s:Shop) WITH s LIMIT 2 CREATE (s)<-[:`SUPPLIED BY`]-(:Wholesaler)")
    later = relpred("init", "--check", "--json")
    assert later.code == 1
    found = {(f["level"], f["setting"]): f["found"] for f in later.json["findings"]}
    assert found["error", "graph.keys"] == "Shop.shopId is not unique: 20 nodes have 19 values."
    assert "BUYS_AT: too few edges" in found["warning", "publishing.relations"]
    told = json.dumps(later.json)
    for new in ("'Wholesaler' is new", "'SUPPLIED BY' is new", "'history' of Shop reads like a text"):
        assert new in told, new
    assert "not unique" in relpred("init", "--check").out


def test_a_misspelt_name_and_a_bad_template_are_told_with_a_remedy(
    driver: neo4j.Driver, server: Any, here: Path
) -> None:
    ask(driver, SHOPS)
    file = here / "mine.toml"
    graph = f'[graph]\nuri = "{server.bolt_uri}"\nkeys = {{ Shop = "shopId" }}\ntexts = ["abuot"]\n'
    file.write_text(graph + 'templates = { Shop = "{shopname}: {about}" }\n', encoding="utf-8")
    wrong = relpred("--config", str(file), "init", "--check")
    assert wrong.code == 1
    assert "Did you mean about" in wrong.out
    assert "Did you mean shopName" in wrong.out
    file.write_text(graph + 'templates = { Shop = "{shopName!r}" }\n', encoding="utf-8")
    broken = relpred("--config", str(file), "init", "--check")
    assert broken.code == 2
    assert "character 1" in broken.err
    missing = relpred("--config", str(here / "none.toml"), "init", "--check")
    assert missing.code == 2


def test_an_empty_graph_gives_a_file_and_a_warning(server: Any, here: Path) -> None:
    init = relpred("init", "--uri", server.bolt_uri)
    assert init.code == 0
    assert "no relationships yet" in init.err
    assert load_settings(here / "relpred.toml").graph.keys == {}
