"""Why a triple was scored as it was: the rule that leads there, and the share of each kind of evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch

from neo4j_relpred.model.bearers import best_fact
from neo4j_relpred.model.features import FEATURE_GROUPS, group_columns
from neo4j_relpred.model.reasoner import Reasoners
from neo4j_relpred.model.relations import RELATION_FEATURES, RELATION_GROUPS
from neo4j_relpred.model.rules import SMOOTHING, arrays_of
from neo4j_relpred.scoring.serving import Serving
from neo4j_relpred.triples import Evidence

__all__ = ["ENTITY_COLUMNS", "RELATION_COLUMNS", "arrow", "evidence_shares", "explain", "named", "shares_of_each"]

LEAST_CONFIDENCE = 0.05
NAME_LENGTH = 40
FACTS = 50  # about how many facts of a head are looked at, evenly spread: a hub has thousands
ENTITY_COLUMNS = {group: group_columns(group) for group in FEATURE_GROUPS if group != "question"}  # all alike there
RELATION_COLUMNS = {
    group: [RELATION_FEATURES.index(name) for name in names] for group, names in RELATION_GROUPS.items()
}


@torch.inference_mode()
def evidence_shares(
    reasoner: Reasoners,
    features: npt.NDArray[np.float32],
    asked: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    columns: Mapping[str, list[int]],
) -> list[dict[str, float]]:
    """How much the logit of some candidates falls when a group of features is put back to its mean.

    features: (c, f) of one query; asked: (1,) or (c,) the relation that each candidate is asked of; rows: the
    candidates to explain; columns: those of each group. Shares of the falls, at least 0, sum to 1.
    """
    if reasoner.alone:  # then the candidates that nobody asks about say nothing
        features, asked, rows = features[rows], asked if len(asked) == 1 else asked[rows], np.arange(len(rows))
    x = torch.from_numpy(features).repeat(
        1 + len(columns), 1, 1
    )  # as it is, then without each group: (1 + groups, c, f)
    mean = reasoner.mean
    for number, chosen in enumerate(columns.values(), start=1):
        x[number, :, chosen] = mean[chosen]
    relations = torch.from_numpy(asked).expand(len(x), -1)
    full, *without = reasoner(x, relations, torch.ones(x.shape[:2], dtype=torch.bool))[:, rows].numpy()
    falls = np.maximum(full - np.stack(without), 0)  # (groups, rows)
    shares = (falls / np.maximum(falls.sum(0), 1e-6)).round(3)
    return [dict(zip(columns, told, strict=True)) for told in shares.T.tolist()]


def shares_of_each(
    reasoner: Reasoners,
    features: npt.NDArray[np.float32],
    asked: npt.NDArray[np.int64],
    rows: Sequence[npt.NDArray[np.int64]],
    columns: Mapping[str, list[int]],
) -> Iterator[list[dict[str, float]]]:
    """`evidence_shares` of some candidates `rows` of each query; features: (q, c, f)."""
    if not reasoner.alone:
        for own, chosen in zip(features, rows, strict=True):
            yield evidence_shares(reasoner, own, asked, chosen, columns)
        return
    if not rows:
        return
    # nothing tells candidates of one query from those of another
    places = np.concatenate(rows)
    lines = np.repeat(np.arange(len(rows)), [len(chosen) for chosen in rows])
    relations = asked if len(asked) == 1 else asked[places]
    every = iter(evidence_shares(reasoner, features[lines, places], relations, np.arange(len(places)), columns))
    for chosen in rows:
        yield list(islice(every, len(chosen)))


def explain(serving: Serving, head: int, relation: int, tail: int, shares: dict[str, float]) -> Evidence:
    """One line: the most telling rule with its counts where there is one, then the shares."""
    parts = []
    rule = _path_rule(serving, head, relation, tail) or _fact_rule(serving, head, relation, tail)
    if rule:
        parts.append(rule)
    weights = sorted(((share, group) for group, share in shares.items() if share >= 0.05), reverse=True)
    if weights:
        parts.append(", ".join(f"{group} {share:.0%}" for share, group in weights))
    return Evidence("; ".join(parts), shares)


def _path_rule(serving: Serving, head: int, relation: int, tail: int) -> str | None:
    """A mined rule that leads from head to tail, as a Cypher pattern with names."""
    found = serving.model.members.rules.explain(serving.model.graph, head, relation, tail)
    if found is None or found[0].confidence < LEAST_CONFIDENCE:
        return None
    rule, middle = found
    nodes = [head, tail] if len(rule.body) == 1 else [head, middle, tail]
    pattern = named(serving, nodes[0])
    for step, node in zip(rule.body, nodes[1:], strict=True):
        pattern += f"{arrow(serving, step)}{named(serving, node)}"
    return f"{pattern} (such paths hold {rule.confidence:.0%} of the time, seen {rule.support} times)"


def _fact_rule(serving: Serving, head: int, relation: int, tail: int) -> str | None:
    """The fact of the head whose other bearers have this tail most often."""
    graph = serving.model.graph
    asked = np.array([head, relation, tail])
    place, support, looked = best_fact(*arrays_of(graph), graph.num_relations, asked, FACTS)
    if support / (looked + SMOOTHING) <= LEAST_CONFIDENCE:
        return None
    fact = f"(){arrow(serving, int(graph.edge_relations[place]))}{named(serving, int(graph.edge_tails[place]))}"
    return f"{support} of {looked} others with {fact} have it"


def arrow(serving: Serving, relation: int) -> str:
    """A step along a relation or its inverse, for people: names are not quoted."""
    count = len(serving.relations)
    name = serving.relations[relation % count]
    return f"-[:{name}]->" if relation < count else f"<-[:{name}]-"


def named(serving: Serving, row: int) -> str:
    """A node, for people."""
    name = serving.names[row]
    return f"({name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + '…'})"
