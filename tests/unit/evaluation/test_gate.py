"""The gate: pairs of answers in, a verdict with its reason out."""

from __future__ import annotations

import json

import numpy as np
import pytest

from neo4j_relpred.config import PromotionSettings
from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.evaluation.gate import Answered, Decided, Ranked, Verdict, judge, unopposed

NAMES = ("A", "B", "C")
SETTINGS = PromotionSettings()


def triples(number: int = 300) -> IntArray:
    rng = np.random.default_rng(1)
    return np.stack([np.arange(number), rng.integers(0, 3, number), np.arange(number) + number], axis=1)


def answers(number: int = 300, *, first: float = 0.6, sure: float = 0.6, seed: int = 2) -> Answered:
    """`first` of the questions are answered right at once, the others second; probabilities say `sure`."""

    def ranked(count: int) -> Ranked:
        right = np.random.default_rng(seed).random(count) < first
        return Ranked(np.where(right, 1.0, 2.0), np.stack([np.full(count, sure), right], axis=1))

    return Answered(ranked(2 * number), ranked(number))


def named(verdict: Verdict) -> dict[str, float]:
    return {one.name: one.difference for one in verdict.measures}


def test_the_same_answers_pass_with_no_difference_at_all() -> None:
    verdict = judge(answers(), answers(), triples(), NAMES, SETTINGS)
    assert (verdict.passed, verdict.code) == (True, "not-worse")
    assert set(named(verdict).values()) == {0.0}
    assert (verdict.triples, verdict.of) == (300, 300)


def test_worse_ranks_are_refused_with_figures_and_intervals_in_the_reason() -> None:
    verdict = judge(answers(first=0.3), answers(), triples(), NAMES, SETTINGS)
    assert (verdict.passed, verdict.code) == (False, "worse-entity-mrr")
    (mrr,) = [one for one in verdict.measures if one.name == "Entity MRR"]
    assert mrr.low < mrr.difference < mrr.high < -SETTINGS.mrr_tolerance
    for word in (f"{mrr.candidate:.3f} against {mrr.live:.3f}", "95 % interval", "promotion.mrr_tolerance"):
        assert word in verdict.reason
    json.dumps(verdict.to_json())


def test_better_ranks_pass_and_their_interval_says_so() -> None:
    verdict = judge(answers(first=0.9, sure=0.9), answers(), triples(), NAMES, SETTINGS)
    assert verdict.passed
    assert verdict.measures[0].low > 0


def test_what_may_be_chance_does_not_count_however_large_it_is() -> None:
    ours, theirs = answers(8, first=1.0, sure=1.0), answers(8, first=1.0, sure=1.0)
    ours.entities.ranks[[0, 1, 2, 8, 9, 10]] = 2.0
    theirs.entities.ranks[[6, 7, 14, 15]] = 2.0
    verdict = judge(ours, theirs, triples(8), NAMES, SETTINGS)
    mrr = verdict.measures[0]
    assert (mrr.name, mrr.difference) == ("Entity MRR", -0.0625)
    assert mrr.high > 0
    assert verdict.passed


def test_a_tolerance_lets_pass_what_is_surely_worse_but_little() -> None:
    wide = PromotionSettings(mrr_tolerance=0.5, hits_tolerance=0.5, ece_tolerance=0.5, relation_tolerance=0.5)
    assert judge(answers(first=0.3), answers(), triples(), NAMES, wide).passed


def test_probabilities_that_promise_too_much_are_refused() -> None:
    verdict = judge(answers(sure=0.95), answers(), triples(), NAMES, SETTINGS)
    assert verdict.code == "worse-ece-of-entities"
    assert named(verdict)["Entity MRR"] == 0


@pytest.mark.parametrize(("edges", "code"), [(30, "worse-relation"), (1000, "not-worse")])
def test_one_type_that_is_much_worse_is_enough_where_it_has_the_edges(edges: int, code: str) -> None:
    asked, ours = triples(), answers()
    mine = np.tile(asked[:, 1] == 1, 2)
    ours.entities.ranks[mine] *= 4
    verdict = judge(ours, answers(), asked, NAMES, PromotionSettings(mrr_tolerance=1, relation_edges=edges))
    assert verdict.code == code
    assert ("Entity MRR of B" in verdict.reason) == (edges == 30)
    assert [one.name for one in verdict.relations[:1]] == ["Entity MRR of B"][: edges == 30]


def test_only_what_both_were_asked_is_compared() -> None:
    ours = answers(first=0.0)
    for ranked, half in ((ours.entities, np.tile(np.arange(300) < 150, 2)), (ours.relations, np.arange(300) < 150)):
        ranked.ranks[half] = np.nan
    theirs = answers(first=0.0)
    theirs.entities.ranks[np.tile(np.arange(300) < 150, 2)] = 1.0  # where nobody asked the other one
    verdict = judge(ours, theirs, triples(), NAMES, SETTINGS)
    assert verdict.passed
    assert (verdict.triples, verdict.of) == (150, 300)


@pytest.mark.parametrize(("number", "code"), [(60, "worse-brier-score-of-decisions"), (10, "not-worse")])
def test_decisions_of_people_speak_against_a_version_when_there_are_enough(number: int, code: str) -> None:
    accepted = np.arange(number) % 2 == 0
    wrong, right = np.where(accepted, 0.2, 0.8), np.where(accepted, 0.8, 0.2)
    decided = Decided(np.stack([wrong, right], axis=1), accepted)
    assert judge(answers(), answers(), triples(), NAMES, SETTINGS, decided=decided).code == code


@pytest.mark.parametrize("least", [30, 1000])
def test_accepted_triples_are_judged_apart_from_those_held_out(least: int) -> None:
    ours, asked = answers(), np.arange(300) >= 200
    ours.entities.ranks[np.tile(asked, 2)] *= 4
    verdict = judge(ours, answers(), triples(), NAMES, PromotionSettings(decisions=least), 200)
    assert (verdict.triples, verdict.of) == (200, 200)
    assert named(verdict)["Entity MRR"] == 0
    assert verdict.code == ("worse-entity-mrr-of-accepted-triples" if least == 30 else "not-worse")


def test_who_has_nobody_to_be_compared_with_passes() -> None:
    verdict = unopposed("no-live-version", "No version was live before.")
    assert verdict.passed
    assert verdict.measures == ()
