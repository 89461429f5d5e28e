"""Data folders as numbers: gzip tables of entities, relations and triples, without a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.graphs import read_table
from neo4j_relpred.config import GraphSettings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.data.verbalize import display_name, verbalize

__all__ = ["DataSet", "Task", "read_data_set"]

NAMING = GraphSettings(names=("name",), texts=("text",))


@dataclass(frozen=True)
class DataSet:
    """ids, names, texts: by entity; train, valid, test: (n, 3); negatives: triples verified to be false, by part.

    labels: by entity, too.
    """

    ids: list[str]
    names: list[str]
    texts: list[str]
    relations: tuple[str, ...]
    train: IntArray
    valid: IntArray
    test: IntArray
    negatives: Mapping[str, IntArray]
    symmetric: frozenset[int] = frozenset()
    labels: tuple[frozenset[str], ...] = ()

    def graph(self, *parts: IntArray) -> KnowledgeGraph:
        """The graph of these triples, which those of a symmetric relation state both ways."""
        triples = np.unique(np.concatenate(parts), axis=0)
        return KnowledgeGraph.of(len(self.texts), len(self.relations), triples, self.symmetric)


@dataclass(frozen=True)
class Task:
    """What is trained on and what is asked about: the same data set, or another one with the same relations."""

    learnt: DataSet
    asked: DataSet

    @classmethod
    def read(cls, folder: Path) -> Task:
        """FOLDER, or FOLDER/graph and FOLDER/ind."""
        if not (folder / "graph").is_dir():
            data = read_data_set(folder)
            return cls(data, data)
        learnt = read_data_set(folder / "graph")
        return cls(learnt, read_data_set(folder / "ind", learnt.relations))

    @property
    def inductive(self) -> bool:
        """Whether the entities asked about were never trained on."""
        return self.learnt is not self.asked


def read_data_set(folder: Path, relations: tuple[str, ...] | None = None) -> DataSet:
    """Reads a folder; `relations` gives the order of another one that shares them."""
    entities = list(read_table(folder / "entities.tsv.gz"))
    if relations is None:
        relations = tuple(row["id"] for row in read_table(folder / "relations.tsv.gz"))
    index = {row["id"]: number for number, row in enumerate(entities)}
    kinds = {name: number for number, name in enumerate(relations)}

    def triples(name: str) -> IntArray:
        rows = read_table(folder / f"{name}.tsv.gz")
        found = [(index[row["head"]], kinds[row["relation"]], index[row["tail"]]) for row in rows]
        return np.array(found, np.int64).reshape(-1, 3)

    properties = [{key: value for key, value in row.items() if value} for row in entities]
    labels = [[part for part in row.get("type", "").split("|") if part] for row in entities]
    negatives = {
        part: triples(f"{part}_negatives")
        for part in ("valid", "test")
        if (folder / f"{part}_negatives.tsv.gz").is_file()
    }
    return DataSet(
        [row["id"] for row in entities],
        [display_name(row, NAMING.names, "") for row in properties],
        [verbalize(kind, row, NAMING) for kind, row in zip(labels, properties, strict=True)],
        relations,
        triples("train"),
        triples("valid"),
        triples("test"),
        negatives,
        labels=tuple(map(frozenset, labels)),
    )
