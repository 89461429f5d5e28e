"""How property values of Neo4j become text."""

from __future__ import annotations

from typing import Any

__all__ = ["as_text"]


def as_text(value: Any) -> str:
    """The value as a person would read it; '' for nothing, and for bytes, which nobody reads.

    Dates and times in ISO form, lists joined by commas, points by their coordinates.
    """
    if value is None or isinstance(value, bytes | bytearray):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):  # points of the driver are tuples of their coordinates
        return ", ".join(text for text in map(as_text, value) if text)
    iso = getattr(value, "iso_format", None)
    return str(iso()) if callable(iso) else str(value)
