"""Refuses numbers that are none before they spread: a NaN in one vector would be in every answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from neo4j_relpred.errors import NotFinite
from neo4j_relpred.model.members import Members
from neo4j_relpred.model.trained import TrainedModel

__all__ = ["check_features", "check_members", "check_model", "check_numbers", "check_vectors"]

MOST_NAMED = 5


def check_vectors(vectors: Tensor) -> None:
    """Text vectors (entities, text width). Raises NotFinite."""
    broken = torch.nonzero(~torch.isfinite(vectors).all(1))[:, 0]
    if len(broken):
        raise NotFinite(
            f"The text vectors of {len(broken)} of {len(vectors)} nodes hold NaN or infinity: rows {_some(broken)}.",
            hint="The encoder gave them: set text.precision to 'fp32', or another text.encoder.",
        )


def check_features(features: npt.NDArray[np.float32], names: Sequence[str], kind: str) -> None:
    """Features (q, c, f) of held-out queries of a kind, a name for each of f. Raises NotFinite."""
    with np.errstate(invalid="ignore"):  # infinity and its opposite sum up to NaN, as they should
        wrong = ~np.isfinite(features.sum((0, 1), dtype=np.float64))  # a sum costs no mask as large as all features
    if wrong.any():
        found = [name for name, bad in zip(names, wrong, strict=True) if bad]
        check_numbers(features[..., wrong], f"features of held-out {kind} queries ({_some(found)})")


def check_numbers(array: npt.NDArray[np.floating], what: str) -> None:
    """An array of any shape that was learnt. Raises NotFinite."""
    count = int((~np.isfinite(array)).sum())
    if count:
        raise NotFinite(
            f"{count} {what} are NaN or infinite.",
            hint="The training diverged: put the settings of training and model back to their defaults.",
        )


def check_members(members: Members) -> None:
    """The vectors of the members. Raises NotFinite."""
    for name, part in (("structure member", members.structure), ("tower", members.tower)):
        _check_module(part, name)


def check_model(model: TrainedModel) -> None:
    """What was fitted after the members. Raises NotFinite."""
    _check_module(model.head, "relation head")
    kinds = {
        "entity": (model.entity_reasoner, model.entity_calibration),
        "relation": (model.relation_reasoner, model.relation_calibration),
    }
    for kind, (reasoner, calibration) in kinds.items():
        _check_module(reasoner, f"{kind} reasoner")
        for values in (calibration.weights, calibration.slope, calibration.intercept, calibration.missing):
            check_numbers(values, f"numbers of the {kind} calibration")


def _check_module(module: nn.Module | None, name: str) -> None:
    for value in module.state_dict().values() if module is not None else ():
        check_numbers(value.numpy(), f"weights of the {name}")


def _some(names: Sequence[object] | Tensor) -> str:
    every = names.tolist() if isinstance(names, Tensor) else list(names)
    more = f" and {len(every) - MOST_NAMED} more" if len(every) > MOST_NAMED else ""
    return ", ".join(map(str, every[:MOST_NAMED])) + more
