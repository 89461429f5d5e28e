"""How property values of Neo4j become text."""

from __future__ import annotations

import re

__all__ = ["as_text"]

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
