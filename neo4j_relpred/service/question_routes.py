"""The routes of questions. Those that wait at the same time and are alike are asked as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from starlette.responses import Response

from neo4j_relpred.service.answers import answered, waited
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
from neo4j_relpred.service.pace import Pace
from neo4j_relpred.service.worker import Alike, ModelWorker, Predictor
from neo4j_relpred.wire import KEYS_HEADER, EstimateRowBody, EvidenceRowBody, ScoredTripleBody

__all__ = ["add_questions"]

Route = Callable[[Callable[..., Any]], Callable[..., Any]]
Refusals = dict[int | str, dict[str, Any]]


def add_questions(
    app: FastAPI, worker: ModelWorker, refusals: Refusals, deadline_seconds: float, keys: Sequence[str] = ()
) -> None:
    """Adds them to the application. keys: the properties that identify nodes, which answers tell the jar."""
    pace = Pace()  # written and read by the one thread that asks the model
    _add_missing_parts(app, worker, pace, refusals, deadline_seconds, keys)

    @app.post("/v1/score", response_model=list[ScoredTripleBody], responses=refusals)
    async def score(body: ScoreBody, request: Request) -> Response:
        """Scores given triples, in the order given."""

        def rows(predictor: Predictor) -> list[bytes]:
            body.require_model(worker.model or "")
            with pace.measured(body.kind, body.number):
                answers = body.ask(predictor)
            return encoded_rows(predictor, answers, worker.model or "", leave_out_missing=False)

        return answered(request, await waited(request, worker, rows, deadline_seconds))

    @app.post("/v1/estimate", response_model=list[EstimateRowBody], responses=refusals)
    async def estimate(body: EstimateBody, request: Request) -> Response:
        """Tells what questions would cost, and asks none of them."""

        def rows(predictor: Predictor) -> list[bytes]:
            body.require_model(worker.model or "")
            return [body.row(predictor, pace)]

        return answered(request, await waited(request, worker, rows, deadline_seconds))

    @app.post("/v1/explain", response_model=list[EvidenceRowBody], responses=refusals)
    async def explain(body: ExplainBody, request: Request) -> Response:
        """Tells why a triple is scored as it is: the share of each kind of evidence, and the rules that fired."""
        rows = await waited(request, worker, lambda it: body.rows(it, worker.model or ""), deadline_seconds)
        return answered(request, rows)


def _add_missing_parts(
    app: FastAPI, worker: ModelWorker, pace: Pace, refusals: Refusals, deadline_seconds: float, keys: Sequence[str]
) -> None:
    headers = {KEYS_HEADER: ",".join(quote(name, safe="") for name in keys)}

    def together(predictor: Predictor, questions: Sequence[QuestionBody]) -> list[list[bytes]]:
        model = worker.model or ""
        for question in questions:
            question.require_model(model)
        described = [node.live(predictor) for question in questions for node in question.described]
        given = {live.node.element_id: live for live in described}
        with pace.measured(questions[0].kind, sum(question.number for question in questions)):
            answers = ask_each(predictor, questions, given)
        return [encoded_rows(predictor, one, model, leave_out_missing=True, given=described) for one in answers]

    async def answer(request: Request, question: QuestionBody) -> Response:
        # a list has waited for others already; what one describes is nothing to others
        alone = question.number > 1 or bool(question.described)
        call = Alike(question, together, "" if alone else question.kind)
        return answered(request, await waited(request, worker, call, deadline_seconds), headers)

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
