"""Schemas made by hand, as discovery would find them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neo4j_relpred.graph.facts import GraphSchema, LabelInfo, LabelSet, PropertyInfo, RelationInfo

COUNT = 100


def prop(name: str, *examples: str, kind: str = "string", **changes: Any) -> PropertyInfo:
    """A property of films, filled and unique unless told otherwise."""
    length = sum(map(len, examples)) / len(examples) if examples else 8.0
    values: dict[str, Any] = {"label": "Film", "fill": 1.0, "mean_length": length, "distinct": 1.0} | changes
    return PropertyInfo(name=name, kind=kind, examples=examples, **values)


def relation(name: str, count: int = 50, **facts: Any) -> RelationInfo:
    values: dict[str, Any] = {"ends": (("Film", "Film"),), "shares": (1.0,)} | facts
    return RelationInfo(name, count, **values)


def schema(
    *properties: PropertyInfo,
    relations: tuple[RelationInfo, ...] = (relation("DIRECTED"),),
    labels: Mapping[str, int] | None = None,
    sets: Mapping[tuple[str, ...], int] | None = None,
    **more: Any,
) -> GraphSchema:
    counts = labels or dict.fromkeys(sorted({p.label for p in properties} | {"Film"}), COUNT)
    together = {(name,): number for name, number in counts.items()} if sets is None else sets
    return GraphSchema(
        nodes=sum(together.values()),
        labels=tuple(LabelInfo(name, number) for name, number in sorted(counts.items())),
        relations=relations,
        properties=properties,
        unique=more.pop("unique", frozenset()),
        known_properties=frozenset(p.name for p in (*properties, *(p for r in relations for p in r.properties))),
        label_sets=tuple(LabelSet(several, number) for several, number in sorted(together.items())),
        **more,
    )
