"""Digests that depend on what is in a snapshot and on nothing else: not on chunks, buffers or the ids of the store.

One strong digest of all of it, and two numbers per node: of its text (labels and properties) and of its neighbourhood.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["content_digest", "node_digests", "structure_digests"]

Digests = npt.NDArray[np.uint64]
Feed = Callable[[Any], None]
Column = Any  # pyarrow's classes take parameters in its stubs only


def content_digest(nodes: pa.Table, relations: Iterable[str], edges: pa.Table) -> str:
    """SHA-256 of two tables and the names of relations, in hex."""
    digest = hashlib.sha256()
    for table in (nodes, edges):
        for name in table.column_names:
            if table[name].null_count == table.num_rows:  # asked for, and nowhere found: as if nobody had asked
                continue
            digest.update(f"\1{name}\1{table.num_rows}\1".encode("utf-8", "surrogatepass"))
            _feed(digest.update, table[name])
    digest.update("\0".join(relations).encode())
    return digest.hexdigest()


def node_digests(nodes: pa.Table) -> Digests:
    """(nodes,): 64 bits of the labels and properties of each node, from columns named apart from id and element_id."""
    found = np.zeros(nodes.num_rows, np.uint64)
    for name in nodes.column_names:
        if name in ("id", "element_id"):
            continue
        found += _named(name, _column_hashes(nodes[name]))
    return found


def structure_digests(ids: Sequence[str], relations: Sequence[str], edges: pa.Table) -> Digests:
    """(nodes,): 64 bits of the edges at each node: direction, type, other end and properties, in no order."""
    entity, relation = _hash_words(ids), _hash_words(relations)
    heads, kinds, tails = (edges[name].to_numpy() for name in ("head", "relation", "tail"))
    extra = np.zeros(len(heads), np.uint64)
    for name in edges.column_names[3:]:
        extra += _named(name, _column_hashes(edges[name]))
    found = np.zeros(len(ids), np.uint64)
    for own, other, direction in ((heads, tails, np.uint64(1)), (tails, heads, np.uint64(2))):
        if len(own):
            _add_at(found, own, _mixed(_mixed(entity[other] + direction) ^ relation[kinds]) + extra)
    return found


def _named(name: str, values: Digests) -> Digests:
    """The part of a column in a digest; a value that is missing has none, as a column that is missing."""
    return np.where(values == 0, np.uint64(0), _mixed(values ^ _hash_words([name])[0]))


def _add_at(target: Digests, rows: npt.NDArray[Any], values: Digests) -> None:
    """Adds values at rows that repeat, modulo 2^64."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    target[ordered[starts]] += np.add.reduceat(values[order], starts)


def _column_hashes(column: Column) -> Digests:
    """(rows,): equal for equal values; 0 for none."""
    if pa.types.is_floating(column.type):
        values = column.to_numpy()
        bits: Digests = np.ascontiguousarray(values, np.float64).view(np.uint64)
        return np.where(np.isnan(values), np.uint64(0), _mixed(bits))
    if pa.types.is_list(column.type):
        joined: Any = pc.binary_join
        coded = joined(column, "\0").cast(pa.large_string())
    else:
        coded = column
    words: Any = coded.combine_chunks().dictionary_encode()
    per_word = np.append(_hash_words(words.dictionary.to_pylist()), np.uint64(0))  # the last one for missing values
    places = words.indices.fill_null(len(per_word) - 1).to_numpy(zero_copy_only=False)
    found: Digests = per_word[places]
    return found


def _hash_words(words: Sequence[str]) -> Digests:
    """(words,): 64 bits of BLAKE2b of each."""
    digest = hashlib.blake2b
    raw = b"".join([digest(word.encode("utf-8", "surrogatepass"), digest_size=8).digest() for word in words])
    return np.frombuffer(raw, np.uint64)


def _mixed(values: Digests) -> Digests:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): sums of its results tell sets apart."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: Digests = mixed ^ (mixed >> np.uint64(31))
    return result


def _feed(feed: Feed, column: Column) -> None:
    """Which values are missing, how long they are, and what they say."""
    array: Any = column.combine_chunks()
    if array.null_count:
        feed(np.packbits(array.is_valid().to_numpy(zero_copy_only=False)))
    if pa.types.is_list(array.type):
        feed(pc.list_value_length(array).to_numpy(zero_copy_only=False).astype("<i4"))
        array = array.flatten()
    if pa.types.is_floating(array.type) or pa.types.is_integer(array.type):
        feed(np.ascontiguousarray(array.fill_null(0).to_numpy(zero_copy_only=False)))
        return
    text: Any = array.cast(pa.large_string()).fill_null("")
    feed(pc.binary_length(text).to_numpy(zero_copy_only=False).astype("<i8"))
    _, offsets, data = text.buffers()
    if data is not None and len(text):
        places = np.frombuffer(offsets, np.int64)[text.offset : text.offset + len(text) + 1]
        feed(memoryview(data)[int(places[0]) : int(places[-1])])
