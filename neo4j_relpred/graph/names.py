"""The one place where a label, a relationship type or a property key becomes part of a statement.

Everything else in this room writes statements as literals and hands values over as parameters.
"""

from __future__ import annotations

from typing import LiteralString, cast

from neo4j_relpred.errors import InvalidSettings

__all__ = ["quoted"]

LONGEST_NAME = 65_534  # what the store of the server takes, in bytes of UTF-8


def quoted(name: str) -> LiteralString:
    """The name between back-ticks, so that the server reads exactly this name and nothing more.

    Raises InvalidSettings for names that no label, type or key can have: empty ones, too long ones, and those that
    hold NUL or half of a surrogate pair.
    """
    if not name:
        raise InvalidSettings("A name of a label, relationship type or property is empty.", hint="Give it a name.")
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        size = 0
    if not 0 < size <= LONGEST_NAME or "\0" in name:
        raise InvalidSettings(
            f"{name[:40]!r} cannot be a name in Neo4j.", hint="Names hold no NUL and at most 65,534 bytes of UTF-8."
        )
    # The server decodes \uXXXX before it looks for back-ticks, and only once. So every back-slash is written as the
    # escape of itself: then no sequence of the name is ever read as an escape, \u0060 (a back-tick) least of all.
    exact = name.replace("\\", "\\u005C").replace("`", "``")
    # mypy takes LiteralString for str and calls the cast redundant; checkers that know it do not.
    return cast(LiteralString, f"`{exact}`")  # type: ignore[redundant-cast]
