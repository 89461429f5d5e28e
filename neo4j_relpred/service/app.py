"""The routes. They parse, ask the worker, and put its rows into an answer; nothing here knows the model."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response

from neo4j_relpred import __version__
from neo4j_relpred.config import LOOPBACK_HOSTS, ServiceSettings, shown_settings
from neo4j_relpred.errors import InvalidQuery, RelpredError
from neo4j_relpred.service.answers import ASK_LESS, answered, waited
from neo4j_relpred.service.bodies import encoded
from neo4j_relpred.service.decision_bodies import (
    AcceptBody,
    Errand,
    RejectBody,
    ReviewListBody,
    RunListBody,
    UndoBody,
    WithdrawBody,
)
from neo4j_relpred.service.facade import Predictor
from neo4j_relpred.service.guard import Guard, Rules
from neo4j_relpred.service.hands import Here, ModelHand, ModelHere
from neo4j_relpred.service.job_routes import add_estimates, add_jobs
from neo4j_relpred.service.metrics import Metrics
from neo4j_relpred.service.model_routes import add_models
from neo4j_relpred.service.pool import Elsewhere
from neo4j_relpred.service.question_routes import add_questions
from neo4j_relpred.service.refusals import MANUAL, answer_error, invalid_request
from neo4j_relpred.service.strict import EmptyBody
from neo4j_relpred.service.sync_routes import add_syncs, state_here
from neo4j_relpred.service.tokens import TokenFile
from neo4j_relpred.service.worker import ModelWorker, Worker
from neo4j_relpred.wire import (
    WIRE,
    ErrorBody,
    HealthBody,
    NoSuchRoute,
    NotReady,
    ReadinessBody,
    ReviewRowBody,
    RunRowBody,
    SettingRowBody,
    UndoRowBody,
)

__all__ = ["DEADLINE_SECONDS", "create_app"]

DEADLINE_SECONDS = 30.0
GOES_ON = "It may still be carried out: look at /v1/review/list or /v1/run/list before you ask again."

# By name, for /healthz describes the shape: as a model it would be built anew for every status of every route.
REFUSED = {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{ErrorBody.__name__}"}}}}
REFUSALS: dict[int | str, dict[str, Any]] = dict.fromkeys(
    (400, 401, 404, 408, 409, 413, 421, 422, 429, 500, 502, 503, 504), REFUSED
)


def create_app(
    predictor: Predictor,
    settings: ServiceSettings,
    *,
    keys: Sequence[str] = (),
    deadline_seconds: float = DEADLINE_SECONDS,
    opened: Callable[[], Predictor] | None = None,
) -> FastAPI:
    """The service as an ASGI application. Its lifespan starts and ends the workers; the predictor stays the caller's.

    keys: the properties that identify nodes; opened: how each of settings.workers processes gets what it answers by.
    Raises InvalidSettings when settings.token_file cannot be used.
    """
    tokens = TokenFile(settings.token_file) if settings.token_file is not None else None
    model = ModelWorker(_hands(predictor, settings.workers, opened), settings.queue_size)
    # Decisions wait neither for the model nor for an undo, which may write for as long as a publication does.
    desk = Worker([Here(predictor)], settings.queue_size, "relpred-desk")
    undoing = Worker([Here(predictor)], settings.queue_size, "relpred-undo")
    queues = {"model": model, "desk": desk, "undo": undoing}
    metrics = Metrics(model, queues, lambda: state_here(predictor))

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for worker in queues.values():
            worker.start()
        yield
        for worker in queues.values():
            worker.close()

    app = FastAPI(
        title="neo4j_relpred",
        version=__version__,
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        # It would put the messages of exceptions, and so text of the graph, into logs of its own.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    _add_probes(app, model, metrics)
    _add_settings(app, predictor)
    add_questions(app, model, REFUSALS, deadline_seconds, keys)
    _add_decisions(app, desk, deadline_seconds)
    _add_runs(app, desk, undoing, deadline_seconds)
    add_jobs(app, predictor, REFUSALS)
    add_estimates(app, model, desk, REFUSALS, deadline_seconds)
    add_models(app, desk, REFUSALS, deadline_seconds)
    add_syncs(app, desk, REFUSALS, deadline_seconds)
    for kind in (RelpredError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _told)
    rules = Rules(
        max_body_bytes=settings.max_body_bytes,
        body_seconds=deadline_seconds,
        routes=frozenset(route.path for route in app.routes if isinstance(route, APIRoute)),
        # A token is proof enough; without one, only the name tells us from a web page that borrowed our address.
        hosts=None if tokens else LOOPBACK_HOSTS | {settings.host.lower()},
        accepts=tokens.accepts if tokens else None,
        count=metrics.request,
    )
    app.add_middleware(Guard, rules=rules)
    return app


def _hands(predictor: Predictor, workers: int, opened: Callable[[], Predictor] | None) -> Sequence[ModelHand]:
    return [ModelHere(predictor)] if opened is None else [Elsewhere(opened) for _ in range(workers)]


def _add_probes(app: FastAPI, worker: ModelWorker, metrics: Metrics) -> None:
    @app.get("/healthz", response_model=HealthBody)
    async def healthz() -> HealthBody:
        """Whether the process answers, with or without a model."""
        error = worker.problem
        problem = error and ErrorBody(code=error.code, message=error.message, hint=error.hint)
        return HealthBody(status="ok", version=__version__, wire=WIRE, model=worker.model, problem=problem)

    @app.get("/readyz", response_model=ReadinessBody, responses={503: REFUSALS[503]})
    async def readyz() -> Response:
        """Whether questions can be answered: the model is loaded."""
        if worker.model is not None:
            return JSONResponse({"status": "ready", "model": worker.model, "workers": worker.up})
        if worker.problem is not None:
            return answer_error(worker.problem, status=503)
        return answer_error(NotReady("The model is being loaded.", hint="Wait a moment."))

    @app.get("/metrics", response_class=PlainTextResponse, responses=REFUSALS)
    async def metrics_for_prometheus() -> Response:
        """Counters and gauges in the text format of Prometheus."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _add_settings(app: FastAPI, predictor: Predictor) -> None:
    @app.post("/v1/config/show", response_model=list[SettingRowBody], responses=REFUSALS)
    async def config_show(_: EmptyBody, request: Request) -> Response:
        """Lists the settings of the service; of a secret only whether it is set."""
        shown = shown_settings(predictor.settings)
        return answered(request, [encoded({"key": key, "value": value}) for key, value in shown.items()])


