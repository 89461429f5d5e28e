"""What is known about a graph: plain values, filled in by `schema`, read by everything that judges settings.

Counts are exact. What is said of properties, of ends and of sets of labels comes from a sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["GraphSchema", "LabelInfo", "LabelSet", "PropertyInfo", "RelationInfo"]


@dataclass(frozen=True, slots=True)
class LabelInfo:
    """A label and how many nodes carry it."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Labels that nodes carry together, sorted, and about how many nodes carry just these."""

    labels: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class PropertyInfo:
    """A property of a label or of a relationship type (both called `label`), as a sample shows it.

    kind: string, integer, float, boolean, date, list, mixed or other. fill: share of those that have it. mean_length:
    characters, of strings. distinct: share of its values that are different. examples: some of its values, cut short,
    of strings and of lists of strings. repeated_in: another property that says the same and more. span: the least and
    the greatest of its numbers.
    """

    label: str
    name: str
    kind: str
    fill: float
    mean_length: float
    distinct: float
    examples: tuple[str, ...] = ()
    repeated_in: str = ""
    span: tuple[float, float] | None = None

    @property
    def text_length(self) -> float:
        """Characters of a value, on average; of one that has examples."""
        return self.mean_length or sum(map(len, self.examples)) / len(self.examples)


@dataclass(frozen=True, slots=True)
class RelationInfo:
    """A relationship type, how many edges it has, and the pairs of labels at their ends, the commonest first.

    shares: of the edges, for each pair. The rest is known only where `discover_schema` was asked for it.
    only_head, only_tail: all edges begin (end) at one and the same node. complete_head, complete_tail: labels all of
    whose nodes have exactly one edge of the type, with that end at them; '' where there are none. same, inverse: the
    share of its edges beside which another type holds as well, in the same or in the other direction.
    """

    name: str
    count: int
    ends: tuple[tuple[str, str], ...]
    shares: tuple[float, ...] = ()
    only_head: bool = False
    only_tail: bool = False
    complete_head: str = ""
    complete_tail: str = ""
    same: Mapping[str, float] = field(default_factory=dict)
    inverse: Mapping[str, float] = field(default_factory=dict)
    properties: tuple[PropertyInfo, ...] = ()


@dataclass(frozen=True)
class GraphSchema:
    """All of it, each part sorted by name. `known_properties` are all keys of the store, sampled or not.

    copies: (label, property) to the relationship type that says the same, since the property holds what identifies the
    node at its other end.
    """

    nodes: int
    labels: tuple[LabelInfo, ...]
    relations: tuple[RelationInfo, ...]
    properties: tuple[PropertyInfo, ...]
    unique: frozenset[tuple[str, str]]
    known_properties: frozenset[str]
    label_sets: tuple[LabelSet, ...] = ()
    copies: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels, sorted."""
        return tuple(label.name for label in self.labels)

    @property
    def relation_names(self) -> tuple[str, ...]:
        """The relationship types, sorted."""
        return tuple(relation.name for relation in self.relations)

    def properties_of(self, label: str) -> dict[str, PropertyInfo]:
        """The sampled properties of a label by name."""
        return {info.name: info for info in self.properties if info.label == label}

    def owners_of(self, name: str) -> list[PropertyInfo]:
        """A property of strings as each label has it."""
        return [info for info in self.properties if info.name == name and info.examples]

    def count_of(self, label: str) -> int:
        """How many nodes carry a label; 0 for one that the graph has not."""
        return next((info.count for info in self.labels if info.name == label), 0)
