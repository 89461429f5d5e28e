"""Profiles of graphs, and how far apart two of them are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.data.profile import probabilities_of, profile_of, shift_of
from neo4j_relpred.data.snapshot import Node, Snapshot
from neo4j_relpred.triples import Triple

COUNTS = st.dictionaries(st.sampled_from("abcde"), st.integers(0, 500), min_size=1).filter(
    lambda c: sum(c.values()) > 0
)


def test_a_profile_counts_texts_degrees_types_and_labels() -> None:
    nodes = [Node(str(n), f"4:{n}", ("City",) if n < 2 else ("Person",), {}) for n in range(6)]
    data = Snapshot.of(nodes, [Triple("2", "LIVES_IN", "0"), Triple("3", "LIVES_IN", "0"), Triple("4", "KNOWS", "4")])
    profile = profile_of(data, ["", "x", "x" * 15, "x" * 16, "x" * 31, "x" * 32])
    assert profile["text length"] == {"0": 1, "1-15": 2, "16-31": 2, "32-63": 1}
    assert profile["degree"] == {"0": 2, "1": 2, "2-3": 2}
    assert profile["relationship type"] == {"KNOWS": 1, "LIVES_IN": 2}
    assert profile["label"] == {"City": 2, "Person": 4}


def test_the_index_is_that_of_the_formula() -> None:
    found = shift_of("x", {"a": 900, "b": 100}, {"a": 500, "b": 500})
    p, q = (np.array(counts) + 0.5 for counts in ([900, 100], [500, 500]))
    p, q = p / p.sum(), q / q.sum()
    assert found.index == pytest.approx(float(((q - p) * np.log(q / p)).sum()))
    assert found.chance == pytest.approx(2 / 1000)
    assert found.verdict == "moved much"
    assert found.most[0] == ("b", 0.1, 0.5)


@pytest.mark.parametrize(("share", "verdict"), [(50, "steady"), (60, "steady"), (68, "moved"), (80, "moved much")])
def test_a_verdict_is_plain(share: int, verdict: str) -> None:
    assert shift_of("x", {"a": 5000, "b": 5000}, {"a": 100 * share, "b": 10_000 - 100 * share}).verdict == verdict


def test_a_type_that_came_and_one_that_went_count_and_stay_finite() -> None:
    found = shift_of("x", {"a": 50, "old": 50}, {"a": 50, "new": 50})
    assert math.isfinite(found.index)
    assert {name for name, *_ in found.most[:2]} == {"old", "new"}


@given(COUNTS, COUNTS)
def test_it_is_the_same_both_ways_and_never_below_zero(one: dict[str, int], other: dict[str, int]) -> None:
    assert shift_of("x", one, other).index == pytest.approx(shift_of("x", other, one).index)
    assert shift_of("x", one, other).index >= 0
    assert shift_of("x", one, one).index == 0


def test_two_samples_of_one_distribution_are_steady_however_small() -> None:
    rng, verdicts, indices, chances = np.random.default_rng(0), [], [], []
    for _ in range(200):
        one, other = (
            dict(zip("abcdefgh", rng.multinomial(150, np.full(8, 1 / 8)).tolist(), strict=True)) for _ in "12"
        )
        found = shift_of("x", one, other)
        verdicts.append(found.verdict)
        indices.append(found.index)
        chances.append(found.chance)
    assert verdicts.count("steady") > 190
    assert np.mean(indices) == pytest.approx(np.mean(chances), rel=0.2)


def test_probabilities_are_counted_by_tenths() -> None:
    counts = probabilities_of([0.0, 0.05, 0.5, 0.99, 1.0])
    assert {name: number for name, number in counts.items() if number} == {".0": 2, ".5": 1, ".9": 2}
