"""What a variant of an ablation sees, and the sum of the members that stands for no reasoner."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.ablation import VARIANTS, SumOfMembers
from benchmarks.fitting import settings_of
from benchmarks.folders import DataSet
from neo4j_relpred.model.trained import TrainedModel
from tests.synthetic import SIBLING, World


def test_each_variant_changes_one_thing(world: World) -> None:
    triples = world.graph.triples
    data = DataSet(["a"] * 60, ["a"] * 60, ["a text"] * 60, ("P", "C", "G", "S"), triples, triples, triples, {})
    whole = settings_of((), 0)
    assert VARIANTS["whole"].of(data) == data
    for name, variant in VARIANTS.items():
        changed = (settings_of(variant.settings, 0) != whole) + (not variant.text) + (variant.share < 1)
        assert changed == {"whole": 0, "few without self-supervision": 2}.get(name, 1), name
    assert not any(VARIANTS["without text"].of(data).texts)
    few = VARIANTS["few"].of(data).train
    assert len(few) == round(len(triples) / 10)
    assert {tuple(row) for row in few.tolist()} <= {tuple(row) for row in triples.tolist()}


def test_the_sum_of_the_members_ranks_every_entity(trained: TrainedModel) -> None:
    scores = SumOfMembers(trained).entity_scores(SIBLING, np.array([5, 9]))
    assert scores.shape == (2, 60)
    assert np.isfinite(scores).all()


def test_a_setting_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="no_such"):
        settings_of(("model.no_such=1",), 0)
