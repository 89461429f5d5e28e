"""The routes of jobs. None of them waits for a job to end: whoever submitted one looks again, and cancels it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from starlette.responses import Response

from neo4j_relpred.service.answers import answered, waited
from neo4j_relpred.service.bodies import encoded
from neo4j_relpred.service.facade import Predictor
from neo4j_relpred.service.job_bodies import (
    JobBody,
    JobListBody,
    PublishJobBody,
    SyncJobBody,
    TrainJobBody,
    job_row,
)
from neo4j_relpred.service.worker import ModelWorker, Worker
from neo4j_relpred.wire import JobRowBody, PublishEstimateRowBody, TrainEstimateRowBody

if TYPE_CHECKING:
    from neo4j_relpred.api.jobs import Job

__all__ = ["add_estimates", "add_jobs"]


Refusals = dict[int | str, dict[str, Any]]


def add_jobs(app: FastAPI, predictor: Predictor, refusals: Refusals) -> None:
    """Adds them to the application."""

    async def answer(request: Request, work: Callable[[], list[Job]]) -> Response:
        jobs = await asyncio.to_thread(work)  # settings are checked, a process is waited for
        return answered(request, [encoded(job_row(job)) for job in jobs])

    def route(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        return app.post(f"/v1/jobs/{name}", response_model=list[JobRowBody], responses=refusals)

    @route("train")
    async def train(body: TrainJobBody, request: Request) -> Response:
        """Submits a training."""
        return await answer(request, lambda: [body.submitted(predictor.jobs)])

    @route("publish")
    async def publish(body: PublishJobBody, request: Request) -> Response:
        """Submits a publication."""
        return await answer(request, lambda: [body.submitted(predictor.jobs)])

    @route("sync")
    async def sync(body: SyncJobBody, request: Request) -> Response:
        """Submits a sync: what changed is read, and the difference published."""
        return await answer(request, lambda: [body.submitted(predictor.jobs)])

    @route("list")
    async def job_list(body: JobListBody, request: Request) -> Response:
        """Lists the jobs of this service, the newest first."""
        return await answer(request, lambda: predictor.jobs.list()[: body.top_k])

    @route("show")
    async def show(body: JobBody, request: Request) -> Response:
        """Shows one job as it stands."""
        return await answer(request, lambda: [predictor.jobs.get(body.job_id)])

    @route("cancel")
    async def cancel(body: JobBody, request: Request) -> Response:
        """Stops a job. What it wrote stays; the live model stays what it is."""
        return await answer(request, lambda: [predictor.jobs.cancel(body.job_id)])

    @route("withdraw")
    async def withdraw(body: JobBody, request: Request) -> Response:
        """Takes one submission back. The job is stopped when nobody who submitted it wants it any more."""
        return await answer(request, lambda: [predictor.jobs.withdraw(body.job_id)])


def add_estimates(app: FastAPI, model: ModelWorker, desk: Worker, refusals: Refusals, deadline_seconds: float) -> None:
    """Adds what tells beforehand what a job would take. A training needs the graph for it, a publication the model."""

    @app.post("/v1/jobs/train/estimate", response_model=list[TrainEstimateRowBody], responses=refusals)
    async def estimate_train(body: TrainJobBody, request: Request) -> Response:
        """Tells what a training would read and take, and submits none."""
        return answered(request, [await waited(request, desk, body.estimated, deadline_seconds)])

    @app.post("/v1/jobs/publish/estimate", response_model=list[PublishEstimateRowBody], responses=refusals)
    async def estimate_publish(body: PublishJobBody, request: Request) -> Response:
        """Tells what a publication would ask and take, and submits none."""
        return answered(request, [await waited(request, model, body.estimated, deadline_seconds)])
