"""What queries by one relation share, kept from query to query and scored in bytes: the same answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neo4j_relpred.model import rough as module
from neo4j_relpred.model.asked import Asked
from neo4j_relpred.model.members import Members, Proposal
from neo4j_relpred.model.trained import TrainedModel

ROOM = 1_000_000


@pytest.fixture(params=[True, False], ids=["int8", "fp32"])
def roomy(trained: TrainedModel, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Members:
    monkeypatch.setattr(module, "multiplies_int8", lambda: request.param)
    return replace(trained.members, room=ROOM)


def propose(members: Members, relation: int) -> Proposal:
    anchors = np.arange(12)
    return members.propose(relation, anchors, members.graph.answers(anchors, np.full(len(anchors), relation)))


def test_rough_scores_choose_and_exact_ones_are_told(trained: TrainedModel, roomy: Members) -> None:
    for relation in range(2 * trained.graph.num_relations):
        exact, other = propose(trained.members, relation), propose(roomy, relation)
        np.testing.assert_array_equal(exact.candidates, other.candidates)  # the graph is small: all are candidates
        np.testing.assert_allclose(exact.features, other.features, atol=0.05)
        np.testing.assert_allclose(
            trained.reason(relation, exact).logits, trained.reason(relation, other).logits, atol=0.1
        )


def test_as_many_relations_are_kept_as_fit(roomy: Members) -> None:
    first = roomy.asked(0)
    assert [roomy.asked(relation) for relation in (1, 2, 0)][-1] is first
    tight = replace(roomy, room=2 * first.bytes)
    kept: list[Asked] = [tight.asked(relation) for relation in (0, 1)]
    assert tight.asked(0) is kept[0]
    tight.asked(2)  # the one that nobody asked for longest has to go
    assert tight.asked(0) is kept[0]
    assert tight.asked(1) is not kept[1]


def test_without_room_only_the_last_one_is_kept(trained: TrainedModel) -> None:
    members = replace(trained.members)
    first = members.asked(0)
    assert members.asked(0) is first
    members.asked(1)
    assert members.asked(0) is not first


def test_looking_ahead_ends_and_changes_no_answer(roomy: Members) -> None:
    other = replace(roomy, room=ROOM)
    assert not other.look_ahead()  # nothing was asked yet
    before = propose(other, 0)
    assert sum(iter(other.look_ahead, False)) >= 1
    ahead = propose(other, 0)
    np.testing.assert_array_equal(before.candidates, ahead.candidates)
    np.testing.assert_allclose(before.features, ahead.features, atol=1e-4)
    for reverse in (other.asked(0)._structure_reverse, other.asked(0)._tower_reverse):
        assert not reverse._totals.isnan().any()
