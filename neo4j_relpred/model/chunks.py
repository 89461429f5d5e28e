"""Splits many queries into chunks that fit into memory, and asks those of several relations at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.model.members import Members

__all__ = ["MEMORY", "ask_by_relation", "chunk_bytes", "chunks_by_relation", "queries_at_once"]

Result = TypeVar("Result")
MEMORY = 64_000_000  # numbers in the largest array of a chunk
MOST_AT_ONCE = 2_000
MOST_IN_CHUNK = 256  # queries
CELLS = 300_000  # candidates that a reasoner weighs at once, of all queries together


def queries_at_once(candidates: int) -> int:
    """How many queries with so many candidates each a reasoner takes at a time."""
    return max(1, min(MOST_AT_ONCE, CELLS // max(1, candidates)))


def chunks_by_relation(
    relations: IntArray, num_entities: int, members: Members | None = None
) -> Iterator[tuple[int, IntArray]]:
    """Splits queries into rows of one relation each, few enough that a chunk's arrays fit in memory.

    members: who will be asked, where that is so; most of the arrays are then only as wide as their pools.
    """
    for relation in np.unique(relations):
        pool = num_entities if members is None else len(members.asked(int(relation)).pool.entities)
        size = _chunk(pool, num_entities)
        rows = np.flatnonzero(relations == relation)
        for first in range(0, len(rows), size):
            yield int(relation), rows[first : first + size]


def chunk_bytes(num_entities: int, pool: int | None = None, queries: int = MOST_IN_CHUNK) -> int:
    """What the arrays of a chunk take at most: of so many queries, with so many entities that may be an answer.

    Without `pool`, every entity may be one.
    """
    pool = num_entities if pool is None else pool
    return 4 * min(queries, _chunk(pool, num_entities)) * _width(pool, num_entities)


def _chunk(pool: int, num_entities: int) -> int:
    return max(1, min(MOST_IN_CHUNK, MEMORY // max(1, _width(pool, num_entities))))


def _width(pool: int, num_entities: int) -> int:
    """Numbers that a query takes."""
    return 16 * pool + 2 * num_entities


def ask_by_relation(
    work: Callable[[Members, int, IntArray], Result],
    relations: IntArray,
    num_entities: int,
    members: Members,
    workers: int = 1,
) -> Iterator[tuple[IntArray, Result]]:
    """What `work` makes of each chunk of queries, in the order of `chunks_by_relation`; several relations at a time.

    All chunks of a relation are asked one after the other by the same worker, which has members of its own: what is
    worked out for one chunk is there for the next, and the numbers are the same however many workers there are.
    """
    own = threading.local()

    def ask(rows: IntArray) -> list[tuple[IntArray, Result]]:
        if not hasattr(own, "members"):
            own.members = members.apart()
        chunks = chunks_by_relation(relations[rows], num_entities, own.members)
        return [(rows[chunk], work(own.members, relation, rows[chunk])) for relation, chunk in chunks]

    if workers == 1:
        for relation, rows in chunks_by_relation(relations, num_entities, members):
            yield rows, work(members, relation, rows)
        return
    every = [np.flatnonzero(relations == relation) for relation in np.unique(relations)]
    with ThreadPoolExecutor(workers) as pool:
        longest_first = sorted(range(len(every)), key=lambda number: -len(every[number]))
        asked = {number: pool.submit(ask, every[number]) for number in longest_first}
        for number in range(len(every)):
            yield from asked.pop(number).result()
