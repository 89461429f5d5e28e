"""A trial of publishing over the family, and that what it showed is heeded where nobody asks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neo4j_relpred.config import PublishingSettings
from neo4j_relpred.data.knowledge_graph import KnowledgeGraph
from neo4j_relpred.evaluation.unasked import Found
from neo4j_relpred.model.unasked import Unasked
from neo4j_relpred.scoring import unasked as module
from neo4j_relpred.scoring.scorer import Scorer
from neo4j_relpred.scoring.serving import Serving
from neo4j_relpred.scoring.sweep import by_lot, questions_of
from neo4j_relpred.scoring.unasked import tried_out
from neo4j_relpred.triples import Query, ScoredTriple
from tests.unit.scoring.conftest import TYPES

ALL = PublishingSettings(min_probability=0.0, top_k=3)


def rows_of(serving: Serving, found: list[ScoredTriple]) -> list[tuple[int, int, int]]:
    return [serving.triple_row(one.triple) for one in found]


def graph_like(serving: Serving, rows: object) -> KnowledgeGraph:
    return KnowledgeGraph.of(len(serving.entities), len(TYPES), np.array(rows, np.int64).reshape(-1, 3), frozenset())


def test_a_draw_by_lot_loses_and_doubles_no_question_and_begins_with_a_part_of_each(serving: Serving) -> None:
    asked, _ = questions_of(serving, range(len(TYPES)))
    drawn = list(by_lot(asked, np.random.default_rng(0)))
    every = [(one.relation, head) for one in drawn for head in one.heads.tolist()]
    assert sorted(every) == sorted((one.relation, head) for one in asked for head in one.heads.tolist())
    first = drawn[: len(asked)]
    assert {(one.relation, one.answered) for one in first} == {(one.relation, one.answered) for one in asked}
    assert all(len(one.heads) == 1 for one in first)  # of at most 60 the 64th part
    assert every != [(one.relation, head) for one in by_lot(asked, np.random.default_rng(1)) for head in one.heads]


def test_a_trial_counts_what_was_held_out_and_leaves_out_what_is_set_apart(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Found] = []

    def fit(found: Found, num_relations: int) -> Unasked:
        told.append(found)
        return Unasked.plain(num_relations)

    monkeypatch.setattr(module, "fit_unasked", fit)
    scorer = Scorer(serving)
    rows = rows_of(serving, scorer.sample(60, np.random.default_rng([0, 11])))
    hidden, apart = graph_like(serving, rows[::3]), graph_like(serving, rows[1::3])
    tried_out(scorer, hidden, apart, 60, 0)
    (found,) = told
    graph = serving.model.graph
    joined = [row for row in rows if graph.degrees[row[0]] > 0]
    assert len(joined) < len(rows)  # what was found of nodes without an edge does not count
    kept = [row for row in joined if row not in rows[1::3]]
    assert len(found.right) == len(kept)
    assert found.right.sum() == len([row for row in rows[::3] if row in kept])
    np.testing.assert_array_equal(found.answered, [graph.context[head, relation] > 0 for head, relation, _ in kept])


def test_what_a_trial_showed_is_heeded_where_nobody_asked_and_no_rate_is_stated(serving: Serving) -> None:
    rare = Unasked(np.ones(2), np.full((len(TYPES), 2), -4.0))
    lower = replace(serving, model=replace(serving.model, unasked=rare))
    high, low = (Scorer(one).sweep(TYPES, ALL).triples for one in (serving, lower))
    before = {one.triple: one.probability for one in high}
    assert [one for one in low if one.probability < before.get(one.triple, 0.0)]
    assert not [one for one in low if one.probability > before.get(one.triple, 1.0)]
    best = low[0].triple
    (scored,), explained = Scorer(lower).score([best]), Scorer(lower).explain(best)
    assert explained.scored.probability == pytest.approx(scored.probability)
    assert scored.probability < Scorer(serving).score([best])[0].probability
    stated = [Scorer(one, 0.3).score([best]) for one in (serving, lower)]
    assert stated[0] == stated[1]
    question = [Query(head=best.head, relation=best.relation)]
    assert Scorer(lower).predict(question, 3) == Scorer(serving).predict(question, 3)  # somebody asked
