"""When to sync, to refresh and to retrain. The scheduler only says that it is time; the work is done elsewhere."""

from __future__ import annotations

import re
import time
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from neo4j_relpred.config import DaemonSettings
from neo4j_relpred.errors import InvalidSettings, did_you_mean

__all__ = ["REFRESH", "RETRAIN", "SYNC", "Schedule", "make_schedule"]

SYNC, REFRESH, RETRAIN = "sync", "refresh", "retrain"
LOOK_SECONDS = 5.0  # between two looks at the clock
SET_BACK_SECONDS = 1.0  # by which a clock that goes back was set, and does not just run slow
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")  # cron counts from Sunday, and twice


@dataclass(frozen=True)
class Schedule:
    """The triggers by job, and their time zone. A job without one never comes by itself."""

    zone: tzinfo
    triggers: Mapping[str, Any]

    def scheduler(self, tick: Callable[[str], None], beat: Callable[[], None], beat_seconds: float) -> Any:
        """A scheduler, not started yet. Calls tick(job) when it is time; missed times count once, however late."""
        scheduler = _Steady(
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=self.zone,
        )
        for name, trigger in self.triggers.items():
            scheduler.add_job(tick, trigger, args=[name], id=name)
        scheduler.add_job(beat, "interval", seconds=beat_seconds, id="beat")
        return scheduler

    def missed(self, job: str, since: datetime | None, now: datetime) -> bool:
        """Whether the job should have come between two times, while nobody was there to do it."""
        if since is None or job not in self.triggers:
            return False
        due = self.triggers[job].get_next_fire_time(None, since + timedelta(seconds=1))
        return due is not None and due <= now


class _Steady(BackgroundScheduler):  # type: ignore[misc]  # the base is not typed
    """Keeps its intervals when the clock is set back; APScheduler would do nothing until the old time comes again.

    It looks at the clock every few seconds, so a machine that slept is up to date soon, too.
    """

    _ahead = float("-inf")  # of the clock that people see, of the one that is never set

    def _process_jobs(self) -> float:
        ahead = time.time() - time.monotonic()
        if ahead < self._ahead - SET_BACK_SECONDS:
            for job in self.get_jobs():
                job.reschedule(_begun_anew(job.trigger))
        self._ahead = ahead
        wait: float | None = super()._process_jobs()
        return LOOK_SECONDS if wait is None else min(wait, LOOK_SECONDS)


def _begun_anew(trigger: Any) -> Any:
    """An interval counted from now; any other trigger as it is."""
    if not isinstance(trigger, IntervalTrigger):
        return trigger
    return IntervalTrigger(seconds=trigger.interval.total_seconds(), timezone=trigger.timezone)


def make_schedule(settings: DaemonSettings) -> Schedule:
    """The schedule that the settings describe. Raises InvalidSettings."""
    zone = _zone(settings.timezone)
    try:
        interval = timedelta(minutes=settings.interval_minutes)
        triggers: dict[str, Any] = {SYNC: IntervalTrigger(seconds=interval.total_seconds(), timezone=zone)}
    except (OverflowError, ValueError) as error:
        raise InvalidSettings(
            f"daemon.interval_minutes cannot be {settings.interval_minutes}.", hint="Give a number of minutes, like 5."
        ) from error
    for job, text in ((REFRESH, settings.refresh_cron), (RETRAIN, settings.retrain_cron)):
        if text.strip():
            triggers[job] = _cron(f"daemon.{job}_cron", text, zone)
    return Schedule(zone, triggers)


def _zone(name: str) -> tzinfo:
    if name.upper() == "UTC":
        return UTC  # also where no time zones are installed
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidSettings(
            f"daemon.timezone {name!r} is not a time zone of this machine.",
            hint=did_you_mean(name, zoneinfo.available_timezones()) or "Use UTC.",
        ) from error


class _OncePerTime(CronTrigger):  # type: ignore[misc]  # the base is not typed
    """In the night in which the clock goes back, a time that comes twice counts once."""

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        found: datetime | None = super().get_next_fire_time(previous, now)
        if found is None or previous is None or found.replace(tzinfo=None) != previous.replace(tzinfo=None):
            return found
        later = (found.astimezone(UTC) + timedelta(seconds=1)).astimezone(self.timezone)
        return self.get_next_fire_time(None, later)


def _cron(name: str, text: str, zone: tzinfo) -> Any:
    fields = text.split()
    try:
        trigger = _OncePerTime.from_crontab(" ".join([*fields[:4], *map(_days_by_name, fields[4:])]), timezone=zone)
    except ValueError as error:
        raise InvalidSettings(
            f"{name} {text!r} is not five cron fields: {error}.",
            hint="Write minute, hour, day, month and weekday, like '0 3 * * *'; '' for never.",
        ) from error
    if trigger.get_next_fire_time(None, datetime.now(zone)) is None:
        raise InvalidSettings(f"{name} {text!r} never comes.", hint="Write '' for never.")
    return trigger


def _days_by_name(field: str) -> str:
    """The weekdays of cron as names: APScheduler counts its numbers from Monday, so 0 would be the wrong day."""
    return ",".join(_day_range(part) for part in field.split(","))


def _day_range(part: str) -> str:
    numbers = re.fullmatch(r"(?:\*|(\d)(?:-(\d))?)(?:/(\d+))?", part)
    if numbers is None or part == "*":
        return part  # names, or something for APScheduler to refuse
    first, last, step = numbers.groups()
    begin = int(first or 0)
    end = int(last) if last else (6 if first is None or step else begin)
    if not begin <= end < len(DAYS) or step == "0":
        raise ValueError(f"{part!r} is not a weekday from 0 to 7")
    return ",".join(DAYS[begin : end + 1 : int(step or 1)])
