"""Budgets and schedules: a busy machine must not leave a part untrained."""

from __future__ import annotations

import pytest

from neo4j_relpred.training.budget import Budget, Schedule

SPENT, ENDLESS = Budget(0.0, 0.0), Budget.minutes(1e9)


def test_a_schedule_ends_with_its_steps() -> None:
    schedule = Schedule(10, 3, ENDLESS)
    assert [schedule.over(step) for step in (0, 9, 10)] == [False, False, True]


def test_a_spent_budget_ends_a_schedule_after_the_least_steps() -> None:
    schedule = Schedule(10, 3, SPENT)
    assert [schedule.over(step) for step in (0, 2, 3)] == [False, False, True]


def test_the_least_steps_are_made_at_a_rate_that_teaches() -> None:
    assert Schedule(100, 4, SPENT).progress(0) == 0
    assert Schedule(100, 4, SPENT).progress(2) == pytest.approx(0.5)


def test_a_schedule_with_time_goes_by_its_steps() -> None:
    assert Schedule(100, 4, ENDLESS).progress(50) == pytest.approx(0.5)
