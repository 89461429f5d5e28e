"""The file that `relpred init` writes, for names of any kind."""

from __future__ import annotations

import tomllib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.cli.settings_file import render
from neo4j_relpred.config import GraphSettings, load_settings
from neo4j_relpred.graph.proposal import Proposal, propose
from tests.unit.graph.schemas import prop, relation, schema

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
HOSTILE = [
    "a`b",
    "\\u0060",
    '"',
    "'",
    "x\ny",
    "# no comment",
    "[graph]",
    "= 1",
    "\x7f",
    "\r",
    "名 字",
    "a.b",
    "é😀",
    "\u2028",
]


def rendered(label: str, kind: str, key: str, name: str) -> tuple[Proposal, str]:
    properties = (prop(key, "id1", "id2", label=label), prop(name, "A film about a film", "Two films", label=label))
    types = (relation(kind, ends=((label, label),)), relation(kind + " few", 2, ends=((label, label),)))
    found = schema(*properties, labels={label: 100}, relations=types, unique=frozenset({(label, key)}))
    proposal = propose(found)
    return proposal, render(GraphSettings(), found, proposal)


def check(label: str, kind: str, key: str, name: str) -> None:
    proposal, text = rendered(label, kind, key, name)
    read = tomllib.loads(text)
    assert read["graph"]["keys"] == proposal.keys
    assert tuple(read["graph"]["names"]) == proposal.names
    assert tuple(read["graph"]["texts"]) == proposal.texts
    assert tuple(read["publishing"]["relations"]) == proposal.types.relations == (kind,)
    assert read["graph"]["labels"] == read["graph"]["relations"] == []
    # nothing of a name begins a line of its own
    assert all(line.startswith(("#", "[", " ", "]")) or "=" in line for line in text.split("\n") if line)


@given(NAMES, NAMES, st.tuples(NAMES, NAMES).filter(lambda two: two[0] != two[1]))
def test_any_names_give_a_file_that_says_what_was_proposed(label: str, kind: str, two: tuple[str, str]) -> None:
    check(label, kind, *two)


def test_hostile_names_give_such_a_file_too() -> None:
    for name in HOSTILE:
        check(name, name, name, name + " text")


def test_the_file_can_be_loaded_and_tells_why(tmp_path: Path) -> None:
    many = tuple(prop("id", "a1", "b2", label=f"Label{n}") for n in range(6))
    years = prop("since", label="MADE", kind="integer", span=(1990.0, 2020.0))
    few = relation("RARE", 3)
    types = (relation("MADE", properties=(years,)), relation("SEEN", 30, same={"MADE": 1.0}), few)
    found = schema(*many, relations=types, sets={("Label0", "Label1"): 5, (): 2})
    file = tmp_path / "relpred.toml"
    file.write_text(render(GraphSettings(uri="bolt://db:7687"), found, propose(found)), encoding="utf-8")
    settings = load_settings(file)
    assert settings.graph.uri == "bolt://db:7687"
    assert settings.graph.edge_properties == ("since",)
    assert settings.graph.time_property == ""
    text = file.read_text(encoding="utf-8")
    for line in (
        "(:Label0:Label1): about 5",
        "RARE: too few edges to learn from: 3",
        "SEEN: nearly each of its edges has one of MADE beside it.",
        "since dates the edges of MADE",
        '# time_property = "since"',
        "WARNING: no property identifies the nodes of",
        "() without a label: about 2",
        "CREATE CONSTRAINT IF NOT EXISTS FOR (n:`Label0`) REQUIRE n.`id` IS UNIQUE",
    ):
        assert line in text, line


def test_a_long_table_of_keys_ends_the_section_so_that_no_default_falls_into_it() -> None:
    many = tuple(prop("id", "a1", "b2", label=f"Label {n}") for n in range(6))
    text = render(GraphSettings(), schema(*many), propose(schema(*many)))
    opened = text.replace("# timeout_seconds = ", "timeout_seconds = ")
    read = tomllib.loads(opened)["graph"]
    assert (len(read["keys"]), read["timeout_seconds"]) == (6, 30.0)


def test_no_value_of_the_graph_stands_in_the_file() -> None:
    _, text = rendered("Film", "MADE", "id", "plot")
    assert "A film about" not in text
