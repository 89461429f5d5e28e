"""Trainings of the daemon: each in a process of its own, one at a time, beside which syncs go on."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Protocol

from neo4j_relpred.daemon.voice import Voice

if TYPE_CHECKING:
    from neo4j_relpred.api.jobs import Job, JobKind

__all__ = ["JobBoard", "Trainings"]

log = logging.getLogger(__name__)


class JobBoard(Protocol):
    """What the daemon needs of the facade's jobs."""

    def submit(self, kind: JobKind, options: dict[str, object], overrides: dict[str, dict[str, object]]) -> Job:
        """Queues a job."""

    def get(self, job_id: str) -> Job:
        """A job as it stands."""

    def cancel(self, job_id: str) -> Job:
        """Stops a job."""


class Trainings:
    """The one training that runs, if there is one. It is stopped when it shows no progress for long."""

    def __init__(self, jobs: JobBoard, voice: Voice, stuck_seconds: float) -> None:
        self._jobs, self._voice, self._stuck = jobs, voice, stuck_seconds
        self._kind, self._job = "", ""
        self._seen: tuple[str, float] = ("", 0.0)
        self._moved = 0.0

    @property
    def running(self) -> str:
        """Its kind; empty where there is none."""
        return self._kind

    def start(self, kind: str, *, resume: bool = False) -> None:
        """Starts one, over the data of one that was killed where it is to `resume`.

        Nothing where one runs, since what that learns is as new.
        """
        if self._kind:
            log.info("training not started kind=%s: %s is under way", kind, self._kind)
            return
        self._kind, self._job = kind, self._jobs.submit("train", {"kind": kind, "resume": resume}, {}).id
        self._seen, self._moved = ("", 0.0), time.monotonic()
        log.info("training starts kind=%s", kind)
        self._voice.say(training=kind, training_share=0.0)

    def ended(self) -> Job | None:
        """The job, once, when it has ended; None while it runs or where there is none."""
        if not self._kind:
            return None
        job = self._jobs.get(self._job)
        if (job.stage, job.share) != self._seen:
            self._seen, self._moved = (job.stage, job.share), time.monotonic()
            self._voice.moved(training=f"{self._kind}: {job.stage}", training_share=job.share)
        if not job.ended and time.monotonic() - self._moved > self._stuck:
            log.warning("training is stuck kind=%s stage=%s: it is stopped", self._kind, job.stage)
            job = self._jobs.cancel(self._job)
        if not job.ended:
            return None
        self._kind = ""
        self._voice.moved(training=None, training_share=0.0)
        return job

    def stop(self) -> None:
        """Stops it. What it has learnt is kept, and gone on from at the next start."""
        if self._kind:
            self._jobs.cancel(self._job)
            self._kind = ""
