"""Draws settings to try from the search space: optuna behind two calls. It is imported when it is asked for."""

from __future__ import annotations

import importlib.util
from typing import Any

from neo4j_relpred.api.search_space import SPACE, Choice, Span, value_of
from neo4j_relpred.config import Settings
from neo4j_relpred.data.knowledge_graph import KnowledgeGraph
from neo4j_relpred.errors import DependencyMissing
from neo4j_relpred.training.structure import settled

__all__ = ["Sampler", "require_sampler"]

STARTUP = 6  # trials drawn at random before the sampler draws from what it saw


def require_sampler() -> None:
    """Raises DependencyMissing where the extra is not installed."""
    if importlib.util.find_spec("optuna") is None:
        raise DependencyMissing(
            "Tuning needs the package optuna, which is not installed.", hint="pip install 'neo4j_relpred[tune]'"
        )


class Sampler:
    """A tree-structured Parzen estimator (Bergstra et al. 2011) with the seed of the settings.

    It knows nothing but what it was told, so the same seed and the same figures give the same settings to try.
    """

    def __init__(self, settings: Settings, graph: KnowledgeGraph, figure: float) -> None:
        """`figure`: of the settings in force, which it starts from; `graph` tells what those are that are unset."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        in_force = settings.model_copy(update={"training": settled(settings.training, graph)})
        start = {name: value_of(in_force, name) for name in SPACE}
        space = {name: dimension.around(start[name]) for name, dimension in SPACE.items()}
        self._distributions = {name: _distribution(dimension) for name, dimension in space.items()}
        sampler = optuna.samplers.TPESampler(n_startup_trials=STARTUP, seed=settings.training.seed)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        inside = {name: dimension.nearest(start[name]) for name, dimension in space.items()}
        known = optuna.trial.create_trial(params=inside, distributions=self._distributions, value=figure)
        self._study.add_trial(known)

    def ask(self) -> Any:
        """A trial; `params` of it are values by 'section.key'."""
        return self._study.ask(self._distributions)

    def tell(self, trial: Any, figure: float | None) -> None:
        """What came of a trial; None where it failed."""
        import optuna

        if figure is None:
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, figure)


def _distribution(dimension: Choice | Span) -> Any:
    import optuna

    if isinstance(dimension, Choice):
        return optuna.distributions.CategoricalDistribution(dimension.values)
    if dimension.whole:
        return optuna.distributions.IntDistribution(int(dimension.low), int(dimension.high))
    return optuna.distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log)
