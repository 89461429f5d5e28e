"""Long work on somebody's behalf: trainings, publications and syncs, one after the other, each in its own process.

A process of its own, since it must be possible to stop a training at any moment, and since a crash in native code must
not take down who answers questions. It ends when the process that started it ends, however that ends. What a stopped
job had reached is not lost: a training goes on where it was, a publication takes the difference again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from neo4j_relpred.config import Settings, as_overrides, load_settings
from neo4j_relpred.errors import InvalidQuery, JobNotFound, Overloaded, did_you_mean

__all__ = ["Job", "JobKind", "JobState", "Jobs"]

JobKind = Literal["train", "publish", "sync"]
JobState = Literal["waiting", "running", "done", "failed", "cancelled"]

COMMAND = ["-m", "neo4j_relpred.api.job_process"]
MOST_WAITING, MOST_KEPT, MOST_NOTES = 16, 100, 50
GRACE_SECONDS = 2.0  # that a process has to end by itself when it is told to

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A job as it stands.

    `stage` is what it does now, `share` how much of that is done, from 0 to 1. `result` is what a job that is done
    tells, `error` code, message and hint of one that failed, `notes` what it warned of. `wanted` counts those who
    submitted it and did not withdraw.
    """

    id: str
    kind: JobKind
    options: Mapping[str, Any]
    submitted_at: datetime
    state: JobState = "waiting"
    stage: str = ""
    share: float = 0.0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    error: tuple[str, str, str] | None = None
    notes: tuple[str, ...] = ()
    wanted: int = 1

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.ended_at is not None


