"""Settings that fit a graph, guessed from its schema. People correct them; nothing here is binding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from neo4j_relpred.graph.facts import GraphSchema, PropertyInfo
from neo4j_relpred.graph.predictable import TypeChoice, choose_types
from neo4j_relpred.graph.proposed_keys import KeyChoice, KeyProbe, SampleProbe, choose_keys
from neo4j_relpred.graph.proposed_names import naming_properties, ordered_names, plain
from neo4j_relpred.graph.proposed_texts import TextChoice, choose_texts
from neo4j_relpred.graph.wording import wording_of

__all__ = ["EdgeProperty", "Proposal", "propose"]

TIME_WORDS = tuple("date time since year timestamp created when start 日期 时间 年份 年".split())
LEAST_FILL = 0.5
EPOCHS = ((1e9, 2e10), (1e12, 2e13))  # seconds and milliseconds since 1970, as far as anybody's data reaches
YEARS = (1000, 2200)


@dataclass(frozen=True, slots=True)
class EdgeProperty:
    """A number or a time on edges: its name, the types that have it, whether it dates them, and what it holds."""

    name: str
    relations: tuple[str, ...]
    is_time: bool
    kind: str
    fill: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """Values for the settings of the same names, and why."""

    labels: tuple[str, ...]
    relations: tuple[str, ...]
    keys: dict[str, str]
    names: tuple[str, ...]
    texts: tuple[str, ...]
    edge_properties: tuple[EdgeProperty, ...] = ()
    key_choice: KeyChoice = field(default_factory=KeyChoice)
    text_choice: TextChoice = field(default_factory=lambda: TextChoice((), {}))
    types: TypeChoice = field(default_factory=lambda: TypeChoice((), {}))
    naming: Mapping[str, str] = field(default_factory=dict)
    bookkeeping: tuple[str, ...] = ()

    @property
    def time_properties(self) -> tuple[EdgeProperty, ...]:
        """Those that date edges of a type to predict, the most often filled first."""
        dated = [p for p in self.edge_properties if p.is_time and set(p.relations) & set(self.types.relations)]
        return tuple(sorted(dated, key=lambda p: (-p.fill, p.name)))


def propose(schema: GraphSchema, probe: KeyProbe | None = None) -> Proposal:
    """What a person who knows the graph would choose. `probe` looks whether a key is unique in the whole label."""
    naming = naming_properties(schema)
    key_choice = choose_keys(schema, naming, probe or SampleProbe(schema))
    names = ordered_names(schema, naming)
    texts = choose_texts(schema, naming, key_choice.keys)
    bookkeeping = _bookkeeping(schema)
    labels = tuple(name for name in schema.label_names if name not in bookkeeping) if bookkeeping else ()
    return Proposal(
        labels=labels,
        relations=(),
        keys=dict(key_choice.keys),
        names=names,
        texts=texts.texts,
        edge_properties=_edge_properties(schema),
        key_choice=key_choice,
        text_choice=texts,
        types=choose_types(schema),
        naming=naming,
        bookkeeping=bookkeeping,
    )


def _bookkeeping(schema: GraphSchema) -> tuple[str, ...]:
    """Labels of tools that keep their own notes in the graph: they begin with '_', and no edge joins them to others."""
    own = {name for name in schema.label_names if name.startswith("_")}
    mixed = {label for several in schema.label_sets for label in several.labels if not own.issuperset(several.labels)}
    joined = {end for info in schema.relations for pair in info.ends if not own.issuperset(pair) for end in pair}
    found = own - mixed - joined
    return tuple(sorted(found)) if len(found) < len(schema.labels) else ()


def _edge_properties(schema: GraphSchema) -> tuple[EdgeProperty, ...]:
    """Numbers and times that many edges of a type have; ids of anything are neither."""
    found: dict[str, list[tuple[int, str, PropertyInfo]]] = {}
    for relation in schema.relations:
        for info in relation.properties:
            if info.fill >= LEAST_FILL and (_is_time(info) or _is_weight(info)):
                found.setdefault(info.name, []).append((relation.count, relation.name, info))
    return tuple(
        EdgeProperty(
            name,
            tuple(relation for _, relation, _ in several),
            all(_is_time(info) for _, _, info in several),
            several[0][2].kind,
            min(info.fill for _, _, info in several),
        )
        for name, several in sorted(found.items(), key=lambda item: (-sum(n for n, _, _ in item[1]), item[0]))
    )


def _is_time(info: PropertyInfo) -> bool:
    if info.kind == "date":
        return True
    named = any(plain(info.name).endswith(word) or plain(info.name).startswith(word) for word in TIME_WORDS)
    if info.kind == "string":
        return wording_of(info.examples).look == "date"
    if info.kind not in ("integer", "float") or info.span is None:
        return False
    low, high = info.span
    epoch = any(first <= low and high <= last for first, last in EPOCHS)
    return epoch or (named and YEARS[0] <= low and high <= YEARS[1])


def _is_weight(info: PropertyInfo) -> bool:
    """A number that differs from edge to edge and is no id."""
    is_id = plain(info.name).endswith(("id", "编号"))
    return info.kind in ("integer", "float") and info.span is not None and info.span[0] < info.span[1] and not is_id
