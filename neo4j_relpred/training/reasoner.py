"""Fits a reasoner on held-out answers: softmax over the candidates of a query, and binary cross-entropy beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from neo4j_relpred.config import ReasonerKind, TrainingSettings
from neo4j_relpred.model.grown import lend
from neo4j_relpred.model.reasoner import Reasoner
from neo4j_relpred.text.processor import device_of
from neo4j_relpred.training.budget import Budget, Schedule

__all__ = ["RankingData", "fit_reasoner"]

LEARNING_RATE = 2e-3, 4e-3  # few queries are learnt by heart at a high rate, many are not learnt at a low one
FEW, MANY = 1_000, 2_000  # queries
EPOCHS = 10
CORRECTION = 1 / 8  # of the learning rate where a logit is corrected: it is good already
GOING_ON = 1 / 4  # of the learning rate for a reasoner that is gone on with
BATCH = 32  # queries; fewer where each has more than CELLS / BATCH candidates
CELLS = 19_200
LEAST_STEPS = 150  # so that a handful of queries is seen often enough


@dataclass(frozen=True)
class RankingData:
    """Queries with features of their candidates.

    features (q, c, f); relations (q, 1) or (q, c), as Reasoner.forward takes them; labels (q, c) 1.0 for answers;
    real (q, c) False for fillers; base: see Reasoner.
    """

    features: Tensor
    relations: Tensor
    labels: Tensor
    real: Tensor
    base: int | None = None

    def rows(self, chosen: Tensor) -> RankingData:
        """Some of the queries."""
        parts = (self.features[chosen], self.relations[chosen], self.labels[chosen], self.real[chosen])
        return RankingData(*parts, self.base)

    def joined(self, other: RankingData) -> RankingData:
        """These queries, then those."""
        return RankingData(
            torch.cat([self.features, other.features]),
            torch.cat([self.relations, other.relations]),
            torch.cat([self.labels, other.labels]),
            torch.cat([self.real, other.real]),
            self.base,
        )

    def to(self, device: str) -> RankingData:
        """The same on another device."""
        names = ("features", "relations", "labels", "real")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def fit_reasoner(
    data: RankingData,
    kind: ReasonerKind,
    num_relations: int,
    settings: TrainingSettings,
    budget: Budget,
    passes: int = EPOCHS,
    report: Callable[[float], None] = lambda loss: None,
    start: Reasoner | None = None,
) -> Reasoner:
    """So many passes, more over few queries, fewer when the budget ends before; the learning rate falls to zero.

    A base (see Reasoner) is corrected gently: a few thousand queries can teach a network to trust it less than it
    deserves. So is `start`, a reasoner that is gone on with where it has the same shape. `report` gets the mean loss of
    each pass.
    """
    device = device_of(settings.device, "training.device")
    torch.manual_seed(settings.seed + 3)
    rng = np.random.default_rng([settings.seed, 3])
    rate = float(np.interp(len(data.relations), (FEW, MANY), LEARNING_RATE))
    if data.base is not None:
        rate *= CORRECTION
    model = Reasoner(kind, data.features.shape[2], num_relations, data.base)
    model.fit_scale(data.features, data.real)
    if lend(start, model):
        rate *= GOING_ON
    model, data = model.to(device), data.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    model.train()
    size = max(1, min(BATCH, CELLS // data.real.shape[1]))
    batches = -(-len(data.relations) // size)
    least = -(-LEAST_STEPS // batches) if passes == EPOCHS else 1
    epochs = min(max(1, passes, least), settings.max_epochs)
    schedule = Schedule(epochs * batches, LEAST_STEPS, budget)
    for epoch in range(epochs):
        order, losses = torch.from_numpy(rng.permutation(len(data.relations))).to(device), []
        for number in range(batches):
            first, step = number * size, epoch * batches + number
            if schedule.over(step):
                return model.cpu().train(mode=False)
            for group in optimizer.param_groups:
                group["lr"] = rate * max(0.02, 1 - schedule.progress(step))
            batch = data.rows(order[first : first + size])
            loss = ranking_loss(model(batch.features, batch.relations, batch.real), batch, settings)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())  # read once a pass: on a GPU each look would wait for it
        report(float(torch.stack(losses).mean()))
    return model.cpu().train(mode=False)


def ranking_loss(logits: Tensor, batch: RankingData, settings: TrainingSettings) -> Tensor:
    """Each answer against the candidates that are no answers, plus binary cross-entropy of each candidate.

    logits: (q, c). Scalar.
    """
    logits = logits.masked_fill(~batch.real, -1e4)
    answers = batch.labels > 0
    rivals = torch.logsumexp(logits.masked_fill(answers, -1e4), 1, keepdim=True)  # (q, 1)
    softmax = -functional.logsigmoid(logits - rivals)[answers]  # log of e^answer / (e^answer + rivals)
    binary = functional.binary_cross_entropy_with_logits(logits, batch.labels, reduction="none")[batch.real]
    binary = binary.sum() / max(1, len(logits))
    return settings.softmax_weight * softmax.sum() / max(1, len(logits)) + settings.bce_weight * binary
