"""The routes. They parse, ask the worker, and put its rows into an answer; nothing here knows the model."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse

from neo4j_relpred import __version__
from neo4j_relpred.config import LOOPBACK_HOSTS, ServiceSettings
from neo4j_relpred.errors import InvalidQuery, RelpredError
from neo4j_relpred.service.bodies import (
    ErrorBody,
    HeadsBody,
    HealthBody,
    QuestionBody,
    ReadinessBody,
    RelationsBody,
    ScoreBody,
    ScoredTripleBody,
    TailsBody,
    encoded_rows,
)
from neo4j_relpred.service.guard import WIRE, Guard, Rules
from neo4j_relpred.service.refusals import MANUAL, DeadlinePassed, NoSuchRoute, NotReady, answer_error, invalid_request
from neo4j_relpred.service.tokens import TokenFile
from neo4j_relpred.service.worker import ModelWorker, Predictor

__all__ = ["DEADLINE_SECONDS", "create_app"]

DEADLINE_SECONDS = 30.0
NDJSON = "application/x-ndjson"
ROWS_IN_A_CHUNK = 100
STILL_THERE_SECONDS = 0.25  # how often we look whether the caller has hung up

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody} for status in (400, 401, 404, 408, 413, 421, 422, 429, 500, 503, 504)
}


def create_app(
    predictor: Predictor, settings: ServiceSettings, *, deadline_seconds: float = DEADLINE_SECONDS
) -> FastAPI:
    """The service as an ASGI application. Its lifespan starts and ends the worker; the predictor stays the caller's.

    Raises InvalidSettings when settings.token_file cannot be used.
    """
    tokens = TokenFile(settings.token_file) if settings.token_file is not None else None
    worker = ModelWorker(predictor, settings.queue_size)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        worker.start()
        yield
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
    _add_probes(app, worker)
    _add_questions(app, worker, deadline_seconds)
    app.add_exception_handler(RelpredError, _told)
    app.add_exception_handler(RequestValidationError, _told)
    app.add_exception_handler(HTTPException, _told)
    rules = Rules(
        max_body_bytes=settings.max_body_bytes,
        body_seconds=deadline_seconds,
        routes=frozenset(app.openapi()["paths"]),
        # A token is proof enough; without one, only the name tells us from a web page that borrowed our address.
        hosts=None if tokens else LOOPBACK_HOSTS | {settings.host.lower()},
        accepts=tokens.accepts if tokens else None,
    )
    app.add_middleware(Guard, rules=rules)
    return app


def _add_probes(app: FastAPI, worker: ModelWorker) -> None:
    @app.get("/healthz", response_model=HealthBody)
    async def healthz() -> HealthBody:
        """Whether the process answers, with or without a model."""
        return HealthBody(status="ok", version=__version__, wire=WIRE, model=worker.model)

    @app.get("/readyz", response_model=ReadinessBody, responses={503: REFUSALS[503]})
    async def readyz() -> Response:
        """Whether questions can be answered: the model is loaded."""
        if worker.model is not None:
            return JSONResponse({"status": "ready", "model": worker.model})
        if worker.problem is not None:
            return answer_error(worker.problem, status=503)
        return answer_error(NotReady("The model is being loaded.", hint="Wait a moment."))


def _add_questions(app: FastAPI, worker: ModelWorker, deadline_seconds: float) -> None:
    async def answer(request: Request, question: QuestionBody | ScoreBody) -> Response:
        def rows(predictor: Predictor) -> list[bytes]:
            answers = question.ask(predictor)
            proposed = isinstance(question, QuestionBody)
            return encoded_rows(predictor, answers, worker.model or "", leave_out_missing=proposed)

        return _answer(request, await _waited(request, worker, rows, deadline_seconds))

    def route(path: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        return app.post(path, response_model=list[ScoredTripleBody], responses=REFUSALS)

    @route("/v1/relations")
    async def relations(body: RelationsBody, request: Request) -> Response:
        """Ranks the relationship types that may hold from head to tail."""
        return await answer(request, body)

    @route("/v1/tails")
    async def tails(body: TailsBody, request: Request) -> Response:
        """Ranks the nodes that the head may be related to."""
        return await answer(request, body)

    @route("/v1/heads")
    async def heads(body: HeadsBody, request: Request) -> Response:
        """Ranks the nodes that may be related to the tail."""
        return await answer(request, body)

    @route("/v1/score")
    async def score(body: ScoreBody, request: Request) -> Response:
        """Scores given triples, in the order given."""
        return await answer(request, body)


async def _waited(
    request: Request, worker: ModelWorker, call: Callable[[Predictor], list[bytes]], seconds: float
) -> list[bytes]:
    """The worker's answer. Gives the call up when the deadline passes or nobody waits for it any more."""
    pending: Future[list[bytes]] = worker.submit(call)
    answer = asyncio.wrap_future(pending)
    until = time.monotonic() + seconds
    try:
        while not answer.done():
            left = until - time.monotonic()
            if left <= 0:
                raise DeadlinePassed(
                    f"The answer was not there within {seconds:g} seconds.", hint="Ask for less, or ask again later."
                )
            await asyncio.wait({answer}, timeout=min(left, STILL_THERE_SECONDS))
            if not answer.done() and await request.is_disconnected():
                raise NotReady("The caller hung up.")
        return answer.result()
    finally:
        if not answer.done():
            worker.give_up(pending)
            answer.add_done_callback(_forgotten)


def _forgotten(answer: asyncio.Future[list[bytes]]) -> None:
    """Takes note of the outcome of a call that nobody waits for, so that asyncio does not report it."""
    if not answer.cancelled():
        answer.exception()


def _answer(request: Request, rows: list[bytes]) -> Response:
    if NDJSON not in request.headers.get("accept", ""):
        return Response(b"[" + b",".join(rows) + b"]", media_type="application/json")

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(rows), ROWS_IN_A_CHUNK):
            yield b"".join(row + b"\n" for row in rows[start : start + ROWS_IN_A_CHUNK])
            await asyncio.sleep(0)  # or neither other requests nor the end of this connection would be noticed

    return StreamingResponse(chunks(), media_type=NDJSON)


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
