"""How property values of Neo4j become text, or numbers where they are numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC
from typing import Any

import neo4j.time
import pyarrow as pa

__all__ = ["as_text", "edge_column"]

WHOLE_SECONDS = re.compile(r"\.0+(?!\d)")  # nine zeros behind the point say nothing


def as_text(value: object) -> str:
    """The value as a person would read it; '' for nothing, and for bytes, which nobody reads.

    Dates and times in ISO form, lists joined by commas, points by their coordinates.
    """
    if value is None or isinstance(value, bytes | bytearray):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    iso = getattr(value, "iso_format", None)  # dates, times and durations; these last are tuples as well
    if callable(iso):
        return WHOLE_SECONDS.sub("", str(iso()))
    if isinstance(value, list | tuple):  # points are tuples of their coordinates
        return ", ".join(text for text in map(as_text, value) if text)
    return str(value)


def edge_column(values: Sequence[object]) -> pa.Array[Any]:
    """Values of a property of edges as a column that sorts: numbers where all are, else texts, times in UTC.

    An empty list stands for no value, as the queries of this room write it.
    """
    held = [None if value == [] else value for value in values]
    numbers = [float(value) if isinstance(value, int | float) else None for value in held]
    if all((value is None) == (number is None) for value, number in zip(held, numbers, strict=True)):
        return pa.array(numbers, pa.float64())
    return pa.array([as_text(_in_utc(value)) or None for value in held], pa.large_string())


def _in_utc(value: object) -> object:
    if isinstance(value, neo4j.time.DateTime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    return value
