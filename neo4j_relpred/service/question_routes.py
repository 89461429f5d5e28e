"""The routes of questions. Those that wait at the same time and are alike are asked as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from starlette.responses import Response

from neo4j_relpred.service.answers import answered, waited, waited_each
from neo4j_relpred.service.bodies import (
    EstimateBody,
    HeadsBody,
    QuestionBody,
    RelationsBody,
    ScoreBody,
    TailsBody,
    ask_each,
    encoded_rows,
)
from neo4j_relpred.service.explain_bodies import ExplainBody
from neo4j_relpred.service.facade import Predictor
from neo4j_relpred.service.hands import Alike
from neo4j_relpred.service.worker import ModelWorker
from neo4j_relpred.wire import KEYS_HEADER, EstimateRowBody, EvidenceRowBody, ScoredTripleBody

__all__ = ["add_questions"]

Route = Callable[[Callable[..., Any]], Callable[..., Any]]
Refusals = dict[int | str, dict[str, Any]]


def add_questions(
    app: FastAPI, worker: ModelWorker, refusals: Refusals, deadline_seconds: float, keys: Sequence[str] = ()
) -> None:
    """Adds them to the application. keys: the properties that identify nodes, which answers tell the jar."""
    _add_missing_parts(app, worker, refusals, deadline_seconds, keys)

    @app.post("/v1/score", response_model=list[ScoredTripleBody], responses=refusals)
    async def score(body: ScoreBody, request: Request) -> Response:
        """Scores given triples, in the order given."""
        call = Alike(body, _scored, body.kind, body.number, alone=True)
        return answered(request, await waited(request, worker, call, deadline_seconds))

    @app.post("/v1/estimate", response_model=list[EstimateRowBody], responses=refusals)
    async def estimate(body: EstimateBody, request: Request) -> Response:
        """Tells what questions would cost, and asks none of them."""
        cost = await waited(request, worker, body.cost, deadline_seconds)
        return answered(request, [body.row(cost, worker.pace)])

    @app.post("/v1/explain", response_model=list[EvidenceRowBody], responses=refusals)
    async def explain(body: ExplainBody, request: Request) -> Response:
        """Tells why a triple is scored as it is: the share of each kind of evidence, and the rules that fired."""
        return answered(request, await waited(request, worker, body.rows, deadline_seconds))


def _completed(predictor: Predictor, questions: Sequence[QuestionBody]) -> list[list[bytes]]:
    """The rows of each of some questions of one kind with a part missing."""
    model = predictor.model
    for question in questions:
        question.require_model(model)
    described = [node.live(predictor) for question in questions for node in question.described]
    given = {live.node.element_id: live for live in described}
    answers = ask_each(predictor, questions, given)
    return [encoded_rows(predictor, one, model, leave_out_missing=True, given=described) for one in answers]


def _scored(predictor: Predictor, bodies: Sequence[ScoreBody]) -> list[list[bytes]]:
    """The rows of each of some lists of triples."""
    model = predictor.model
    for body in bodies:
        body.require_model(model)
    answers = [body.ask(predictor) for body in bodies]
    return [encoded_rows(predictor, one, model, leave_out_missing=False) for one in answers]


def _add_missing_parts(
    app: FastAPI, worker: ModelWorker, refusals: Refusals, deadline_seconds: float, keys: Sequence[str]
) -> None:
    headers = {KEYS_HEADER: ",".join(quote(name, safe="") for name in keys)}

    async def answer(request: Request, question: QuestionBody) -> Response:
        # a list has waited for others already; what one describes is nothing to others
        alone = question.number > 1 or bool(question.described)
        parts = question.parts(worker.free)
        calls = [Alike(part, _completed, part.kind, part.number, alone) for part in parts]
        found = await waited_each(request, worker, calls, deadline_seconds)
        return answered(request, list(chain.from_iterable(found)), headers)

    def route(path: str) -> Route:
        return app.post(path, response_model=list[ScoredTripleBody], responses=refusals)

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
