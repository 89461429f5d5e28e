"""The trained family, ready to answer."""

from __future__ import annotations

import numpy as np
import pytest

from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.scoring.serving import Serving

TYPES = ("PARENT", "CHILD", "GRANDPARENT", "SIBLING")


@pytest.fixture
def serving(trained: TrainedModel) -> Serving:
    ids = tuple(f"p{row:02}" for row in range(60))
    return Serving(trained, ids, ids, tuple(frozenset({"Person"}) for _ in ids), np.ones(60, bool), TYPES)
