"""How two snapshots differ."""

from __future__ import annotations

from neo4j_relpred.data.snapshot import Snapshot

__all__ = ["count_changes"]


def count_changes(before: Snapshot | None, after: Snapshot) -> tuple[int, int]:
    """How many nodes (new, gone, other labels or properties) and how many edges (new, gone) differ."""
    if before is None:
        return len(after.ids), len(after.triples)
    if before.content_hash == after.content_hash:
        return 0, 0
    nodes = [
        dict(zip(s.ids, zip(s.labels, (tuple(p.items()) for p in s.properties()), strict=True), strict=True))
        for s in (before, after)
    ]
    changed = sum(nodes[0].get(key) != nodes[1].get(key) for key in nodes[0].keys() | nodes[1].keys())
    edges = [{s.triple(row) for row in s.triples} for s in (before, after)]
    return changed, len(edges[0] ^ edges[1])