def _add_decisions(app: FastAPI, desk: Worker, deadline_seconds: float) -> None:
    async def answer(request: Request, errand: Errand, hint: str = GOES_ON) -> Response:
        return answered(request, await waited(request, desk, errand.rows, deadline_seconds, hint))

    def route(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        return app.post(f"/v1/review/{name}", response_model=list[ReviewRowBody], responses=REFUSALS)

    @route("list")
    async def review_list(body: ReviewListBody, request: Request) -> Response:
        """Lists published edges that nobody has decided about, or the decisions."""
        return await answer(request, body, ASK_LESS)

    @route("accept")
    async def accept(body: AcceptBody, request: Request) -> Response:
        """Makes a triple a real relationship, and takes its predicted edge away."""
        return await answer(request, body)

    @route("reject")
    async def reject(body: RejectBody, request: Request) -> Response:
        """Takes a predicted edge away for good."""
        return await answer(request, body)

    @route("withdraw")
    async def withdraw(body: WithdrawBody, request: Request) -> Response:
        """Takes a decision back, and the relationship that accepting made."""
        return await answer(request, body)


def _add_runs(app: FastAPI, desk: Worker, undoing: Worker, deadline_seconds: float) -> None:
    @app.post("/v1/run/list", response_model=list[RunRowBody], responses=REFUSALS)
    async def run_list(body: RunListBody, request: Request) -> Response:
        """Lists the publications, the newest first."""
        return answered(request, await waited(request, desk, body.rows, deadline_seconds))

    @app.post("/v1/run/undo", response_model=list[UndoRowBody], responses=REFUSALS)
    async def undo(body: UndoBody, request: Request) -> Response:
        """Puts back what stood in the graph before a run."""
        return answered(request, await waited(request, undoing, body.rows, deadline_seconds, GOES_ON))


async def _told(_: Request, error: Exception) -> Response:
    """Every error in the one shape."""
    if isinstance(error, RelpredError):
        return answer_error(error)
    if isinstance(error, RequestValidationError):
        return answer_error(invalid_request(error.errors()))
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return answer_error(InvalidQuery("The body cannot be parsed.", hint=MANUAL))
    response = answer_error(
        NoSuchRoute(f"{HTTPStatus(error.status_code).phrase}.", hint=MANUAL), status=error.status_code
    )
    response.headers.update(error.headers or {})
    return response
