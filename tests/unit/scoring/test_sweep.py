"""Sweeps: what is asked, in which order, and that what is left out is said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
import torch

from neo4j_relpred.config import GraphSettings, PublishingSettings
from neo4j_relpred.data.snapshot import Node
from neo4j_relpred.model.structure import ComplEx
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.scoring import sweep
from neo4j_relpred.scoring.scorer import Scorer
from neo4j_relpred.scoring.serving import Serving
from neo4j_relpred.scoring.sweep import Questions, by_promise, free_tails, questions_of
from neo4j_relpred.scoring.threads import shared_out
from tests.synthetic import CHILD, GRANDPARENT, PARENT, SIBLING
from tests.unit.scoring.conftest import TYPES


def test_who_has_the_one_parent_that_people_have_is_not_asked_for_another(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "SETTLED_NODES", 10)
    found, left_out = questions_of(serving, [CHILD])
    assert left_out == (serving.model.graph.context[:, CHILD] > 0).sum()
    assert [questions.answered for questions in found] == [False]


def test_a_tail_that_has_its_one_head_is_not_free(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "SETTLED_NODES", 10)
    free = free_tails(serving, PARENT)
    np.testing.assert_array_equal(free, serving.model.graph.context[:, PARENT + 4] == 0)


def test_few_nodes_settle_nothing(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "SETTLED_NODES", 1_000)
    assert questions_of(serving, [CHILD])[1] == 0


def test_questions_without_an_answer_come_first(serving: Serving) -> None:
    found, _ = questions_of(serving, [SIBLING, GRANDPARENT])
    assert [questions.answered for questions in found] == sorted(questions.answered for questions in found)
    assert {questions.relation for questions in found} == {SIBLING, GRANDPARENT}


def asked_of(questions: Iterable[Questions]) -> list[tuple[int, int]]:
    return [(one.relation, head) for one in questions for head in one.heads.tolist()]


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_the_order_loses_and_doubles_no_question(serving: Serving, seconds: float) -> None:
    asked, _ = questions_of(serving, [CHILD, SIBLING, GRANDPARENT])
    ordered = asked_of(by_promise(serving, asked, seconds))
    assert sorted(ordered) == sorted(asked_of(asked))
    assert list(by_promise(serving, [], seconds)) == []


def test_a_question_with_one_candidate_that_stands_out_comes_first(serving: Serving) -> None:
    """The vectors of two people point into the same direction, and all others nowhere."""
    model = serving.model
    asked, _ = questions_of(serving, [GRANDPARENT])
    heads = np.concatenate([questions.heads for questions in asked])
    free = np.flatnonzero(free_tails(serving, GRANDPARENT))
    known = model.graph.triples[model.graph.triples[:, 1] == GRANDPARENT][:, [0, 2]].tolist()
    head, tail = next((h, t) for h in heads[::-1].tolist() for t in free.tolist() if h != t and [h, t] not in known)
    structure = ComplEx(60, 2 * len(TYPES), 4)
    with torch.no_grad():
        structure.entity.zero_()
        structure.relation.zero_()
        structure.relation[GRANDPARENT, 0] = 1.0
        structure.entity[head, 0] = structure.entity[tail, 0] = 5.0
    other = replace(model, members=replace(model.members, structure=structure))
    ordered = asked_of(by_promise(replace(serving, model=other), asked, 60.0))
    assert ordered.index((GRANDPARENT, head)) < len(ordered) / 8 + 1
    assert asked_of(asked).index((GRANDPARENT, head)) > len(ordered) / 8 + 1


def test_questions_of_new_nodes_come_first(serving: Serving) -> None:
    node = Node("new", "4:x:60", ("Person",), {})
    edges = np.array([[60, SIBLING, 3], [3, SIBLING, 60]])
    wider = serving.with_node(node, np.zeros(serving.model.members.text.shape[1], np.float32), edges, GraphSettings())
    asked, _ = questions_of(wider, [SIBLING, GRANDPARENT])
    ordered = asked_of(by_promise(wider, asked, 60.0))
    assert ordered.index((SIBLING, 60)) < len(ordered) / 4


def test_an_estimate_counts_what_a_sweep_asks(serving: Serving) -> None:
    told: list[tuple[int, int]] = []
    settings = PublishingSettings()
    scorer = Scorer(serving, 1.0)
    estimate = scorer.estimate(TYPES, settings)
    scorer.sweep(TYPES, settings, lambda done, total: told.append((done, total)))
    assert estimate.questions == told[-1][0] == told[-1][1]
    assert {one.relation for one in estimate.types} <= set(TYPES)
    assert all(0 <= one.answered <= one.heads and one.triples == one.heads * one.tails for one in estimate.types)
    assert estimate.every == 60 * 60 * len(TYPES)
    assert estimate.seconds > 0
    assert estimate.memory_bytes > 0
    assert 0 < estimate.share <= 1


def test_a_sweep_without_time_says_how_much_it_left_out(serving: Serving) -> None:
    settings = PublishingSettings(min_probability=0.0, minutes=1e-9)
    said: list[str] = []
    scorer, told = Scorer(serving, 1.0), list[tuple[int, int]]()
    swept = scorer.sweep(TYPES, settings, say=said.append)
    assert swept.triples == []
    scorer.sweep(TYPES, PublishingSettings(), lambda done, total: told.append((done, total)), heads=swept.left)
    assert (
        told[-1]
        == (sum(map(len, swept.left.values())),) * 2
        == (told[-1][1], scorer.estimate(TYPES, settings).questions)
    )
    assert len(said) == 1
    assert "0 of" in said[0]


def test_a_sweep_with_time_says_nothing_and_finds_new_edges(serving: Serving) -> None:
    said: list[str] = []
    found = Scorer(serving, 1.0).sweep(TYPES, PublishingSettings(min_probability=0.3), say=said.append).triples
    assert said == []
    facts = {tuple(row) for row in serving.model.graph.triples.tolist()}
    rows = [(serving.rows[s.triple.head], TYPES.index(s.triple.relation), serving.rows[s.triple.tail]) for s in found]
    assert found
    assert not facts & set(rows)
    assert [s.probability for s in found] == sorted((s.probability for s in found), reverse=True)


def test_two_threads_find_what_one_does(serving: Serving) -> None:
    settings, told = PublishingSettings(min_probability=0.0, top_k=3), list[tuple[int, int]]()
    one = Scorer(serving).sweep(TYPES, settings)
    two = Scorer(serving, workers=2).sweep(TYPES, settings, lambda done, total: told.append((done, total)))
    assert one == two
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1][0] == told[-1][1]


@pytest.mark.parametrize("workers", [1, 2, 9])
def test_all_questions_of_a_relation_go_to_one_thread(workers: int) -> None:
    asked = [
        Questions(relation, np.arange(size), answered=False, candidates=1)
        for relation, size in [(0, 5), (1, 50), (2, 30), (0, 10), (1, 1), (2, 2)]
    ]
    parts = shared_out(asked, workers)
    assert len(parts) == min(workers, 3)
    assert sorted(place for part in parts for place in part) == list(range(6))
    owners = [{asked[place].relation for place in part} for part in parts]
    assert sum(map(len, owners)) == 3
    assert all(part == sorted(part) for part in parts)
    assert workers != 2 or owners == [{1}, {0, 2}]
    assert shared_out([], workers) == []


def test_a_thread_that_fails_stops_the_others(serving: Serving) -> None:
    class Cancelled(BaseException):
        pass

    told: list[int] = []

    def cancelled(done: int, total: int) -> None:
        told.append(done)
        raise Cancelled

    with pytest.raises(Cancelled):
        Scorer(serving, workers=2).sweep(TYPES, PublishingSettings(), cancelled)
    assert len(told) <= 2  # each thread at its first chunk at most


def test_an_audit_puts_what_does_not_belong_first(trained: TrainedModel) -> None:
    """A person who is said to be their own grandparent's grandparent stands out among true relationships."""
    ids = tuple(f"p{row:02}" for row in range(60))
    graph = trained.graph
    wrong = [(h, GRANDPARENT, t) for t, r, h in graph.triples.tolist() if r == GRANDPARENT][:4]
    model = trained.over(graph.with_triples(np.array(wrong)))
    serving = Serving(model, ids, ids, tuple(frozenset({"Person"}) for _ in ids), np.ones(60, bool), TYPES)
    found = Scorer(serving, 1.0).audit(["GRANDPARENT"], 10, 5.0)
    assert [one.probability for one in found] == sorted(one.probability for one in found)
    rows = [(serving.rows[s.triple.head], GRANDPARENT, serving.rows[s.triple.tail]) for s in found]
    assert len(set(rows) & set(wrong)) >= 3
    assert all(model.graph.holds(np.array(rows)))


def test_an_audit_without_time_says_what_it_left_out(serving: Serving) -> None:
    said: list[str] = []
    assert Scorer(serving, 1.0).audit(TYPES, 10, 1e-9, say=said.append) == []
    assert "0 of" in said[0]
