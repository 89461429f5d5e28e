"""Fits the correction of probabilities of edges that nobody asked for, from what a trial found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from neo4j_relpred.model.unasked import Unasked, log_odds

__all__ = ["Found", "fit_unasked"]

FloatArray = npt.NDArray[np.float64]
LEAST_RIGHT = 10
SLOPE_SPREAD = 0.5  # standard deviations that are expected: of a slope about 1,
OFFSET_SPREAD = 1.0  # and of what a type differs from all types
STEPS = 100


@dataclass(frozen=True)
class Found:
    """What a trial found, one line for each edge: (n,) each.

    probabilities: at base rates; answered: whether the question has an answer that the model knew; right: whether the
    edge is one that was held out.
    """

    relations: npt.NDArray[np.int64]
    answered: npt.NDArray[np.bool_]
    probabilities: FloatArray
    right: npt.NDArray[np.bool_]


def fit_unasked(found: Found, num_relations: int) -> Unasked:
    """Logistic in the log odds: a slope and an offset for each kind of question, and one more offset for each type.

    As many edges are taken to be missing as were held out. They are found beside those, and count as wrong: where the
    share q of what is found is true when the held-out edges are known, q / (1 + q) of it are held-out edges now. Fewer
    than LEAST_RIGHT of them leave probabilities as they are.
    """
    if found.right.sum() < LEAST_RIGHT:
        return Unasked.plain(num_relations)
    kind = torch.from_numpy(found.answered.astype(np.int64))
    group = 2 * torch.from_numpy(found.relations) + kind
    z, right = torch.from_numpy(log_odds(found.probabilities)), torch.from_numpy(found.right.astype(np.float64))
    slope, common = torch.ones(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    offset = torch.zeros(2 * num_relations, dtype=torch.float64)
    weights = [part.requires_grad_() for part in (slope, common, offset)]
    search = torch.optim.LBFGS(weights, max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        log_share = functional.logsigmoid(slope[kind] * z + common[kind] + offset[group])
        wrong = torch.log1p(log_share.exp()) - right * log_share
        prior = ((slope - 1) / SLOPE_SPREAD).square().sum() + (offset / OFFSET_SPREAD).square().sum()
        total: Tensor = wrong.sum() + prior / 2
        torch.autograd.backward(total)
        return total

    search.step(loss)
    offsets = (common + offset.view(num_relations, 2)).detach().numpy()
    return Unasked(slope.detach().numpy(), offsets)
