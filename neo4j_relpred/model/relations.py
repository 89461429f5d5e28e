"""Evidence for relation queries (h, ?, t): one row of features for each relation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.model.members import Members
from neo4j_relpred.model.relation_head import RelationHead, pair_inputs

__all__ = ["RELATION_BASE", "RELATION_FEATURES", "RELATION_GROUPS", "relation_features"]

FloatArray = npt.NDArray[np.float32]
RELATION_GROUPS: dict[str, tuple[str, ...]] = {
    "text and graph": ("head", "head_gap", "both"),
    "structure": ("structure", "structure_back", "structure_known"),
    "rules": ("rules",),
    "prior": ("heads", "tails", "frequency"),
}
RELATION_BASE = "both"  # the feature that is a logit of its own
STRUCTURE_WEIGHT = 0.5  # of the structure member beside the relation head, in it
RELATION_FEATURES = tuple(name for names in RELATION_GROUPS.values() for name in names)


@torch.inference_mode()
def relation_features(
    members: Members, head: RelationHead, heads: IntArray, tails: IntArray, asked: IntArray | None = None
) -> FloatArray:
    """(q,) pairs -> (q, R, RELATION_FEATURES).

    asked: (q,) the relation of the asked edge where it stands in the graph, else -1; that edge is then left out of
    every count. The structure member's vectors were fitted on the graph's edges, so scores of such an edge are only
    fair where they are not used (auditing says so).
    """
    graph = members.graph
    hidden = np.full(len(heads), -1, np.int64) if asked is None else asked
    count = graph.num_relations
    pairs = pair_inputs(graph, heads, tails, hidden)
    rules = members.rules.pairs(graph, heads, tails, hidden)[:, :count]
    frequency = np.tile(np.bincount(graph.triples[:, 1], minlength=count), (len(heads), 1))
    rows = np.flatnonzero(hidden >= 0)
    frequency[rows, hidden[rows]] -= 1 + (graph.has_twin(hidden[rows]) & (heads[rows] != tails[rows]))
    logits = head(pairs, members.text) + head.shift(torch.from_numpy(frequency))
    from_head = torch.log_softmax(logits, -1).numpy()  # (q, R)
    context = pairs.context.numpy()
    columns: dict[str, FloatArray] = {
        "head": from_head,
        "head_gap": from_head - from_head.max(1, keepdims=True),
        "rules": np.log(rules + 1e-3),
        "heads": context[:, :count],
        "tails": context[:, 3 * count :],
        "frequency": np.log1p(frequency, dtype=np.float32),
    }
    if members.structure is not None:
        known = (heads < members.trained) & (tails < members.trained)
        index = [torch.from_numpy(np.minimum(ends, members.trained - 1)) for ends in (heads, tails)]
        forward = torch.log_softmax(members.structure.pairs(*index)[:, :count], -1).numpy()
        backward = torch.log_softmax(members.structure.pairs(*index[::-1])[:, count:], -1).numpy()
        columns["structure"] = np.where(known[:, None], forward, 0)
        columns["structure_back"] = np.where(known[:, None], backward, 0)
        columns["structure_known"] = np.broadcast_to(known[:, None].astype(np.float32), from_head.shape)
    zero = np.zeros(from_head.shape, np.float32)
    columns["both"] = from_head + STRUCTURE_WEIGHT * columns.get("structure", zero)
    return np.stack([columns.get(name, zero) for name in RELATION_FEATURES], axis=2).astype(np.float32)
