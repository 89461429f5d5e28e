"""A trained model over the graph as it is now: rows of the checkpoint first, nodes that came later after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, inverse
from neo4j_relpred.data.snapshot import Node, Snapshot
from neo4j_relpred.data.verbalize import display_name, verbalize
from neo4j_relpred.errors import UnknownEntity, UnknownRelation, did_you_mean
from neo4j_relpred.model.checkpoint import Checkpoint
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.model.words import Words
from neo4j_relpred.triples import EntityId, Relation, Triple

__all__ = ["ROOM", "Serving", "serve", "serve_again", "symmetric_rows"]

ROOM = 1_000_000_000  # bytes for what questions of one type share: people ask in any order


@dataclass(frozen=True)
class Serving:
    """entities, names, labels by row; alive (entities,) is False for rows whose node is gone."""

    model: TrainedModel
    entities: tuple[EntityId, ...]
    names: tuple[str, ...]
    labels: tuple[frozenset[str], ...]
    alive: npt.NDArray[np.bool_]
    relations: tuple[Relation, ...]

    @cached_property
    def rows(self) -> dict[EntityId, int]:
        """Row by entity."""
        return {entity: row for row, entity in enumerate(self.entities)}

    @cached_property
    def relation_rows(self) -> dict[Relation, int]:
        """Row by relation."""
        return {relation: row for row, relation in enumerate(self.relations)}

    def row(self, entity: EntityId) -> int:
        """The row of an entity. Raises UnknownEntity."""
        row = self.rows.get(entity)
        if row is None or not self.alive[row]:
            raise UnknownEntity(
                f"There is no node {entity!r} in the snapshot.",
                hint=f"{did_you_mean(entity, self.entities)} Nodes are named by their key property; "
                "`relpred snapshot` reads the graph again.".strip(),
            )
        return row

    def relation_row(self, relation: Relation) -> int:
        """The row of a relation. Raises UnknownRelation."""
        row = self.relation_rows.get(relation)
        if row is None:
            raise UnknownRelation(
                f"The model knows no relationship type {relation!r}.", hint=did_you_mean(relation, self.relations)
            )
        return row

    def triple_row(self, triple: Triple) -> tuple[int, int, int]:
        """A triple by its rows. Raises UnknownEntity, UnknownRelation."""
        return self.row(triple.head), self.relation_row(triple.relation), self.row(triple.tail)

    def with_node(
        self, node: Node, vector: npt.NDArray[np.float32], edges: IntArray, settings: GraphSettings
    ) -> Serving:
        """One more node, in the last row. edges: (n, 3) with its own row as len(entities)."""
        name = display_name(node.properties, settings.names, "")
        text = verbalize(node.labels, node.properties, settings)
        return replace(
            self,
            model=self.model.with_node(torch.from_numpy(vector.copy()), edges, name, text),
            entities=(*self.entities, node.id),
            names=(*self.names, name or node.id),
            labels=(*self.labels, frozenset(node.labels)),
            alive=np.append(self.alive, [True]),
        )

    def moved(self, triples: IntArray, snapshot: Snapshot) -> IntArray:
        """Triples (n, 3) of the snapshot that is served, in our rows; those of types that are not known left out."""
        place = np.array([self.rows[entity] for entity in snapshot.ids], np.int64)
        return _moved(triples, place, _types(self.relations, snapshot))

    @cached_property
    def label_rows(self) -> Mapping[str, IntArray]:
        """Rows of the nodes that are alive, by label."""
        found: dict[str, list[int]] = {}
        for row in np.flatnonzero(self.alive).tolist():
            for label in self.labels[row]:
                found.setdefault(label, []).append(row)
        return {label: np.array(rows, np.int64) for label, rows in found.items()}

    @cached_property
    def rates(self) -> dict[tuple[int, frozenset[str] | None], float]:
        """Where `rates` keeps what it counts in the graph: by relation, and by labels."""
        return {}

    @cached_property
    def end_labels(self) -> Mapping[int, frozenset[str]]:
        """Labels seen at the answering end of each relation, inverses too."""
        graph, kinds = self.model.graph, dict[frozenset[str], int]()  # many nodes have the same labels
        kind = np.array([kinds.setdefault(labels, len(kinds)) for labels in self.labels], np.int64)
        tails, backward = np.nonzero(graph.context)
        relations = inverse(backward, graph.num_relations)
        found: dict[int, frozenset[str]] = {}
        labels_of = tuple(kinds)
        for key in np.unique(relations * len(kinds) + kind[tails]).tolist():
            relation, number = divmod(key, len(kinds))
            found[relation] = found.get(relation, frozenset()) | labels_of[number]
        return found

    def fits(self, relation: int) -> npt.NDArray[np.bool_]:
        """(entities,): alive and of a label that the answering end of the relation was seen with."""
        labels = self.end_labels.get(relation, frozenset())
        if not labels:  # nothing is labelled there: labels say nothing
            return self.alive
        fitting = np.zeros(len(self.alive), bool)
        for label in labels & self.label_rows.keys():
            fitting[self.label_rows[label]] = True
        return fitting


def serve(
    checkpoint: Checkpoint,
    snapshot: Snapshot,
    vectors: npt.NDArray[np.float32],
    settings: GraphSettings,
    triples: IntArray | None = None,
) -> Serving:
    """vectors: (nodes of the snapshot, text width) from the encoder; triples (n, 3): those of the snapshot to know."""
    known = set(checkpoint.entities)
    entities = (*checkpoint.entities, *(entity for entity in snapshot.ids if entity not in known))
    place, nodes = _places(entities, snapshot), len(entities)
    text = np.zeros((nodes, vectors.shape[1]), np.float32)
    text[place] = vectors
    names, texts = [""] * nodes, [""] * nodes
    for properties, own, row in zip(snapshot.properties(), snapshot.labels, place.tolist(), strict=True):
        names[row] = display_name(properties, settings.names, "")
        texts[row] = verbalize(own, properties, settings)
    relations = checkpoint.relations
    empty = KnowledgeGraph.of(nodes, len(relations), np.empty((0, 3), np.int64), symmetric_rows(relations, settings))
    facts = snapshot.triples if triples is None else triples
    graph = empty.with_triples(_moved(facts, place, _types(relations, snapshot)))
    model = checkpoint.model.over(graph, torch.from_numpy(text), Words.of(names, texts))
    model = replace(model, members=replace(model.members, room=ROOM))
    return serve_again(replace(checkpoint, model=model, entities=entities), snapshot, settings)


def serve_again(served: Checkpoint, snapshot: Snapshot, settings: GraphSettings) -> Serving:
    """A model over the graph of the snapshot, with the names of its rows."""
    place = _places(served.entities, snapshot)
    alive = np.zeros(len(served.entities), bool)
    alive[place] = True
    names, labels = list(served.entities), [frozenset[str]()] * len(alive)
    kinds: dict[tuple[str, ...], frozenset[str]] = {}  # many nodes have the same labels
    for properties, own, row in zip(snapshot.properties(), snapshot.labels, place.tolist(), strict=True):
        names[row] = display_name(properties, settings.names, "") or names[row]
        labels[row] = kinds.setdefault(own, frozenset(own))
    return Serving(served.model, served.entities, tuple(names), tuple(labels), alive, served.relations)


def symmetric_rows(relations: Sequence[Relation], settings: GraphSettings) -> set[int]:
    """The relations whose direction says nothing."""
    return {row for row, name in enumerate(relations) if name in settings.symmetric}


def _places(entities: Sequence[EntityId], snapshot: Snapshot) -> IntArray:
    """Rows of the snapshot in ours."""
    rows = {entity: row for row, entity in enumerate(entities)}
    return np.array([rows[entity] for entity in snapshot.ids], np.int64)


def _types(known: Sequence[Relation], snapshot: Snapshot) -> IntArray:
    """The rows of the snapshot's types in ours, -1 for those that the model does not know."""
    rows = {relation: row for row, relation in enumerate(known)}
    return np.array([rows.get(relation, -1) for relation in snapshot.relations], np.int64)


def _moved(triples: IntArray, place: IntArray, types: IntArray) -> IntArray:
    """Triples (n, 3) of a snapshot in our rows; those of types that the model does not know are left out."""
    if not len(triples):
        return triples
    moved = np.stack([place[triples[:, 0]], types[triples[:, 1]], place[triples[:, 2]]], axis=1)
    known_types: IntArray = moved[moved[:, 1] >= 0]
    return known_types
