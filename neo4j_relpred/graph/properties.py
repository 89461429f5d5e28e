"""Properties of sampled nodes and edges: of what kind, how often there, how long, how different."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, LiteralString

from neo4j_relpred.graph.facts import PropertyInfo

__all__ = ["VALUES", "Values", "describe_properties"]

LONGEST_EXAMPLE = 400
EXAMPLES = 200
# Per property: name, type, length of a string, and the value where it can say something: long texts and lists are cut,
# vectors and bytes stay where they are.
VALUES: LiteralString = (
    "[k IN keys(n) | [k, valueType(n[k]), CASE WHEN n[k] IS :: STRING THEN size(n[k]) END, "
    f"CASE WHEN n[k] IS :: STRING THEN left(n[k], {LONGEST_EXAMPLE}) "
    "WHEN n[k] IS :: LIST<STRING NOT NULL> THEN [x IN n[k][..20] | left(x, 100)] "
    "WHEN n[k] IS :: INTEGER OR n[k] IS :: FLOAT OR n[k] IS :: BOOLEAN THEN n[k] ELSE toStringOrNull(n[k]) END]]"
)
REPEATED = 0.95
LEAST_REPEATED = 3

Values = Sequence[Sequence[Any]]  # what VALUES gives for one node or edge


def describe_properties(owner: str, sampled: Sequence[Values]) -> list[PropertyInfo]:
    """The properties of a label or type, sorted by name; `sampled` has an item for each node or edge."""
    held: dict[str, list[Sequence[Any]]] = {}
    for values in sampled:
        for value in values:
            held.setdefault(value[0], []).append(value)
    texts = [{name: text for name, _, length, text in values if length} for values in sampled[:EXAMPLES]]
    return [_described(owner, name, held[name], len(sampled), texts) for name in sorted(held)]


def _described(
    owner: str, name: str, values: Sequence[Sequence[Any]], sampled: int, texts: Sequence[Mapping[str, str]]
) -> PropertyInfo:
    kinds = {_kind_of(kind) for _, kind, _, _ in values}
    told = [_hashable(value) for _, _, _, value in values if value is not None]
    numbers = [float(value) for value in told if isinstance(value, int | float) and math.isfinite(value)]
    lengths = [length for _, _, length, _ in values if length is not None]
    return PropertyInfo(
        label=owner,
        name=name,
        kind=kinds.pop() if len(kinds) == 1 else "mixed",
        fill=len(values) / sampled,
        mean_length=fmean(lengths) if lengths else 0.0,
        distinct=len(set(told)) / len(values),
        examples=tuple(_examples(values)),
        repeated_in=_repeated_in(name, texts),
        span=(min(numbers), max(numbers)) if numbers else None,
    )


def _examples(values: Iterable[Sequence[Any]]) -> list[str]:
    """Strings, and lists of strings as one text each."""
    found = [value if isinstance(value, str) else ", ".join(value) for _, kind, _, value in values if _is_text(kind)]
    return found[:EXAMPLES]


def _is_text(value_type: str) -> bool:
    return value_type.startswith(("STRING", "LIST<STRING"))


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _kind_of(value_type: str) -> str:
    first = value_type.removesuffix(" NOT NULL")
    if first.startswith("LIST"):
        return "list"
    if first in ("STRING", "INTEGER", "FLOAT", "BOOLEAN"):
        return first.lower()
    return "date" if first.startswith(("DATE", "LOCAL", "ZONED", "DURATION")) else "other"


def _repeated_in(name: str, texts: Sequence[Mapping[str, str]]) -> str:
    """The property whose texts hold the texts of `name`, word for word; '' where there is none."""
    having = [node for node in texts if name in node]
    if len(having) < LEAST_REPEATED:
        return ""
    for other in sorted({key for node in having for key in node if key != name}):
        longer = sum(
            len(node[other]) > len(node[name]) and node[name].casefold() in node[other].casefold()
            for node in having
            if other in node
        )
        if longer >= REPEATED * len(having):
            return other
    return ""
