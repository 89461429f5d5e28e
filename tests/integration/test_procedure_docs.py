"""The reference of the procedures says what the server itself says of them; the documentation's examples compile."""

from __future__ import annotations

import re

import pytest
from neo4j import Driver

from neo4j_relpred.demo.server import find_jar
from tests.integration.graphs import ROOT, ask
from tests.integration.test_examples import examples

pytestmark = pytest.mark.skipif(find_jar() is None, reason="the procedure jar is not built: mvn -f procedures package")

PAGE = (ROOT / "docs" / "reference" / "procedures.md").read_text(encoding="utf-8")
SIGNATURE = re.compile(r"^    (relpred\.[\w.]+)\((.*)\)$", re.MULTILINE)


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
