"""Many questions at once, and the same one by one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from neo4j_relpred.errors import UnknownEntity
from neo4j_relpred.model import chunks
from neo4j_relpred.scoring.scorer import Scorer
from neo4j_relpred.scoring.serving import Serving
from neo4j_relpred.triples import Part, Query, ScoredTriple
from tests.synthetic import SIBLING

FEW = [f"p{row:02}" for row in range(0, 60, 7)]


def said(answers: list[ScoredTriple]) -> list[tuple[object, ...]]:
    return [(one.triple, one.rank, one.evidence.summary, pytest.approx(one.probability, abs=1e-5)) for one in answers]


def test_many_questions_of_all_kinds_are_answered_as_one_by_one(serving: Serving) -> None:
    queries = [
        query
        for first, second in pairwise(FEW)
        for query in (
            Query(head=first, relation="SIBLING"),
            Query(relation="PARENT", tail=second),
            Query(head=first, tail=second),
            Query(head=second, relation="CHILD"),
        )
    ]
    scorer = Scorer(serving, 1.0)
    together = scorer.predict(queries, 5)
    for query, answers in zip(queries, together, strict=True):
        (alone,) = scorer.predict([query], 5)
        assert said(answers) == said(alone)
    assert any(together)
    assert scorer.predict([], 5) == []


def test_known_and_rejected_answers_are_left_out_of_each_question(serving: Serving) -> None:
    queries = [Query(head=entity, relation="SIBLING") for entity in FEW]
    first = [answers[0].triple for answers in Scorer(serving, 1.0).predict(queries, 1)]
    wrong = np.array([(serving.rows[one.head], SIBLING, serving.rows[one.tail]) for one in first])
    for answers, rejected in zip(Scorer(serving, 1.0, wrong).predict(queries, 60), first, strict=True):
        assert rejected not in {one.triple for one in answers}
        rows = np.array([(serving.rows[one.triple.head], SIBLING, serving.rows[one.triple.tail]) for one in answers])
        assert not serving.model.graph.holds(rows).any()


def test_one_unknown_node_is_named(serving: Serving) -> None:
    with pytest.raises(UnknownEntity, match="nobody"):
        Scorer(serving, 1.0).predict([Query(head=one, relation="SIBLING") for one in ("p01", "nobody")], 5)


@pytest.mark.parametrize("target", ["head", "tail"])
def test_a_long_list_is_answered_by_threads_as_by_one(
    target: Part, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "MOST_IN_CHUNK", 7)
    end = "tail" if target == "head" else "head"
    queries = [Query(**{"relation": "SIBLING", end: name}) for name in serving.entities]
    one, two = (Scorer(serving, workers=workers).predict(queries, 5) for workers in (1, 2))
    assert [[row.triple for row in rows] for rows in one] == [[row.triple for row in rows] for rows in two]
    for rows, others in zip(one, two, strict=True):
        probable = [row.probability for row in others]
        assert [row.probability for row in rows] == pytest.approx(probable, abs=1e-5)
    assert all(getattr(rows[0].triple, end) == name for rows, name in zip(one, serving.entities, strict=True))
