"""The minutes of a benchmark are those of all of it."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import fitting
from benchmarks.fitting import log_odds, ranking_minutes
from neo4j_relpred.config import Settings, TrainingSettings
from neo4j_relpred.model.trained import TrainedModel
from tests.synthetic import World


@pytest.mark.parametrize(
    ("minutes", "triples", "kept"),
    [
        (30.0, 0, 3.9),
        (15.0, 0, 1.95),
        (4.0, 0, 1.2),
        (1.0, 0, 0.3),
        (0.0, 0, 0.0),
        (30.0, 15_000, 6.7),
        (10, 15_000, 3),
    ],
)
def test_ranking_has_enough_of_a_short_time_and_little_of_a_long_one(minutes: float, triples: int, kept: float) -> None:
    settings = Settings(training=TrainingSettings(workers=1))
    assert ranking_minutes(minutes, triples, settings) == pytest.approx(kept)
    both = Settings(training=TrainingSettings(workers=2))
    assert ranking_minutes(30, 15_000, both) == pytest.approx(3.95)


@pytest.mark.parametrize("workers", [1, 2])
def test_triples_of_one_question_are_told_as_if_each_was_asked_alone(
    trained: TrainedModel, world: World, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a graph so small that all nodes are candidates in any case."""
    every = np.arange(world.graph.num_entities)
    triples = np.stack([np.repeat(every[:5], len(every)), np.full(5 * len(every), 1), np.tile(every, 5)], axis=1)
    triples = np.random.default_rng(0).permutation(triples)
    together = log_odds(trained, triples, workers)
    monkeypatch.setattr(fitting, "WANTED", 1)
    np.testing.assert_allclose(together, log_odds(trained, triples), rtol=1e-4, atol=1e-4)
    assert len(set(together.round(6))) > len(every)


def test_no_triples_have_no_odds(trained: TrainedModel) -> None:
    assert log_odds(trained, np.empty((0, 3), np.int64)).shape == (0,)
