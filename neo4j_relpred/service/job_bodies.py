"""The JSON of jobs: what may be submitted, and what is told of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from neo4j_relpred.errors import InvalidQuery
from neo4j_relpred.service.bodies import encoded, readable_range
from neo4j_relpred.service.facade import JobBoard, Predictor
from neo4j_relpred.service.strict import Name, Strict
from neo4j_relpred.wire import MOST_ROWS, PublishEstimateRowBody, TrainEstimateRowBody

if TYPE_CHECKING:
    from neo4j_relpred.api.jobs import Job, JobKind

__all__ = ["JobBody", "JobListBody", "PublishJobBody", "SyncJobBody", "TrainJobBody", "job_row"]

JobId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]


class _Submission(Strict):
    """What a job may be told. One that is not said is as the settings of the service have it."""

    job_id: JobId | None = Field(None, description="A job that has this id already is given back, not done twice.")
    model_name: Name | None = Field(None, description="The model that is meant; refused where it is another one.")

    def require_model(self, there: str) -> None:
        """Raises InvalidQuery when another model is meant than the one that is there."""
        if self.model_name not in (None, there):
            raise InvalidQuery(
                f"This service has the model {there!r}, and no other.",
                hint="Leave the name out, or start a service with other settings (model_name).",
            )

    def _submitted(
        self, jobs: JobBoard, kind: JobKind, options: dict[str, Any], overrides: dict[str, dict[str, Any]]
    ) -> Job:
        self.require_model(jobs.model_name)
        said = {name: value for name, value in options.items() if value is not None}
        changed = {part: {n: v for n, v in values.items() if v is not None} for part, values in overrides.items()}
        return jobs.submit(kind, said, {part: values for part, values in changed.items() if values}, self.job_id)


class TrainJobBody(_Submission):
    """Read the graph, train, evaluate, calibrate; the new version goes live."""

    minutes: float | None = Field(None, gt=0, le=10_000, allow_inf_nan=False, description="Time budget.")
    seed: int | None = Field(None, ge=0, lt=2**31, description="Seed of everything random.")
    device: Literal["auto", "cpu", "cuda"] | None = None
    fresh: bool = Field(False, description="Begin anew, though an interrupted training could go on.")
    go_on: bool = Field(False, description="Go on from the live weights, in a share of the time.")
    gate: bool = Field(False, description="Go live only if not worse than the live version.")

    def submitted(self, jobs: JobBoard) -> Job:
        """Queues it."""
        overrides = {"training": {"minutes": self.minutes, "seed": self.seed, "device": self.device}}
        options = {name: getattr(self, name) for name in ("fresh", "go_on", "gate")}
        return self._submitted(jobs, "train", options, overrides)

    def estimated(self, predictor: Predictor) -> bytes:
        """What it would take, and nothing is submitted."""
        self.require_model(predictor.settings.model_name)
        found = predictor.training_estimate(self.minutes)
        row = TrainEstimateRowBody(
            nodes=found.nodes,
            relationships=found.relationships,
            bytes_min=found.least_bytes,
            bytes_max=found.most_bytes,
            memory=readable_range(found.least_bytes, found.most_bytes),
            parts=dict(found.parts),
            free=found.free_bytes,
            seconds=found.seconds,
        )
        return encoded(row.model_dump())


class PublishJobBody(_Submission):
    """Sweep, and leave exactly the predicted edges that come of it in the graph."""

    min_probability: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    precision: float | None = Field(None, gt=0, lt=1, allow_inf_nan=False, description="Instead of min_probability.")
    top_k: int | None = Field(None, ge=1, le=MOST_ROWS, description="Edges for each head and type.")
    minutes: float | None = Field(None, gt=0, le=10_000, allow_inf_nan=False, description="Time for scoring.")
    dry_run: bool = False
    confirm_shrink: bool = False
    take_over: bool = False

    def submitted(self, jobs: JobBoard) -> Job:
        """Queues it."""
        names = ("min_probability", "precision", "dry_run", "confirm_shrink", "take_over")
        options = {name: getattr(self, name) for name in names}
        overrides = {"publishing": {"top_k": self.top_k, "minutes": self.minutes}}
        return self._submitted(jobs, "publish", options, overrides)

    def estimated(self, predictor: Predictor) -> bytes:
        """What it would ask, and nothing is submitted."""
        self.require_model(predictor.settings.model_name)
        found = predictor.estimate()
        if self.minutes is not None:
            found = replace(found, minutes=self.minutes)
        row = PublishEstimateRowBody(
            questions=found.questions,
            candidates=found.triples,
            settled=found.settled,
            bytes_min=found.memory_bytes,
            bytes_max=found.memory_bytes,
            memory=readable_range(found.memory_bytes, found.memory_bytes),
            seconds=found.seconds,
            share=found.share,
        )
        return encoded(row.model_dump())


class SyncJobBody(_Submission):
    """Read what changed, encode new texts, publish the difference."""

    publish: bool = True

    def submitted(self, jobs: JobBoard) -> Job:
        """Queues it."""
        return self._submitted(jobs, "sync", {"publish": self.publish}, {})


class JobBody(Strict):
    """One job."""

    job_id: Name


class JobListBody(Strict):
    """Which jobs are there?"""

    top_k: int = Field(100, ge=1, le=MOST_ROWS, description="How many rows at most.")


def job_row(job: Job) -> dict[str, Any]:
    """A job as a row of an answer."""
    until = job.ended_at or datetime.now(UTC)
    error = dict(zip(("code", "message", "hint"), job.error, strict=True)) if job.error else None
    return {
        "job_id": job.id,
        "kind": job.kind,
        "state": job.state,
        "stage": job.stage,
        "progress": job.share,
        "submitted_at": job.submitted_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "ended_at": job.ended_at.isoformat() if job.ended_at else None,
        "seconds": (until - job.started_at).total_seconds() if job.started_at else 0.0,
        "options": dict(job.options),
        "result": dict(job.result),
        "error": error,
        "notes": list(job.notes),
    }
