"""Nodes of the store as columns: what identifies them, their labels, what they say.

Columns are collected on the server, one list per set of labels, and arrive in pieces of a few megabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.data.snapshot import Node, Snapshot, node_table, property_column
from neo4j_relpred.data.verbalize import shown_properties
from neo4j_relpred.graph.client import GraphClient, Row
from neo4j_relpred.graph.identity import OWN_LABELS, Identity
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.graph.selection import IntArray, Positions, Selection
from neo4j_relpred.graph.values import as_text
from neo4j_relpred.triples import EntityId

__all__ = ["Columns", "NodeReader", "Tell", "read_nodes", "still_the_same"]

Tell = Callable[[int, int], None]
FIRST_NODES, MOST_NODES = 250, 5_000  # of one answer; it begins small, since nobody knows how long the texts are
ANSWER_CHARACTERS = 8_000_000  # what an answer should hold
LONGEST_TEXT = 100_000  # characters of one text; no encoder reads further, and a book would fill an answer
# collect() leaves nulls out, which would shift the columns; an empty list says as little as no value.
NOTHING: list[Any] = []


class NodeReader:
    """Which nodes count, which of their properties are wanted, and how a row becomes a Node."""

    def __init__(self, settings: GraphSettings) -> None:
        self._identity = Identity(settings)
        self.shown = shown_properties(settings)
        self.labels = list(settings.labels)
        self.keys = self._identity.properties
        self.properties = list(dict.fromkeys((*self.shown, *self.keys)))

    def wanted(self, labels: Iterable[str]) -> bool:
        """Whether a node with these labels is read at all."""
        carried = set(labels)
        if any(label.startswith(OWN_LABELS) for label in carried):
            return False
        return not self.labels or not carried.isdisjoint(self.labels)

    def seen(self, labels: Sequence[str], values: Mapping[str, Any]) -> EntityId | None:
        """See Identity; None also for a node that is not read."""
        return self._identity.seen(labels, values) if self.wanted(labels) else None

    def entity_id(self, labels: Sequence[str], element_id: str, values: Mapping[str, Any]) -> EntityId:
        """The entity id of a node, by the one rule."""
        return self._identity.entity_id(labels, values, element_id)

    def entity_ids(
        self, labels: Sequence[str], element_ids: Sequence[str], columns: Mapping[str, Sequence[Any]]
    ) -> list[EntityId]:
        """The entity ids of nodes that all carry the same labels."""
        return self._identity.entity_ids(labels, columns, element_ids)

    def node(self, labels: Sequence[str], element_id: str, values: Mapping[str, Any]) -> Node:
        """A node with its naming and describing properties as text. Raises InvalidSettings for a key that is none."""
        texts = {name: as_text(values.get(name))[:LONGEST_TEXT] for name in self.shown}
        shown = {name: text for name, text in texts.items() if text}
        return Node(self.entity_id(labels, element_id, values), element_id, tuple(sorted(labels)), shown)


@dataclass(frozen=True)
class Columns:
    """Nodes in the order in which they were read: their ids in the store (nodes,), and a table as in a Snapshot."""

    stored_ids: IntArray
    table: pa.Table

    def only(self, chosen: Any) -> Columns:
        """Those of a mask (nodes,)."""
        return Columns(self.stored_ids[chosen], self.table.filter(pa.array(chosen)))

    @classmethod
    def joined(cls, parts: Sequence[Columns]) -> Columns:
        """One after the other."""
        return cls(np.concatenate([part.stored_ids for part in parts]), pa.concat_tables([p.table for p in parts]))


def read_nodes(
    client: GraphClient,
    settings: GraphSettings,
    selection: Selection,
    tell: Tell,
    known: tuple[Snapshot, IntArray] | None = None,
) -> Columns:
    """The nodes of a selection.

    `known` is a snapshot and the sorted ids (in the store) of the nodes that may say something else since: the texts
    of the others are taken from it. Raises InvalidSettings for a key that cannot identify a node.
    """
    reader = NodeReader(settings)
    if known is None:
        return _read(client, reader, selection, reader.shown, tell)
    before, touched = known
    light = _read(client, reader, selection, (), tell)
    place = pc.index_in(light.table["id"], before.nodes["id"].combine_chunks()).fill_null(-1).to_numpy()
    same_labels = _same_labels(light.table, before.nodes, place)
    keep = (place >= 0) & same_labels & ~np.isin(light.stored_ids, touched)
    old = before.nodes.take(place[keep])
    texts = {name: old[property_column(name)] for name in before.property_names}
    kept = light.only(keep)
    table = node_table(kept.table["id"], kept.table["element_id"], kept.table["labels"], texts)
    again = Selection(selection.end, np.sort(light.stored_ids[~keep]))
    fresh = _read(client, reader, again, reader.shown, lambda _done, _total: None)
    return Columns.joined([Columns(kept.stored_ids, table), fresh])


def still_the_same(client: GraphClient, settings: GraphSettings, selection: Selection, columns: Columns) -> Any:
    """(nodes,) of bool: whether each id of the store still belongs to the node that was read under it.

    A store gives the id of a deleted node to a new one; edges read in between would go to the wrong node. Nodes
    without a key cannot be told apart, so there only deletions show.
    """
    now = _read(client, NodeReader(settings), selection, (), lambda _done, _total: None)
    rows = Positions(now.stored_ids).of(columns.stored_ids)
    same = rows >= 0
    same[same] = pc.equal(now.table["id"].take(rows[same]), columns.table["id"].filter(pa.array(same))).to_numpy()
    return same


def _read(client: GraphClient, reader: NodeReader, selection: Selection, shown: Sequence[str], tell: Tell) -> Columns:
    """Reads the nodes of a selection with some of their properties, in pieces of even weight."""
    wanted = list(dict.fromkeys((*shown, *reader.keys)))
    query = _query(wanted, "$ids" if selection.ids is not None else "range($low, $high)")
    parts = [_Piece(reader, wanted, shown).columns()]
    done, size = 0, FIRST_NODES
    while done < len(selection):
        high = min(done + size, len(selection))
        where: dict[str, Any] = {"low": done, "high": high - 1}
        if selection.ids is not None:
            where = {"ids": selection.ids[done:high].tolist()}
        piece = _Piece(reader, wanted, shown)
        for row in client.read(query, **where, nothing=NOTHING, longest=LONGEST_TEXT):
            if reader.wanted(row["labels"]):
                piece.add(row)
        parts.append(piece.columns())
        done = high
        size = _next_size(size, piece.characters)
        tell(done, len(selection))
    return Columns.joined(parts)


def _query(wanted: Sequence[str], source: LiteralString) -> LiteralString:
    """Which labels count is asked of each set of labels, and not of each node."""
    names = list(enumerate(map(quoted, wanted)))
    values = "".join(f", n.{name} AS p{number}" for number, name in names)
    columns = "".join(
        f", collect(CASE WHEN p{number} IS :: STRING NOT NULL THEN left(p{number}, $longest) "
        f"ELSE coalesce(p{number}, $nothing) END) AS v{number}"
        for number, _ in names
    )
    return (
        f"UNWIND {source} AS i MATCH (n) WHERE id(n) = i WITH i, elementId(n) AS element, labels(n) AS labels{values} "
        f"RETURN labels, collect(i) AS ids, collect(element) AS elements{columns}"
    )


class _Piece:
    """What one answer held, as lists; each set of labels is kept once."""

    def __init__(self, reader: NodeReader, wanted: Sequence[str], shown: Sequence[str]) -> None:
        self._reader, self._wanted = reader, wanted
        self.characters = 0
        self.stored_ids: list[int] = []
        self.ids: list[EntityId] = []
        self.elements: list[str] = []
        self.labels: list[tuple[tuple[str, ...], int]] = []
        self.texts: dict[str, list[str | None]] = {name: [] for name in shown}

    def add(self, row: Row) -> None:
        columns = {name: row[f"v{number}"] for number, name in enumerate(self._wanted)}
        keys = {name: [_held(value) for value in columns[name]] for name in self._reader.keys}
        self.ids += self._reader.entity_ids(row["labels"], row["elements"], keys)
        self.stored_ids += row["ids"]
        self.elements += row["elements"]
        self.labels.append((tuple(sorted(row["labels"])), len(row["ids"])))
        for name, texts in self.texts.items():
            found = [value if type(value) is str else as_text(value)[:LONGEST_TEXT] for value in columns[name]]
            self.characters += sum(map(len, found))
            texts += [text or None for text in found]

    def columns(self) -> Columns:
        sets = [labels for labels, _ in self.labels]
        counts = [count for _, count in self.labels]
        labels = pa.array(sets, pa.list_(pa.string())).take(np.repeat(np.arange(len(sets)), counts))
        ids, elements = (pa.array(column, pa.large_string()) for column in (self.ids, self.elements))
        return Columns(np.array(self.stored_ids, np.int64), node_table(ids, elements, labels, self.texts))


def _next_size(size: int, characters: int) -> int:
    """How many nodes to ask for next, so that an answer weighs what it should."""
    fitting = size * 4 if not characters else size * ANSWER_CHARACTERS // characters
    return max(1, min(size * 4, fitting, MOST_NODES))


def _held(value: Any) -> Any:
    return None if value == NOTHING and isinstance(value, list) else value


def _same_labels(now: pa.Table, before: pa.Table, place: IntArray) -> Any:
    """(nodes,): whether the labels are those of the row `place` of the table before."""
    joined: Any = pc.binary_join
    then = before["labels"].take(np.maximum(place, 0))
    return joined(now["labels"], "\0").to_numpy() == joined(then, "\0").to_numpy()
