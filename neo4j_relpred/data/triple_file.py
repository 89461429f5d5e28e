"""Reads triples that a person wrote down: head, relation, tail by key, tabs between, a header row first."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.errors import InvalidSettings
from neo4j_relpred.triples import EntityId, Relation

__all__ = ["read_triple_file"]


def read_triple_file(
    file: Path, entities: Mapping[EntityId, int], relations: Mapping[Relation, int]
) -> tuple[IntArray, int]:
    """Triples as indices (n, 3), and how many lines name a node or type that is not there. Raises InvalidSettings."""
    if not file.is_file():
        raise InvalidSettings(f"There is no file {file}.", hint="Correct its path in the settings.")
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        lines = content.decode("utf-8").replace("\r\n", "\n").split("\n")[1:]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{file} is no UTF-8 text, or no whole gzip file.", hint="Write it anew.") from error
    rows = [line.split("\t") for line in lines if line]
    if any(len(row) != 3 for row in rows):
        raise InvalidSettings(f"{file} has lines without three columns.", hint="Head, relation, tail, tabs between.")
    found = [
        (entities[h], relations[r], entities[t])
        for h, r, t in rows
        if h in entities and t in entities and r in relations
    ]
    return np.unique(np.array(found, np.int64).reshape(-1, 3), axis=0), len(rows) - len(found)
