"""Which relationship types can be missing edges, and why the others cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neo4j_relpred.graph.facts import GraphSchema, RelationInfo

__all__ = ["TypeChoice", "choose_types", "why_not_predicted"]

FEW = 10
DERIVED = 0.95  # of the edges of both types join the same nodes


@dataclass(frozen=True, slots=True)
class TypeChoice:
    """The types to predict, those left out with the reason, and whether all were left out and the least bad taken."""

    relations: tuple[str, ...]
    left_out: Mapping[str, str]
    least_bad: bool = False


def choose_types(schema: GraphSchema) -> TypeChoice:
    """Leaves out what has too few edges, one end only, nothing missing, or a twin that says the same."""
    left_out = {info.name: reason for info in schema.relations if (reason := why_not_predicted(schema, info))}
    kept = tuple(info.name for info in schema.relations if info.name not in left_out)
    if kept or not schema.relations:
        return TypeChoice(kept, left_out)
    # What is complete can at least be learned, and holds for new nodes; few edges teach little; one end, nothing.
    best = max(schema.relations, key=lambda info: (not _one_sided(info), info.count >= FEW, info.count))
    del left_out[best.name]
    return TypeChoice((best.name,), left_out, least_bad=True)


def why_not_predicted(schema: GraphSchema, info: RelationInfo) -> str:
    """Why there is nothing to predict of a type; '' where there is."""
    if info.count < FEW:
        return f"too few edges to learn from: {info.count}"
    if _one_sided(info):
        return f"one-sided: all {info.count} edges {'start from' if info.only_head else 'end in'} one node"
    if info.complete_head:
        return f"complete: every {_nodes(info.complete_head)} node has exactly one already"
    if info.complete_tail:
        return f"complete: every {_nodes(info.complete_tail)} node is at the end of exactly one already"
    return _derived(schema, info)


def _one_sided(info: RelationInfo) -> bool:
    return info.only_head or info.only_tail


def _nodes(labels: str) -> str:
    return " and ".join(labels.split(", "))


def _derived(schema: GraphSchema, info: RelationInfo) -> str:
    """The twin that is kept is the one with more edges, else the first by name."""
    others = {other.name: other for other in schema.relations}
    for way in ("same", "inverse"):
        for name, share in getattr(info, way).items():
            other = others.get(name)
            if other is None or share < DERIVED or getattr(other, way).get(info.name, 0.0) < DERIVED:
                continue
            if (-other.count, other.name) < (-info.count, info.name):
                where = "on the same pairs" if way == "same" else "on the same pairs, the other way round"
                return f"derived: {name} holds {where}"
    return ""
