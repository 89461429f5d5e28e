"""Quoted names mean exactly themselves, under the rules by which the server reads a statement."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.errors import InvalidSettings
from neo4j_relpred.graph.names import LONGEST_NAME, quoted

HOSTILE = st.text(
    st.one_of(st.sampled_from("`\\u0065cC{} ;\n"), st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    min_size=1,
    max_size=40,
)


def as_the_server_reads(statement: str) -> tuple[str, str]:
    """The name at the start of a statement and what follows it: escapes are decoded first, and once."""
    decoded = re.sub(r"\\u+([0-9a-fA-F]{4})", lambda found: chr(int(found.group(1), 16)), statement)
    assert decoded[0] == "`"
    name, position = "", 1
    while True:
        if decoded[position] != "`":
            name += decoded[position]
            position += 1
        elif decoded[position + 1 : position + 2] == "`":
            name += "`"
            position += 2
        else:
            return name, decoded[position + 1 :]


@given(HOSTILE)
def test_a_quoted_name_is_read_as_itself_and_ends_where_it_should(name: str) -> None:
    assert as_the_server_reads(quoted(name) + ") RETURN 1") == (name, ") RETURN 1")


@pytest.mark.parametrize(
    "name", ["a\\u0060) DETACH DELETE n //", "`", "``", "\\", "\\\\u0060", "\\uuu0060", "\\u005Cu0060"]
)
def test_known_tricks_stay_inside_the_name(name: str) -> None:
    assert as_the_server_reads(quoted(name) + " x") == (name, " x")


def test_plain_names_are_only_put_between_back_ticks() -> None:
    assert quoted("WORKS_AT") == "`WORKS_AT`"


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "x" * (LONGEST_NAME + 1)], ids=["empty", "nul", "half", "long"])
def test_names_that_cannot_exist_are_refused(name: str) -> None:
    with pytest.raises(InvalidSettings):
        quoted(name)
