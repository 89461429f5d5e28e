"""What the reasoner sees of a candidate: the names of the features, in groups, and how they are collected."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from torch import Tensor

from neo4j_relpred.model.rules import RULE_FEATURES
from neo4j_relpred.model.words import WORD_FEATURES

__all__ = ["FEATURE_GROUPS", "FEATURE_NAMES", "Columns", "group_columns"]

FloatArray = npt.NDArray[np.float32]
MEMBER_FEATURES = ("log_probability", "gap", "reverse", "reverse_raw")
FEATURE_GROUPS: dict[str, tuple[str, ...]] = {
    "structure": (*(f"structure_{name}" for name in MEMBER_FEATURES), "structure_relation", "structure_known"),
    "text and graph": (*(f"tower_{name}" for name in MEMBER_FEATURES), "text_cosine", "text_range"),
    "words": WORD_FEATURES,
    "rules": (*RULE_FEATURES, "rules_or", "rules_gap"),
    "prior": ("popularity", "degree", "context_range", "range_share"),
    "question": ("answers", "anchor_degree", "structure_best", "tower_best", "rules_best", "tower_spread"),
}
FEATURE_NAMES = tuple(name for names in FEATURE_GROUPS.values() for name in names)


def group_columns(group: str) -> list[int]:
    """The columns of a feature group."""
    return [FEATURE_NAMES.index(name) for name in FEATURE_GROUPS[group]]


@dataclass
class Columns:
    """Collects features by name, (q, c) each."""

    shape: tuple[int, int]
    values: dict[str, FloatArray] = field(default_factory=dict)

    def set(self, name: str, value: Tensor | FloatArray) -> None:
        """value: (q, c), or (q,) where all candidates of a query share it."""
        array = value.numpy() if isinstance(value, Tensor) else value
        self.values[name] = np.broadcast_to(array if array.ndim == 2 else array[:, None], self.shape)

    def stacked(self) -> FloatArray:
        """(q, c, features); what was not set is zero."""
        zero = np.zeros(self.shape, np.float32)
        return np.stack([self.values.get(name, zero) for name in FEATURE_NAMES], axis=2).astype(np.float32)
