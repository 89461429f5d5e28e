"""The routes of the model's versions. The worker that answers takes a new live version over within a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from pydantic import Field
from starlette.responses import Response

from neo4j_relpred.service.answers import answered, waited
from neo4j_relpred.service.bodies import encoded
from neo4j_relpred.service.facade import Predictor
from neo4j_relpred.service.strict import EmptyBody, Strict
from neo4j_relpred.service.worker import Worker
from neo4j_relpred.wire import ModelRowBody

if TYPE_CHECKING:
    from neo4j_relpred.model.registry import ModelVersion

__all__ = ["add_models"]


class VersionBody(Strict):
    """One version of the model."""

    version: int = Field(ge=1, lt=2**31)  # it becomes the name of a folder, which may not be of any length


def add_models(app: FastAPI, desk: Worker, refusals: dict[int | str, dict[str, Any]], deadline_seconds: float) -> None:
    """Adds them to the application."""

    async def answer(request: Request, work: Callable[[Predictor], list[ModelVersion]]) -> Response:
        def rows(predictor: Predictor) -> list[bytes]:
            return [encoded(_row(one)) for one in work(predictor)]

        return answered(request, await waited(request, desk, rows, deadline_seconds))

    def route(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        return app.post(f"/v1/models/{name}", response_model=list[ModelRowBody], responses=refusals)

    @route("list")
    async def model_list(_: EmptyBody, request: Request) -> Response:
        """Lists the versions of the model, oldest first."""
        return await answer(request, lambda predictor: predictor.models())

    @route("promote")
    async def promote(body: VersionBody, request: Request) -> Response:
        """Makes a version the live one."""

        def work(predictor: Predictor) -> list[ModelVersion]:
            predictor.promote(body.version)
            return _only(predictor, body.version)

        return await answer(request, work)

    @route("rollback")
    async def rollback(_: EmptyBody, request: Request) -> Response:
        """Makes the version live again that was so before this one."""
        return await answer(request, lambda predictor: _only(predictor, predictor.rollback()))

    @route("drop")
    async def drop(body: VersionBody, request: Request) -> Response:
        """Removes a version for good; the live one cannot be removed."""

        def work(predictor: Predictor) -> list[ModelVersion]:
            dropped = _only(predictor, body.version)
            predictor.drop(body.version)
            return dropped

        return await answer(request, work)


def _only(predictor: Predictor, version: int) -> list[ModelVersion]:
    return [one for one in predictor.models() if one.version == version]


def _row(one: ModelVersion) -> dict[str, Any]:
    report = one.about["report"]
    return {
        "model": one.name,
        "version": one.version,
        "live": one.live,
        "trained_at": one.about["trainedAt"],
        "figures": {
            "entityMrr": report["entities"]["mrr"],
            "entityHitsAt10": report["entities"]["hits"]["10"],
            "relationHitsAt1": report["relations"]["hits"]["1"],
        },
        "training": {name: one.about[name] for name in ("minutes", "seed")},
    }
