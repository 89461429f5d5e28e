"""The routes of the daemon: how it is, and what it is told. It runs elsewhere; its node in the graph is between us."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from pydantic import Field
from starlette.responses import Response

from neo4j_relpred.data.daemon_state import STANDING_BY, DaemonState, read_state
from neo4j_relpred.service.answers import answered, waited
from neo4j_relpred.service.bodies import encoded
from neo4j_relpred.service.facade import Predictor
from neo4j_relpred.service.strict import EmptyBody, Name, Strict
from neo4j_relpred.service.worker import Worker
from neo4j_relpred.wire import MOST_ROWS, FailureRowBody, SyncRowBody

if TYPE_CHECKING:
    from neo4j_relpred.service.facade import Daemons

__all__ = ["add_syncs", "state_here"]

ABSENT, NONE_YET = "absent", "No daemon has run for this model yet: `relpred daemon` starts one."
LAST_SYNC = ("changed_nodes", "changed_edges", "encoded_texts", "created", "updated", "removed", "sync_seconds")


class PauseBody(Strict):
    """Who pauses."""

    by: Name = Field(description="Kept with the pause, and shown to whoever looks.")


class FailuresBody(Strict):
    """Which nodes were left out?"""

    top_k: int = Field(100, ge=1, le=MOST_ROWS, description="How many rows at most.")


def add_syncs(app: FastAPI, desk: Worker, refusals: dict[int | str, dict[str, Any]], deadline_seconds: float) -> None:
    """Adds them to the application."""

    async def answer(request: Request, work: Callable[[Predictor], list[bytes]]) -> Response:
        return answered(request, await waited(request, desk, work, deadline_seconds))

    def route(name: str, rows: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        return app.post(f"/v1/sync/{name}", response_model=rows, responses=refusals)

    @route("status", list[SyncRowBody])
    async def status(_: EmptyBody, request: Request) -> Response:
        """Tells how the daemon is, and how far predictions are behind the graph."""
        return await answer(request, lambda predictor: [_row(predictor)])

    @route("pause", list[SyncRowBody])
    async def pause(body: PauseBody, request: Request) -> Response:
        """Lets the daemon do nothing, also after a restart, until it is told to resume."""
        return await answer(request, lambda it: _told(it, lambda board: board.pause(body.by)))

    @route("resume", list[SyncRowBody])
    async def resume(_: EmptyBody, request: Request) -> Response:
        """Lets the daemon go on after a pause."""
        return await answer(request, lambda it: _told(it, lambda board: board.resume()))

    @route("failures", list[FailureRowBody])
    async def failures(body: FailuresBody, request: Request) -> Response:
        """Lists the nodes and edges that the last sync left out, the most often tried first."""
        return await answer(request, lambda it: [encoded(asdict(one)) for one in it.daemons.failures()[: body.top_k]])


def state_here(predictor: Predictor) -> DaemonState | None:
    """What the daemon wrote last into our `home`; None where none of this model did."""
    state = read_state(predictor.settings.home)
    return state if state is not None and state.model == predictor.settings.model_name else None


def _told(predictor: Predictor, order: Callable[[Daemons], None]) -> list[bytes]:
    order(predictor.daemons)
    return [_row(predictor)]


def _row(predictor: Predictor) -> bytes:
    board = predictor.daemons
    paused_by = board.orders().paused_by
    # The file is the fresher one while a daemon of our home works; the node tells of one on another machine.
    said = [state for state in (state_here(predictor), board.read()) if state is not None]
    if not said:
        return encoded(SyncRowBody(state=ABSENT, problem=NONE_YET, paused_by=paused_by).model_dump())
    state = max(said, key=lambda one: (one.state != STANDING_BY, one.beat_at))
    told = {name: value for name, value in asdict(state).items() if name in SyncRowBody.model_fields}
    derived = {"problem": state.problem(), "lag_seconds": state.lag_seconds(), "model": state.live}
    figures = {name: getattr(state, name) for name in LAST_SYNC}
    return encoded(SyncRowBody(**{**told, **derived, "paused_by": paused_by, "last_sync": figures}).model_dump())
