"""Writes the path of a rule as Cypher that can be put behind MATCH."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import LiteralString, cast

from neo4j_relpred.data.explanation import FiredRule, Step
from neo4j_relpred.errors import InvalidSettings
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.triples import EntityId

__all__ = ["pattern_of"]

ELEMENT_ID = re.compile(r"[\w:.-]+", re.ASCII)  # nothing that could end a string or begin an escape


def pattern_of(rule: FiredRule, element_id_of: Callable[[EntityId], str]) -> LiteralString:
    """The path from `h` to `t`, over `x1`, `x2`; the node that the rule names is bound by its element id.

    An element id and not a key: it needs no label, has one spelling, and is looked up without an index. Raises
    InvalidSettings for names that no type can have, and what `element_id_of` raises.
    """
    path = rule.bindings[0]
    last = len(path) - 1
    written: LiteralString = "(h)"
    for place, step in enumerate(rule.steps, start=1):
        node = cast(LiteralString, "t" if place == last else f"x{place}")  # type: ignore[redundant-cast]
        if place == rule.constant and path[place].id == path[0].id:
            node = "h"
        elif place == rule.constant and path[place].id == path[last].id:
            node = "t"
        elif place == rule.constant:
            node += f" WHERE elementId({node}) = '{_plain(element_id_of(path[place].id))}'"
        written += f"{_arrow(step)}({node})"
    return written


def _arrow(step: Step) -> LiteralString:
    before, behind = {"out": ("", ">"), "in": ("<", ""), "either": ("", "")}[step.direction]
    return f"{before}-[:{quoted(step.relation)}]-{behind}"


def _plain(element_id: str) -> LiteralString:
    if not ELEMENT_ID.fullmatch(element_id):
        raise InvalidSettings(f"{element_id[:40]!r} is no element id of Neo4j.", hint="`relpred snapshot` reads them.")
    return cast(LiteralString, element_id)  # type: ignore[redundant-cast]
