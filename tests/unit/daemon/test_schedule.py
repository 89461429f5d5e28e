from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from neo4j_relpred.config import DaemonSettings
from neo4j_relpred.daemon.schedule import REFRESH, RETRAIN, SCRATCH, make_schedule
from neo4j_relpred.errors import InvalidSettings

TUESDAY = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def times(cron: str, count: int, zone: str = "UTC") -> list[datetime]:
    trigger = make_schedule(DaemonSettings(retrain_cron=cron, timezone=zone)).retrain
    assert trigger is not None
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
    schedule = make_schedule(DaemonSettings(retrain_cron="", scratch_cron=" "))
    assert (schedule.retrain, schedule.scratch) == (None, None)


@pytest.mark.parametrize(
    "cron",
    ["3", "0 3 * *", "0 3 * * * *", "61 * * * *", "0 3 * * 8", "0 3 * * 5-1", "0 3 * * */0", "at three", "0 0 30 2 *"],
)
def test_a_cron_that_is_none_is_refused(cron: str) -> None:
    for name in ("retrain_cron", "scratch_cron"):
        with pytest.raises(InvalidSettings, match=rf"daemon\.{name} .*'' for never"):
            make_schedule(DaemonSettings.model_validate({name: cron}))


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
    assert set(jobs) == {REFRESH, RETRAIN, SCRATCH, "beat"}
    for job in jobs.values():
        assert (job.coalesce, job.max_instances, job.misfire_grace_time) == (True, 1, None)
