"""The reference of the procedures says what the server itself says of them; its examples are queries that compile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from neo4j import Driver

from neo4j_relpred.demo.server import find_jar
from tests.integration.graphs import ask

pytestmark = pytest.mark.skipif(find_jar() is None, reason="the procedure jar is not built: mvn -f procedures package")

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "reference" / "procedures.md").read_text(encoding="utf-8")
SIGNATURE = re.compile(r"^    (relpred\.[\w.]+)\((.*)\)$", re.MULTILINE)
BLOCK = re.compile(r"(?:^    (?! ).*\n|^     .*\n)+", re.MULTILINE)
FENCE = re.compile(r"^```cypher\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> list[str]:
    """Queries of the page on procedures and of the one for those who know GDS, whose own calls need GDS."""
    blocks = [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in BLOCK.findall(PAGE)]
    blocks += FENCE.findall((DOCS / "guide" / "if-you-know-gds.md").read_text(encoding="utf-8"))
    queries = [query.strip() for block in blocks for query in block.split(";")]
    return [query for query in queries if re.match(r"(MATCH|CALL|RETURN|UNWIND) ?", query) and "gds." not in query]


def test_every_procedure_is_described_by_its_own_signature(driver: Driver) -> None:
    told = {
        row["name"]: row["signature"].partition("(")[2].partition(") ::")[0]
        for row in ask(driver, "SHOW PROCEDURES YIELD name, signature WHERE name STARTS WITH 'relpred.' RETURN *")
    }
    assert dict(SIGNATURE.findall(PAGE)) == {name: arguments for name, arguments in told.items() if name in PAGE}
    tabled = re.findall(r"^\| \[`(relpred\.[\w.]+)`\]\(#\w+\) \| procedure \| (\w+) \|", PAGE, re.MULTILINE)
    modes = ask(driver, "SHOW PROCEDURES YIELD name, mode WHERE name STARTS WITH 'relpred.' RETURN name, mode")
    assert sorted(tabled) == sorted((row["name"], row["mode"]) for row in modes)


@pytest.mark.parametrize("query", examples())
def test_an_example_compiles(driver: Driver, query: str) -> None:
    assert driver.execute_query("EXPLAIN " + query).summary.plan


def test_there_are_examples() -> None:
    assert len(examples()) > 20
