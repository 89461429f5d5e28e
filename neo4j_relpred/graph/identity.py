"""The one rule by which a node of the graph and an entity id belong together, in both directions.

An entity id is the value of the first key property (in the order of `graph.keys`) whose label the node carries and
which is set: plain when there is one key in all, `Label:value` otherwise. A node without any goes by its element id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, LiteralString, NamedTuple

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.errors import InvalidSettings
from neo4j_relpred.graph.client import GraphClient
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.triples import EntityId

__all__ = ["OWN_LABELS", "Found", "Identity", "KnownNodes", "Resolution"]

OWN_LABELS = "Relpred"  # what the labels of our own nodes begin with
RESOLVE_ROWS = 5_000
OURS: LiteralString = f"any(label IN labels(n) WHERE label STARTS WITH '{OWN_LABELS}')"
KEY_TYPES = (str, int, float, bool)


class Found(NamedTuple):
    """A node that an entity id stands for. `key` and `value` hold as long as it is still that node."""

    element_id: str
    key: str | None = None
    value: Any = None


@dataclass(frozen=True)
class Resolution:
    """Entity ids and their nodes. Ids that several nodes claim stand among the ambiguous ones only."""

    found: Mapping[EntityId, Found]
    ambiguous: frozenset[EntityId] = field(default_factory=frozenset)


class KnownNodes:
    """The nodes of entity ids that were looked up so far, each once."""

    def __init__(self, identity: Identity, client: GraphClient) -> None:
        self.found: dict[EntityId, Found] = {}
        self.ambiguous: set[EntityId] = set()
        self._identity, self._client = identity, client
        self._asked: set[EntityId] = set()

    def look_up(self, entities: AbstractSet[EntityId]) -> None:
        """Looks those up that nobody has asked for yet. Raises what `Identity.resolve` raises."""
        new = entities - self._asked
        answer = self._identity.resolve(self._client, new)
        self.found.update(answer.found)
        self.ambiguous |= answer.ambiguous
        self._asked |= new


class Identity:
    """The rule for one set of settings."""

    def __init__(self, settings: GraphSettings) -> None:
        self._keys = tuple(settings.keys.items())

    @property
    def properties(self) -> tuple[str, ...]:
        """The key properties that `entity_id` wants to see, each once."""
        return tuple(dict.fromkeys(name for _, name in self._keys))

    def entity_id(self, labels: Iterable[str], values: Mapping[str, Any], element_id: str) -> EntityId:
        """The entity id of a node; `values` holds its key properties, None where one is missing.

        Raises InvalidSettings when the key is a list, a date or the like: such values have no one spelling.
        """
        label, name = self._key_of(frozenset(labels), values)
        if label is None or name is None:
            return element_id
        return self._spelled(label, values[name])

    def seen(self, labels: Iterable[str], values: Mapping[str, Any]) -> EntityId | None:
        """The entity id of a node with these labels; None where no key identifies it, or a value that may is not told.

        Raises what `entity_id` raises.
        """
        carried = frozenset(labels)
        for label, name in self._keys:
            if label in carried and (name not in values or values[name] is not None):
                return self._spelled(label, values[name]) if name in values else None
        return None

    def entity_ids(
        self, labels: Iterable[str], columns: Mapping[str, Sequence[Any]], element_ids: Sequence[str]
    ) -> list[EntityId]:
        """The entity ids of nodes that all carry the same labels, from columns of their key properties."""
        carried = frozenset(labels)
        found = list(element_ids)
        for label, name in reversed(self._keys):  # the first key that is set wins, so it is looked at last
            if label in carried:
                values = zip(columns[name], found, strict=True)
                found = [other if value is None else self._spelled(label, value) for value, other in values]
        return found

    def resolve(self, client: GraphClient, entities: Iterable[EntityId]) -> Resolution:
        """Looks the nodes of entity ids up, in batches; ids without a node are left out of the answer.

        Works with and without an index on the key: a batch is one look at the label. Raises what `client.read`
        raises.
        """
        wanted = sorted(set(entities))
        found: dict[EntityId, Found] = {}
        ambiguous: set[EntityId] = set()
        for start in range(0, len(wanted), RESOLVE_ROWS):
            batch = wanted[start : start + RESOLVE_ROWS]
            for entity, node in self._by_key(client, batch):
                if found.setdefault(entity, node).element_id != node.element_id:
                    ambiguous.add(entity)
            found.update(self._by_element_id(client, [entity for entity in batch if entity not in found]))
        return Resolution({e: node for e, node in found.items() if e not in ambiguous}, frozenset(ambiguous))

    def _key_of(self, labels: frozenset[str], values: Mapping[str, Any]) -> tuple[str | None, str | None]:
        for label, name in self._keys:
            if label in labels and values.get(name) is not None:
                return label, name
        return None, None

    def _spelled(self, label: str, value: object) -> EntityId:
        if not isinstance(value, KEY_TYPES):
            raise InvalidSettings(
                f"The key of label {label} holds a {type(value).__name__}, which cannot identify a node.",
                hint="Choose a property with strings or numbers in graph.keys.",
            )
        return str(value) if len(self._keys) == 1 else f"{label}:{value}"

    def _by_key(self, client: GraphClient, batch: Sequence[EntityId]) -> Iterable[tuple[EntityId, Found]]:
        wanted = frozenset(batch)
        for position, (label, name) in enumerate(self._keys):
            prefix = "" if len(self._keys) == 1 else f"{label}:"
            values = [v for e in batch if e.startswith(prefix) for v in _readings(e.removeprefix(prefix))]
            if not values:
                continue
            # IN over one parameter is an index seek per value where there is an index, else one scan with a hash.
            (row,) = client.read(  # in columns, since rows one by one take many times longer
                f"MATCH (n:{quoted(label)}) WHERE n.{quoted(name)} IN $values {self._without(position)} "
                f"RETURN collect(elementId(n)) AS elements, collect(n.{quoted(name)}) AS key_values",
                values=values,
            )
            for element, value in zip(row["elements"], row["key_values"], strict=True):
                entity = self._spelled(label, value)
                if entity in wanted:  # 1 and 1.0 are equal in Cypher, but spelled differently
                    yield entity, Found(element, name, value)

    def _by_element_id(self, client: GraphClient, batch: Sequence[EntityId]) -> Iterable[tuple[EntityId, Found]]:
        if not batch:
            return
        (row,) = client.read(
            "UNWIND $elements AS element MATCH (n) WHERE elementId(n) = element "
            f"{self._without(len(self._keys))} RETURN collect(element) AS elements",
            elements=batch,
        )
        for element in row["elements"]:
            yield element, Found(element)

    def _without(self, position: int) -> LiteralString:
        """Holds for nodes that are not ours, and that none of the keys before this one identifies."""
        return f"AND NOT {OURS} " + " ".join(
            f"AND NOT (n:{quoted(label)} AND n.{quoted(name)} IS NOT NULL)" for label, name in self._keys[:position]
        )


def _readings(text: str) -> list[Any]:
    """The values whose spelling is `text`: the string itself, and the number or truth value that prints like it."""
    values: list[Any] = [text]
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if str(number) == text and not (kind is int and not -(2**63) <= number < 2**63):
            values.append(number)
    if text in ("True", "False"):
        values.append(text == "True")
    return values
