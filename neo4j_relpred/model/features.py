"""What the reasoner sees of a candidate: the names of the features, in groups, and how they are collected."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neo4j_relpred.model.choosing import Choice
from neo4j_relpred.model.rules import RULE_FEATURES, SILENT
from neo4j_relpred.model.walks import LEAST, WALK_FEATURES, WALKS
from neo4j_relpred.model.words import WORD_FEATURES

__all__ = ["FEATURE_GROUPS", "FEATURE_NAMES", "Columns", "group_columns"]

FloatArray = npt.NDArray[np.float32]
MEMBER_FEATURES = ("log_probability", "gap", "reverse", "reverse_raw")
FEATURE_GROUPS: dict[str, tuple[str, ...]] = {
    "structure": (*(f"structure_{name}" for name in MEMBER_FEATURES), "structure_relation", "structure_known"),
    "text and graph": (*(f"tower_{name}" for name in MEMBER_FEATURES), "text_cosine", "text_range"),
    "words": WORD_FEATURES,
    "rules": (*RULE_FEATURES, "rules_or", "rules_gap"),
    "walks": WALK_FEATURES,
    "prior": ("popularity", "degree", "context_range", "range_share"),
    "question": (
        "answers",
        "anchor_degree",
        "structure_best",
        "tower_best",
        "rules_best",
        "walks_best",
        "tower_spread",
    ),
}
FEATURE_NAMES = tuple(name for names in FEATURE_GROUPS.values() for name in names)
_PLACES = {name: place for place, name in enumerate(FEATURE_NAMES)}
_COUNTS = np.array([name.endswith("count") for name in RULE_FEATURES])


def group_columns(group: str) -> list[int]:
    """The columns of a feature group."""
    return [_PLACES[name] for name in FEATURE_GROUPS[group]]


class Columns:
    """Collects features by name into `values` (q, c, features); what is not set is zero."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.values: FloatArray = np.zeros((*shape, len(FEATURE_NAMES)), np.float32)

    def set(self, name: str, value: Tensor | FloatArray) -> None:
        """value: (q, c), or (q,) where all candidates of a query share it."""
        array = value.numpy() if isinstance(value, Tensor) else value
        self.values[..., _PLACES[name]] = array if array.ndim == 2 else array[:, None]

    def get(self, name: str) -> FloatArray:
        """(q, c)."""
        return self.values[..., _PLACES[name]]

    def set_member(self, member: str, scores: Tensor, chosen: Tensor) -> None:
        """scores: (q, p) logits of a member; chosen: (q, c) positions."""
        total = torch.logsumexp(scores, 1, keepdim=True)
        best = scores.amax(1, keepdim=True) - total
        mine = scores.gather(1, chosen) - total
        self.set(f"{member}_log_probability", mine)
        self.set(f"{member}_gap", mine - best)
        self.set(f"{member}_best", best[:, 0])

    def set_rules(self, choice: Choice) -> None:
        """What rules say of the chosen."""
        first, last = _PLACES[RULE_FEATURES[0]], _PLACES[RULE_FEATURES[-1]] + 1
        shares = np.log(choice.rules + SILENT)
        self.values[..., first:last] = np.where(_COUNTS, choice.rules, shares)
        self._set_best("rules_or", "rules", choice.rule_logs, choice.rule_best)

    def set_walks(self, choice: Choice) -> None:
        """What walks say of the chosen."""
        first = _PLACES[f"walk_{WALKS[0]}"]
        self.values[..., first : first + len(WALKS)] = np.log(choice.walks + LEAST)
        self._set_best("walks", "walks", choice.walk_logs, choice.walk_best)

    def _set_best(self, name: str, member: str, mine: FloatArray, best: FloatArray) -> None:
        """What a member says of the candidates, how far that is from its best, and its best."""
        self.set(name, mine)
        self.set(f"{member}_gap", mine - best[:, None])
        self.set(f"{member}_best", best)
