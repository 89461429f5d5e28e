"""How two snapshots differ: by nodes, by what nodes say, by their neighbourhoods, by edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from neo4j_relpred.data.fingerprint import node_digests, structure_digests
from neo4j_relpred.data.snapshot import IntArray, Snapshot
from neo4j_relpred.triples import EntityId

__all__ = ["Changes", "compare"]


@dataclass(frozen=True)
class Changes:
    """Entity ids, each sorted. `text` and `neighborhood` are of nodes that both snapshots hold.

    text: other labels or properties. neighborhood: an edge (or a property of one) came, went or changed.
    """

    new: tuple[EntityId, ...] = ()
    gone: tuple[EntityId, ...] = ()
    text: tuple[EntityId, ...] = ()
    neighborhood: tuple[EntityId, ...] = ()
    new_edges: int = 0
    gone_edges: int = 0

    @property
    def nodes(self) -> int:
        """How many nodes are new, gone or say something else."""
        return len(self.new) + len(self.gone) + len(self.text)

    @property
    def edges(self) -> int:
        """How many triples are new or gone."""
        return self.new_edges + self.gone_edges

    def __bool__(self) -> bool:
        return bool(self.nodes or self.neighborhood)


def compare(before: Snapshot | None, after: Snapshot) -> Changes:
    """What changed; everything is new where there was nothing before."""
    if before is None:
        return Changes(new=tuple(after.ids), new_edges=len(after.triples))
    if before.content_hash == after.content_hash:
        return Changes()
    place = _places(before, after)  # of each node of `after` in `before`, -1 where it is new
    kept = place >= 0
    gone = np.ones(len(before.ids), bool)
    gone[place[kept]] = False
    new_edges, gone_edges = _edge_counts(before, after, place)
    return Changes(
        new=_named(after, ~kept),
        gone=_named(before, gone),
        text=_named(after, _differing(node_digests(before.nodes), node_digests(after.nodes), place)),
        neighborhood=_named(after, _differing(_structure(before), _structure(after), place)),
        new_edges=new_edges,
        gone_edges=gone_edges,
    )


def _places(before: Snapshot, after: Snapshot) -> IntArray:
    found = pc.index_in(after.nodes["id"], before.nodes["id"].combine_chunks())
    places: IntArray = found.fill_null(-1).to_numpy().astype(np.int64)
    return places


def _structure(snapshot: Snapshot) -> npt.NDArray[np.uint64]:
    return structure_digests(snapshot.ids, snapshot.relations, snapshot.edges)


def _differing(before: npt.NDArray[np.uint64], after: npt.NDArray[np.uint64], place: IntArray) -> npt.NDArray[np.bool_]:
    """(nodes of after,): in both, with another digest."""
    changed: npt.NDArray[np.bool_] = (place >= 0) & (before[place] != after) if len(before) else place >= 0
    return changed


def _named(snapshot: Snapshot, chosen: npt.NDArray[np.bool_]) -> tuple[EntityId, ...]:
    return tuple(cast("list[EntityId]", snapshot.nodes["id"].filter(pa.array(chosen)).to_pylist()))


def _edge_counts(before: Snapshot, after: Snapshot, place: IntArray) -> tuple[int, int]:
    """Triples that are new, and that are gone: both sets in numbers that nodes and types of both have in common."""
    nodes, kinds = len(before.ids) + len(after.ids), sorted({*before.relations, *after.relations})
    number = {relation: row for row, relation in enumerate(kinds)}
    of_after = np.where(place >= 0, place, len(before.ids) + np.arange(len(after.ids)))
    of_before = np.arange(len(before.ids))
    coded = []
    for snapshot, node in ((before, of_before), (after, of_after)):
        heads, relations, tails = snapshot.triples.T
        kind = np.array([number[relation] for relation in snapshot.relations], np.int64)
        coded.append(_coded(node[heads], kind[relations], node[tails], nodes, len(kinds)))
    common = len(np.intersect1d(coded[0], coded[1], assume_unique=True))
    return len(coded[1]) - common, len(coded[0]) - common


def _coded(heads: IntArray, relations: IntArray, tails: IntArray, nodes: int, kinds: int) -> npt.NDArray[Any]:
    """(n,): one value per triple; a pair of numbers where one would overflow."""
    if float(nodes) * nodes * max(1, kinds) < 2.0**62:
        return (heads * kinds + relations) * nodes + tails
    both = np.empty(len(heads), [("first", np.int64), ("second", np.int64)])
    both["first"], both["second"] = heads, relations * nodes + tails
    return both
