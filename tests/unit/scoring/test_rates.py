"""Base rates: how often a question of a kind has a missing answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from neo4j_relpred.config import PublishingSettings
from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.scoring import sweep
from neo4j_relpred.scoring.rates import LEAST, MOST_WAITING, base_rates
from neo4j_relpred.scoring.scorer import Scorer
from neo4j_relpred.scoring.serving import Serving
from neo4j_relpred.scoring.sweep import questions_of
from neo4j_relpred.training.fit import FEW_NODES, missing_shares
from tests.synthetic import graph_of

LIVES, KNOWS = 0, 1
TOWN = 9


def town(serving: Serving, triples: object, missing: tuple[float, float] = (0.1, 0.02)) -> Serving:
    """Nine people and a town, with these edges; the weights are somebody else's and never asked."""
    graph = graph_of(10, 2, triples)
    shares = np.tile(np.array(missing), (4, 1))
    model = replace(serving.model, members=replace(serving.model.members, graph=graph), missing=shares)
    labels = tuple(frozenset(["Town" if node == TOWN else "Person"]) for node in range(10))
    names = tuple(f"n{node}" for node in range(10))
    return Serving(model, names, names, labels, np.ones(10, bool), ("LIVES", "KNOWS"))


def rates(serving: Serving, nodes: list[int], relation: int = LIVES) -> npt.NDArray[np.float64]:
    return base_rates(serving, relation, np.array(nodes), serving.model.graph)[:, 0]


def test_each_kind_of_question_has_its_rate(serving: Serving) -> None:
    """Five live in the town, two know each other and live nowhere, two have no edge."""
    facts = [*((person, LIVES, TOWN) for person in range(5)), (5, KNOWS, 6)]
    answered, waiting, bare = rates(town(serving, facts), [0, 5, 8])
    assert answered == pytest.approx(0.02)
    assert waiting == pytest.approx(0.1 * 5 / 2)  # of five with an answer, spread over the two without
    assert bare == pytest.approx(5 / 9)  # as of all people


def test_what_waits_is_never_more_than_half(serving: Serving) -> None:
    facts = [*((person, LIVES, TOWN) for person in range(8)), (8, KNOWS, 0)]
    assert rates(town(serving, facts, (0.9, 0.02)), [8]) == pytest.approx([MOST_WAITING])


def test_a_question_that_nobody_of_the_kind_answers_keeps_a_little(serving: Serving) -> None:
    found = rates(town(serving, [(0, LIVES, TOWN), (1, KNOWS, 2)]), [0, 8], KNOWS)
    assert found == pytest.approx([0.1 / 2, 1 / 9])  # two with other edges know nobody, six have none at all
    assert rates(town(serving, [(0, LIVES, TOWN)]), [8], KNOWS) == pytest.approx([LEAST])


def test_a_node_without_edges_is_asked_for_what_is_less_common_too(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = town(serving, [(0, LIVES, TOWN), (1, KNOWS, 2)])  # one of nine lives somewhere

    def heads(least: float) -> set[int]:
        monkeypatch.setattr(sweep, "BARE_SHARE", least)
        return {int(head) for questions in questions_of(few, [LIVES])[0] for head in questions.heads}

    assert heads(1 / 9) == {0, 3, 4, 5, 6, 7, 8}
    assert heads(2 / 9) == {0}


def test_shares_are_those_of_the_edges_that_were_held_out() -> None:
    """Of a thousand people, all know the next one and every second also the one after that."""
    near = [(person, KNOWS, person + 1) for person in range(1000)]
    far = [(person, KNOWS, person + 2) for person in range(0, 1000, 2)]
    hidden = np.array([*near[1:200:2], *far[:50]])  # a hundred whose only one it is, fifty that have another
    kept = set(map(tuple, [*near, *far])) - set(map(tuple, hidden.tolist()))
    shares = missing_shares(graph_of(1002, 2, list(kept)), hidden)
    assert shares.shape == (4, 2)
    assert shares[KNOWS] == pytest.approx([100 / 1000, 50 / 900], rel=0.05)
    few = missing_shares(graph_of(1002, 2, [*kept, (0, LIVES, 1)]), hidden)
    assert few[LIVES] == pytest.approx(FEW_NODES / (FEW_NODES + 1) * few[KNOWS], rel=0.3)


def test_a_sweep_and_a_score_go_by_the_kind_of_question_and_by_what_is_stated(serving: Serving) -> None:
    model = replace(serving.model, missing=np.full_like(serving.model.missing, 1e-3))
    rare, settings = replace(serving, model=model), PublishingSettings(min_probability=0.0, top_k=3)
    types: IntArray = np.arange(1)
    names = [serving.relations[row] for row in types.tolist()]
    measured, low = (Scorer(one).sweep(names, settings).triples for one in (serving, rare))
    assert {one.triple for one in measured} >= {one.triple for one in low if one.probability > 0.5}
    assert sum(one.probability for one in low) < sum(one.probability for one in measured)
    stated = [Scorer(one, 0.3).sweep(names, settings).triples for one in (serving, rare)]
    assert stated[0] == stated[1]
    (scored,) = Scorer(serving).score([measured[0].triple])
    assert scored.probability == pytest.approx(measured[0].probability, rel=0.01)
