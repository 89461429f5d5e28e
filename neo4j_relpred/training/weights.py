"""How much each member counts in the sum that chooses candidates: what a member does not know must not crowd them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from neo4j_relpred.data.knowledge_graph import IntArray, both_directions
from neo4j_relpred.model.chunks import chunks_by_relation
from neo4j_relpred.model.members import Members, Weights, standing
from neo4j_relpred.model.rules import SILENT, any_rule
from neo4j_relpred.model.walks import any_walk

__all__ = ["weigh"]

TRIPLES = 300  # that are asked about, in both directions
FEWEST = 20
RIVALS = 1_000  # candidates of each query, the best of every member among them
BEST = 50
LEAST, MOST = 0.1, 10.0
STEPS = 60


@torch.no_grad()
def weigh(members: Members, triples: IntArray) -> Weights:
    """Weights of structure, tower, rules and walks for which held-out answers (n, 3) stand out most, by softmax.

    The larger weights are what matters; none falls to nothing, since a member that says little on the whole may be the
    only one to know some answers. For new anchors the others are weighed without the structure member.
    """
    if len(triples) < FEWEST:
        return members.weights
    queries = both_directions(triples[:TRIPLES], members.graph.num_relations)
    chunks = chunks_by_relation(queries[:, 1], members.graph.num_entities, members)
    found = [_standings(members, relation, queries[mine]) for relation, mine in chunks]
    rows = torch.cat(found)  # (q, 1 + RIVALS, members), the answer first
    if not len(rows):
        return members.weights
    known = np.array([members.structure is not None, members.tower is not None, True, members.settings.walks])
    return Weights(_fitted(rows, known), _fitted(rows, known & [False, True, True, True]))


def _fitted(rows: Tensor, present: npt.NDArray[np.bool_]) -> tuple[float, ...]:
    """rows: (q, 1 + rivals, members), the answer first; present: (members,), the others weigh nothing."""
    rows = rows * torch.from_numpy(present)
    logs = torch.zeros(len(present), requires_grad=True)
    with torch.enable_grad():
        optimizer = torch.optim.LBFGS([logs], max_iter=STEPS, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            value = functional.cross_entropy(rows @ logs.exp(), torch.zeros(len(rows), dtype=torch.long))
            value = value + 1e-3 * logs.square().sum()
            value.backward()
            return value

        optimizer.step(loss)
    weights = np.clip(logs.detach().exp().numpy(), LEAST, MOST)
    return tuple((weights * present).tolist())


def _standings(members: Members, relation: int, queries: IntArray) -> Tensor:
    """Queries (q, 3) by one relation -> (those whose answer is in the pool, 1 + RIVALS, members)."""
    anchors, answers = queries[:, 0], queries[:, 2]
    asked = members.asked(relation)
    question, place = asked.question(torch.from_numpy(anchors)), asked.pool.place
    rules = np.log(any_rule(members.rule_features(asked, anchors)) + SILENT)
    walks = members.walk_shares(asked, anchors)
    scores = (
        asked.structure_scores(question),
        asked.tower_scores(question),
        rules,
        None if walks is None else any_walk(walks),
    )
    shape = rules.shape
    stood = [np.zeros(shape, np.float32) if part is None else standing(np.asarray(part)) for part in scores]
    together = np.stack(stood, axis=2)  # (q, p, members)
    rows, known = members.graph.answers(anchors, np.full(len(anchors), relation))
    barred = np.zeros(shape, bool)
    barred[rows[place[known] >= 0], place[known][place[known] >= 0]] = True
    rng, lines = np.random.default_rng(relation), []
    for number in np.flatnonzero(place[answers] >= 0):
        own, size = place[answers[number]], min(BEST, shape[1])
        best = [np.argpartition(-together[number, :, member], size - 1)[:size] for member in range(together.shape[2])]
        rivals = np.unique(np.concatenate([*best, rng.integers(shape[1], size=RIVALS)]))
        rivals = rivals[(rivals != own) & ~barred[number, rivals]]
        if len(rivals):
            chosen = rng.choice(rivals, RIVALS, replace=len(rivals) < RIVALS)
            lines.append(together[number, np.append(own, chosen)])
    return torch.from_numpy(np.stack(lines)) if lines else torch.zeros(0, 1 + RIVALS, together.shape[2])
