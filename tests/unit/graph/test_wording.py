"""What strings look like, in any script."""

# ruff: noqa: RUF001 - Chinese marks are meant

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.graph.wording import look_of, word_count, wording_of

LOOKS = {
    "words": (
        "Public order",
        "Toyota",
        "10 boxes x 20 bags",
        "IN_PROGRESS",
        "Sci-Fi",
        "Action/Adventure",
        "178 Polding Street",
        "贾家宁国府",
        "性别：女；年龄：不详",
        "Владимир",
        "Straße",
        "สวัสดี",
        "USA TODAY",
    ),
    "link": ("https://example.org/a?b=c", "www.example.org", "ada@example.org", "urn:isbn:0451450523", "#CAJUN.HTM#"),
    "date": ("24/08/2017", "1996-07-04 00:00:00.000", "2017年8月24日", "Aug 24, 2017", "24.8.17", "2017-08", "00:32"),
    "digest": ("10305fdb9613b698a9fe8a26468564eb", "0x151C2F00020000000D000E", "c0ffee00-1234-5678-9abc-def012345678"),
    "code": (
        "WN3 4NL",
        "0-(070)893-3322",
        "117-66-8129",
        "ALFKI",
        "RY52 APF",
        "xs",
        "12.5%",
        "1234",
        "3.0",
        "10.0.0.1",
        "neo4j-1",
        "photo.png",
        "/usr/share/doc",
        '{"a": "words of all kinds"}',
    ),
    "nothing": ("", "  ", "NULL", "n/a", "-"),
}


@pytest.mark.parametrize(("value", "look"), [(value, look) for look, values in LOOKS.items() for value in values])
def test_a_value_is_seen_for_what_it_is(value: str, look: str) -> None:
    assert look_of(value) == look


def test_words_are_counted_in_scripts_with_and_without_spaces() -> None:
    assert (word_count("the quick brown fox"), word_count("贾家宁国府"), word_count("12")) == (4, 2.5, 0)


def test_values_together_are_what_most_of_them_are() -> None:
    found = wording_of(["NULL", "Sales Representative", "Owner", "Owner"])
    assert (found.filled, found.words, found.length, found.different, found.look) == (0.75, 1.0, 4 / 3, 2, "words")
    assert wording_of([]).look == "nothing"


@given(st.text(max_size=80))
def test_any_text_looks_like_something(text: str) -> None:
    assert look_of(text) in LOOKS
    assert word_count(text) >= 0
