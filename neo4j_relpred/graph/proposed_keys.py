"""Which property identifies the nodes of a label for good."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from neo4j_relpred.errors import GraphQueryFailed, GraphUnavailable
from neo4j_relpred.graph.client import GraphClient
from neo4j_relpred.graph.facts import GraphSchema, LabelSet, PropertyInfo
from neo4j_relpred.graph.identity import OWN_LABELS
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.graph.proposed_names import plain
from neo4j_relpred.graph.proposed_texts import says_where
from neo4j_relpred.graph.wording import wording_of

__all__ = ["KeyChoice", "KeyFacts", "KeyProbe", "SampleProbe", "StoreProbe", "choose_keys"]

ID_WORDS = tuple(
    "id uuid guid key uid identifier iri uri url code isbn doi email 编号 編號 代码 代碼 学号 工号 序号 证号 番号 "
    "번호 номер nummer numero slug sku ean handle login username".split()
)
ID_ENDINGS = (
    " id",
    "-id",
    *"Id ID _id Uuid _uuid Key _key Code _code No _no Number _number Nr _nr".split(),
    *ID_WORDS[13:21],
)
KEY_KINDS = ("string", "integer")
LEAST_NODES = 2  # in a single node everything is unique


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """Of all nodes of a label: how many there are, have the property, and how many values it has. exact: all seen."""

    nodes: int
    filled: int
    different: int
    exact: bool = True

    @property
    def identifies(self) -> bool:
        """Every node has the property, and no two the same value."""
        return self.nodes == self.filled == self.different


class KeyProbe(Protocol):
    """Looks at all nodes of a label."""

    def facts(self, label: str, name: str) -> KeyFacts:
        """How well a property identifies."""
        ...


class StoreProbe:
    """Asks the server, which counts the values of a whole label: a second for a million nodes."""

    def __init__(self, client: GraphClient, fallback: KeyProbe) -> None:
        self._client = client
        self._fallback = fallback

    def facts(self, label: str, name: str) -> KeyFacts:
        """See KeyProbe; what the sample says, where the label is too large for the memory of a transaction."""
        value = f"n.{quoted(name)}"
        try:
            (row,) = self._client.read(
                f"MATCH (n:{quoted(label)}) WHERE none(l IN labels(n) WHERE l STARTS WITH $own) "
                f"RETURN count(*) AS nodes, count({value}) AS filled, count(DISTINCT {value}) AS different",
                own=OWN_LABELS,
            )
        except (GraphQueryFailed, GraphUnavailable):  # too much memory is what a server calls a passing failure
            return self._fallback.facts(label, name)
        return KeyFacts(row["nodes"], row["filled"], row["different"])


class SampleProbe:
    """Believes the sample."""

    def __init__(self, schema: GraphSchema) -> None:
        self._schema = schema

    def facts(self, label: str, name: str) -> KeyFacts:
        """See KeyProbe."""
        info, count = self._schema.properties_of(label).get(name), self._schema.count_of(label)
        if info is None:
            return KeyFacts(count, 0, 0, exact=False)
        filled = round(info.fill * count)
        return KeyFacts(count, filled, round(info.distinct * filled), exact=False)


@dataclass(frozen=True, slots=True)
class KeyChoice:
    """Label to key, in the order in which they count, with what is said about each, and the nodes without any."""

    keys: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    unguarded: tuple[str, ...] = ()
    without: tuple[LabelSet, ...] = ()


def choose_keys(schema: GraphSchema, naming: Mapping[str, str], probe: KeyProbe) -> KeyChoice:
    """A constrained property, else one that looks like an id, else the name, if it is unique; few keys for all nodes.

    General labels come first: a node goes by the first key whose label it carries, so a key of a special label is not
    needed where a general one has it.
    """
    keys: dict[str, str] = {}
    notes: dict[str, str] = {}
    unguarded: list[str] = []
    for label in sorted(schema.labels, key=lambda info: (-info.count, info.name)):
        if _covered(schema, label.name, keys):
            continue
        for info in _candidates(schema, label.name, naming.get(label.name)):
            constrained = (label.name, info.name) in schema.unique
            facts = probe.facts(label.name, info.name)
            if facts.identifies or (constrained and facts.filled):
                keys[label.name] = info.name
                notes[label.name] = _note(facts, constrained)
                if not constrained:
                    unguarded.append(label.name)
                break
    sets = schema.label_sets or tuple(LabelSet((label.name,), label.count) for label in schema.labels)
    without = tuple(several for several in sets if keys.keys().isdisjoint(several.labels))
    return KeyChoice(keys, notes, tuple(unguarded), without)


def _covered(schema: GraphSchema, label: str, keyed: Iterable[str]) -> bool:
    """Whether all nodes of a label have a key by another label of theirs."""
    known = set(keyed)
    sets = [set(several.labels) for several in schema.label_sets if label in several.labels]
    return bool(sets) and all(not known.isdisjoint(several) for several in sets)


def _candidates(schema: GraphSchema, label: str, name: str | None) -> list[PropertyInfo]:
    """What may identify the nodes of a label by the sample, the best first."""
    single = schema.count_of(label) < LEAST_NODES
    found: list[tuple[bool, int, str, PropertyInfo]] = []
    for info in schema.properties_of(label).values():
        constrained = (label, info.name) in schema.unique
        able = info.kind in KEY_KINDS and info.fill >= 1.0 and info.distinct >= 1.0
        rank = _rank(label, info, name)
        if constrained and info.kind in KEY_KINDS:
            found.append((not able, rank - len(ID_WORDS), info.name, info))
        elif able and rank <= len(ID_WORDS) + 2 and not (single and info.name != name and rank >= len(ID_WORDS)):
            found.append((not able, rank, info.name, info))
    found.sort(key=lambda item: ((item[3].label, item[3].name) not in schema.unique, *item[:3]))
    return [info for *_, info in found]


def _rank(label: str, info: PropertyInfo, name: str | None) -> int:
    """How far a property is from being an id: by what it is called, then by what it looks like; then comes the name."""
    word, owner = plain(info.name), plain(label)
    if word in ID_WORDS:
        return ID_WORDS.index(word)
    if word.startswith(owner) and word[len(owner) :] in (*ID_WORDS, "no", "nr", "number"):
        return 1  # the product number of a product is more its own than any other number on it
    if info.name.endswith(ID_ENDINGS):
        return len(ID_WORDS)
    if info.name == name:
        return len(ID_WORDS) + 2
    look = wording_of(info.examples).look
    coded = look == "link" or (look in ("code", "digest") and not says_where(info.name))
    return len(ID_WORDS) + (1 if coded and info.kind == "string" else 9)


def _note(facts: KeyFacts, constrained: bool) -> str:
    if constrained:
        missing = facts.nodes - facts.filled
        return "unique by a constraint" + (f"; {missing} nodes lack it and go by element id" if missing else "")
    seen = f"all {facts.nodes} nodes" if facts.exact else "a sample of the nodes"
    return f"unique now, in {seen}, but no constraint keeps it so"
