"""What a change of the graph makes worth asking again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neo4j_relpred.scoring import affected as module
from neo4j_relpred.scoring.affected import MOST_NAMED, MOST_NEIGHBORS, affected
from neo4j_relpred.scoring.serving import Serving
from tests.synthetic import GRANDPARENT
from tests.unit.scoring.conftest import TYPES


def test_nothing_is_affected_by_nothing(serving: Serving) -> None:
    assert affected(serving, TYPES, []) == {name: frozenset() for name in TYPES}


def test_what_changed_is_asked_about_and_so_are_those_whom_it_may_answer(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_NAMED", 2)
    graph = serving.model.graph
    child = next(row for row in range(60) if graph.context[row, graph.inverse(GRANDPARENT)])
    found = affected(serving, TYPES, [serving.entities[child]], least=5e-4)  # of a model that has hardly learnt
    assert all(serving.entities[child] in heads for heads in found.values())
    assert all(len(heads) <= 3 for heads in found.values())
    answers = serving.model.answer_entities(graph.inverse(GRANDPARENT), np.array([child]))
    probable = np.where(answers.real, answers.probabilities, 0.0)[0]
    best = [place for place in np.argsort(-probable)[:2] if probable[place] >= 1e-4]
    assert best
    assert {serving.entities[row] for row in answers.candidates[0, best]} <= found["GRANDPARENT"]


def test_a_text_that_changed_is_heard_of_by_the_neighbours(serving: Serving) -> None:
    triples = serving.model.graph.triples
    near = {serving.entities[row] for row in np.unique(triples[(triples[:, [0, 2]] == 7).any(1)][:, [0, 2]])}
    by_edges = affected(serving, TYPES, ["p07"], least=1.0)
    by_text = affected(serving, TYPES, ["p07"], ["p07"], least=1.0)
    for name in TYPES:
        assert by_text[name] == by_edges[name] | near


def test_the_neighbours_of_a_node_with_very_many_are_left_alone(serving: Serving) -> None:
    hub = np.array([[7, GRANDPARENT, row] for row in range(60)] * (1 + MOST_NEIGHBORS // 60))
    model = replace(serving.model, members=replace(serving.model.members, graph=serving.model.graph.with_triples(hub)))
    found = affected(replace(serving, model=model), TYPES, ["p07"], ["p07"], least=1.0)
    assert all(len(heads) <= 1 + MOST_NAMED < 60 for heads in found.values())


def test_nodes_that_are_gone_or_unknown_are_left_out(serving: Serving) -> None:
    alive = serving.alive.copy()
    alive[7] = False
    found = affected(replace(serving, alive=alive), TYPES, ["p07", "nobody"])
    assert all(not heads for heads in found.values())
