from __future__ import annotations

import queue
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import apscheduler.schedulers.base
import apscheduler.triggers.interval
import pytest

from neo4j_relpred.config import DaemonSettings
from neo4j_relpred.daemon.schedule import REFRESH, RETRAIN, SYNC, make_schedule
from neo4j_relpred.errors import InvalidSettings

TUESDAY = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def times(cron: str, count: int, zone: str = "UTC") -> list[datetime]:
    trigger = make_schedule(DaemonSettings(retrain_cron=cron, timezone=zone)).triggers[RETRAIN]
    found = [trigger.get_next_fire_time(None, TUESDAY)]
    while len(found) < count:
        found.append(trigger.get_next_fire_time(found[-1], found[-1] + timedelta(seconds=1)))
    return found


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("0", ["Sun"]),
        ("7", ["Sun"]),
        ("1", ["Mon"]),
        ("1-5", ["Wed", "Thu", "Fri", "Mon", "Tue"]),
        ("0-4", ["Wed", "Thu", "Sun", "Mon", "Tue"]),
        ("5-7", ["Fri", "Sat", "Sun"]),
        ("0,6", ["Sat", "Sun"]),
        ("*/2", ["Thu", "Sat", "Sun", "Tue"]),
        ("1-5/2", ["Wed", "Fri", "Mon"]),
        ("mon-fri", ["Wed", "Thu", "Fri", "Mon", "Tue"]),
    ],
)
def test_weekdays_are_counted_as_cron_counts_them(field: str, days: list[str]) -> None:
    found = [f"{time:%a}" for time in times(f"0 3 * * {field}", len(days) + 1)]
    assert found == [*days, days[0]]


def test_the_hour_is_that_of_the_time_zone() -> None:
    assert times("0 3 * * *", 1, "Asia/Tokyo") == [datetime(2026, 11, 25, 3, 0, tzinfo=ZoneInfo("Asia/Tokyo"))]
    assert times("0 3 * * *", 1, "utc") == [datetime(2026, 11, 25, 3, 0, tzinfo=UTC)]


def test_an_empty_cron_is_never() -> None:
    assert RETRAIN not in make_schedule(DaemonSettings(retrain_cron="")).triggers


@pytest.mark.parametrize(
    "cron",
    ["3", "0 3 * *", "0 3 * * * *", "61 * * * *", "0 3 * * 8", "0 3 * * 5-1", "0 3 * * */0", "at three", "0 0 30 2 *"],
)
def test_a_cron_that_is_none_is_refused(cron: str) -> None:
    with pytest.raises(InvalidSettings, match=r"daemon\.retrain_cron .*'' for never"):
        make_schedule(DaemonSettings(retrain_cron=cron))


@pytest.mark.parametrize("zone", ["Europe/Berlim", "../etc/passwd", "", "/etc/localtime", "a\0b"])
def test_a_time_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(InvalidSettings, match=r"daemon\.timezone") as caught:
        make_schedule(DaemonSettings(timezone=zone))
    assert caught.value.hint
    if zone == "Europe/Berlim":
        assert "Europe/Berlin" in caught.value.hint


@pytest.mark.parametrize("minutes", [1e300, float("inf")])
def test_an_interval_without_end_is_refused(minutes: float) -> None:
    with pytest.raises(InvalidSettings, match=r"daemon\.interval_minutes"):
        make_schedule(DaemonSettings(interval_minutes=minutes))


def test_missed_times_count_once_however_late() -> None:
    """The scheduler itself asks for all run times that have passed; coalescing leaves one."""
    schedule = make_schedule(DaemonSettings(interval_minutes=1))
    scheduler = schedule.scheduler(lambda _: None, lambda: None, 30)
    scheduler.start(paused=True)
    jobs = {job.id: job for job in scheduler.get_jobs()}
    scheduler.shutdown()
    assert set(jobs) == {SYNC, REFRESH, RETRAIN, "beat"}
    for job in jobs.values():
        assert (job.coalesce, job.max_instances, job.misfire_grace_time) == (True, 1, None)


@pytest.mark.parametrize("start", [datetime(2026, 10, 24, tzinfo=UTC), datetime(2027, 3, 27, tzinfo=UTC)])
def test_a_night_in_which_the_clock_changes_has_one_run(start: datetime) -> None:
    """At 2:30, which Berlin has twice in the one night and not at all in the other."""
    trigger = make_schedule(DaemonSettings(retrain_cron="30 2 * * *", timezone="Europe/Berlin")).triggers[RETRAIN]
    found, moment = list[datetime](), start
    while moment < start + timedelta(days=4):
        time = trigger.get_next_fire_time(found[-1] if found else None, moment)
        found.append(time)
        moment = time.astimezone(UTC) + timedelta(seconds=1)
    days = [time.astimezone(ZoneInfo("Europe/Berlin")).date() for time in found]
    assert len(days) == len(set(days))
    assert len(days) >= 4


def test_a_time_that_passed_while_nobody_was_there_was_missed() -> None:
    schedule = make_schedule(DaemonSettings(retrain_cron="0 3 * * 0", refresh_cron=""))
    sunday = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)
    assert schedule.missed(RETRAIN, sunday - timedelta(days=3), sunday + timedelta(hours=1))
    assert schedule.missed(RETRAIN, sunday - timedelta(days=300), sunday + timedelta(hours=1))
    assert not schedule.missed(RETRAIN, sunday, sunday + timedelta(days=2))
    assert not schedule.missed(RETRAIN, None, sunday)
    assert not schedule.missed(REFRESH, sunday - timedelta(days=3), sunday)


def test_a_clock_that_is_set_back_does_not_stop_the_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = [3600.0]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Any:
            return datetime.now(UTC) + timedelta(seconds=ahead[0])

    for module in (apscheduler.schedulers.base, apscheduler.triggers.interval):
        monkeypatch.setattr(module, "datetime", Clock)
    real = time.time
    monkeypatch.setattr("neo4j_relpred.daemon.schedule.LOOK_SECONDS", 0.05)
    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])
    ticks: queue.SimpleQueue[str] = queue.SimpleQueue()
    schedule = make_schedule(DaemonSettings(interval_minutes=0.001, refresh_cron="", retrain_cron=""))
    scheduler = schedule.scheduler(ticks.put, lambda: None, 1_000)
    scheduler.start()
    try:
        ticks.get(timeout=10)
        ahead[0] = 0.0
        after = [ticks.get(timeout=10) for _ in range(5)]  # more than could be on their way
    finally:
        scheduler.shutdown()
    assert after == [SYNC] * 5
