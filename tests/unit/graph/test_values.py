"""Property values as text."""

from __future__ import annotations

import pytest
from neo4j.spatial import WGS84Point
from neo4j.time import Date, DateTime, Duration

from neo4j_relpred.graph.values import as_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("plain ", "plain "),
        (True, "true"),
        (7, "7"),
        (2.5, "2.5"),
        (Date(2020, 1, 31), "2020-01-31"),
        (DateTime(2020, 1, 31, 12, 30), "2020-01-31T12:30:00"),
        (Duration(days=3), "P3D"),
        (["a", "", "b", 3], "a, b, 3"),
        ([], ""),
        (b"\x00\x01", ""),
        (WGS84Point((1.5, 2.5)), "1.5, 2.5"),
    ],
)
def test_values_read_as_a_person_would_read_them(value: object, text: str) -> None:
    assert as_text(value) == text