class Jobs:
    """The jobs of this process. All methods may be called from any thread."""

    def __init__(self, settings: Settings) -> None:
        self.model_name = settings.model_name
        self._settings = settings
        self._jobs: dict[str, Job] = {}
        self._tasks: dict[str, dict[str, Any]] = {}  # what is still to be done, in order
        self._change = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._closing = False

    def submit(
        self,
        kind: JobKind,
        options: Mapping[str, Any],
        overrides: Mapping[str, Mapping[str, Any]],
        job_id: str | None = None,
    ) -> Job:
        """Queues a job. One of the same id, kind and options is given back as it stands, and not done twice.

        `options` are for the method that does it (see job_process), `overrides` settings that differ for this job, by
        section. Raises InvalidSettings, InvalidQuery where the id was given to something else, Overloaded.
        """
        settings = as_overrides(self._settings)
        settings |= {name: {**settings.get(name, {}), **values} for name, values in overrides.items()}
        load_settings(overrides=settings, read_default=False)
        asked = {**options, **{f"{part}.{name}": v for part, values in overrides.items() for name, v in values.items()}}
        with self._change:
            if job_id is not None and (there := self._jobs.get(job_id)) is not None:
                if (there.kind, there.options) != (kind, asked):
                    raise InvalidQuery(
                        f"The job {job_id!r} was submitted as another one.", hint="Give a new id, or leave it out."
                    )
                return there if there.ended else self._set(job_id, wanted=there.wanted + 1)
            if self._closing or len(self._tasks) >= MOST_WAITING:
                raise Overloaded(f"{len(self._tasks)} jobs are waiting already.", hint="Wait, or cancel some of them.")
            job = Job(job_id or f"{kind}-{secrets.token_hex(4)}", kind, asked, _now())
            self._jobs[job.id] = job
            self._tasks[job.id] = {"kind": kind, "options": dict(options), "settings": settings}
            self._forget()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="relpred-jobs", daemon=True)
                self._thread.start()
            self._change.notify_all()
            return job

    def list(self) -> list[Job]:
        """All that are known, the newest first."""
        with self._change:
            return list(reversed(self._jobs.values()))

    def get(self, job_id: str) -> Job:
        """Raises JobNotFound."""
        with self._change:
            job = self._jobs.get(job_id)
            if job is None:
                hint = did_you_mean(job_id, self._jobs) if self._jobs else "Jobs are forgotten when the service ends."
                raise JobNotFound(f"There is no job {job_id!r}.", hint=hint)
            return job

    def cancel(self, job_id: str) -> Job:
        """Stops a job, or takes it out of the queue; one that has ended stays as it is. Raises JobNotFound."""
        with self._change:
            job = self.get(job_id)
            if job.ended:
                return job
            job = self._set(job_id, state="cancelled", ended_at=_now())
            running = None if self._tasks.pop(job_id, None) else self._process
        if running is not None:
            _stop(running)
        return job

    def withdraw(self, job_id: str) -> Job:
        """Takes one submission back: the job is stopped when nobody wants it any more. Raises JobNotFound."""
        with self._change:
            job = self._set(job_id, wanted=max(0, self.get(job_id).wanted - 1))
        return job if job.wanted else self.cancel(job_id)

    def close(self) -> None:
        """Stops what runs and forgets what waits."""
        with self._change:
            self._closing = True
            unended = [job.id for job in self._jobs.values() if not job.ended]
            self._change.notify_all()
        for job_id in unended:
            self.cancel(job_id)
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while True:
            with self._change:
                while not self._tasks and not self._closing:
                    self._change.wait()
                if self._closing:
                    return
                job_id = next(iter(self._tasks))
                task = self._tasks.pop(job_id)
                self._set(job_id, state="running", started_at=_now())
                try:
                    self._process = process = _started()
                except OSError as error:
                    self._fail(job_id, f"No process can be started for the job: {error.strerror}.")
                    continue
            log.info("job starts kind=%s", task["kind"])
            self._follow(job_id, process, task)
            log.info("job ended kind=%s state=%s", task["kind"], self.get(job_id).state)

    def _follow(self, job_id: str, process: subprocess.Popen[str], task: Mapping[str, Any]) -> None:
        """Tells a process what to do, and takes down what it says until it ends."""
        assert process.stdin is not None
        assert process.stdout is not None
        with process:
            try:
                process.stdin.write(json.dumps(task) + "\n")
                process.stdin.flush()
            except OSError:  # it is gone already: its code says so below
                with contextlib.suppress(OSError):
                    process.stdin.close()  # else what it did not read is sent again at the end of the block
            for line in process.stdout:
                if line.endswith("\n"):  # or it was ended in the midst of a word
                    self._note(job_id, json.loads(line))
        with self._change:
            self._process = None
            if not self.get(job_id).ended:
                self._fail(job_id, f"The process of the job ended with code {process.returncode}.")

    def _fail(self, job_id: str, why: str) -> None:
        hint = "Try it once more, or run the same with the command line, which says more."
        self._set(job_id, state="failed", ended_at=_now(), error=("internal", why, hint))

    def _note(self, job_id: str, said: Mapping[str, Any]) -> None:
        with self._change:
            job = self.get(job_id)
            if job.ended:
                return
            if "note" in said:
                self._set(job_id, notes=(*job.notes, said["note"])[-MOST_NOTES:])
            elif "stage" in said:
                self._set(job_id, stage=said["stage"], share=said["share"])
            elif "result" in said:
                self._set(job_id, state="done", ended_at=_now(), share=1.0, result=said["result"])
            else:
                self._set(job_id, state="failed", ended_at=_now(), error=tuple(said["error"]))

    def _set(self, job_id: str, **changes: Any) -> Job:
        job = self._jobs[job_id] = replace(self._jobs[job_id], **changes)
        self._change.notify_all()
        return job

    def _forget(self) -> None:
        """The oldest that have ended."""
        for job in list(self._jobs.values())[: max(0, len(self._jobs) - MOST_KEPT)]:
            if job.ended:
                del self._jobs[job.id]


def _started() -> subprocess.Popen[str]:
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, *COMMAND],
        stdin=subprocess.PIPE,  # at whose end it ends
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": paths},
        start_new_session=True,  # a Ctrl-C is for who started it
    )


def _stop(process: subprocess.Popen[str]) -> None:
    """Asks the process to end, then ends it with all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _now() -> datetime:
    return datetime.now(UTC)
