"""The minutes of a benchmark are those of all of it."""

from __future__ import annotations

import pytest

from benchmarks.fitting import ranking_minutes


@pytest.mark.parametrize(("minutes", "kept"), [(30.0, 3.9), (15.0, 1.95), (4.0, 1.2), (1.0, 0.3), (0.0, 0.0)])
def test_ranking_has_enough_of_a_short_time_and_little_of_a_long_one(minutes: float, kept: float) -> None:
    assert ranking_minutes(minutes) == pytest.approx(kept)
