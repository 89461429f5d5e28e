"""What all tests share: no network, one thread, quick and repeatable properties, one trained model."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from neo4j_relpred.model.trained import TrainedModel
    from neo4j_relpred.training.curves import Curves
    from tests.synthetic import World

gc.set_threshold(50_000)  # importing makes half a million objects that stay; looking through them again is no use

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
for variable in [name for name in os.environ if name.startswith("RELPRED_") and not name.startswith("RELPRED_TEST_")]:
    del os.environ[variable]


def pytest_configure(config: pytest.Config) -> None:
    """Of several processes that miss a compiled loop, one compiles it; the others wait, and find it in the cache."""
    if not hasattr(config, "workerinput"):
        return
    from filelock import FileLock
    from numba.core.config import CACHE_DIR
    from numba.core.dispatcher import Dispatcher

    lock = FileLock(Path(CACHE_DIR or tempfile.gettempdir(), "compiling.lock"))
    compile_or_load = Dispatcher.compile

    def one_at_a_time(self: Dispatcher, signature: object) -> object:
        with lock:
            return compile_or_load(self, signature)

    pytest.MonkeyPatch().setattr(Dispatcher, "compile", one_at_a_time)


def pytest_collection_finish() -> None:
    """What was imported stays: no look for garbage goes through it again.

    And its loggers pass records on: pytest hooks itself into each one that does not, three times a test.
    """
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # nanobind counts what is left at the end
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.propagate = True


settings.register_profile(
    "quick",
    deadline=None,  # the first example compiles
    max_examples=30,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=1000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(autouse=True)
def _small_numbers_stay() -> Iterator[None]:
    """A training has its process flush denormal numbers, which hypothesis wants to draw in later tests."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture(scope="session")
def world() -> World:
    from tests.synthetic import family

    return family()


@pytest.fixture(scope="session")
def learnt(world: World) -> tuple[TrainedModel, Curves]:
    """A whole model fitted on the family tree, with text, and the losses that it had."""
    from neo4j_relpred.training.curves import Curves
    from tests.synthetic import TINY_TRAINING, fitted

    longer, curves = TINY_TRAINING.model_copy(update={"max_epochs": 16}), Curves()
    return fitted(world.train, world.split.holdout, world.text, training=longer, curves=curves), curves


@pytest.fixture(scope="session")
def trained(learnt: tuple[TrainedModel, Curves]) -> TrainedModel:
    return learnt[0]
