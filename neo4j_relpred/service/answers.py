"""How a route waits for a worker, and how rows become an answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from neo4j_relpred.service.hands import Call
from neo4j_relpred.service.worker import Worker
from neo4j_relpred.wire import NDJSON, DeadlinePassed, NotReady

__all__ = ["ASK_LESS", "answered", "waited", "waited_each"]

T = TypeVar("T")
ROWS_IN_A_CHUNK = 100
STILL_THERE_SECONDS = 0.25  # how often we look whether the caller has hung up
ASK_LESS = "Ask for less, or ask again later."  # what helps where nothing was changed


async def waited(request: Request, worker: Worker, call: Call[T], seconds: float, hint: str = ASK_LESS) -> T:
    """The worker's answer. Gives the call up when the deadline passes or nobody waits for it any more.

    A call that runs already goes on to its end. Raises DeadlinePassed, NotReady, and whatever the call raises.
    """
    return (await waited_each(request, worker, [call], seconds, hint))[0]


async def waited_each(
    request: Request, worker: Worker, calls: Sequence[Call[T]], seconds: float, hint: str = ASK_LESS
) -> list[T]:
    """`waited` for several calls; where one of them fails, the others are given up."""
    pending: list[Future[T]] = []
    until = time.monotonic() + seconds
    try:
        for call in calls:
            pending.append(worker.submit(call))
        answer = asyncio.gather(*map(asyncio.wrap_future, pending))
        answer.add_done_callback(_forgotten)
        while not answer.done():
            left = until - time.monotonic()
            if left <= 0:
                raise DeadlinePassed(f"The answer was not there within {seconds:g} seconds.", hint=hint)
            await asyncio.wait({answer}, timeout=min(left, STILL_THERE_SECONDS))
            if not answer.done() and await request.is_disconnected():
                raise NotReady("The caller hung up.")
        return answer.result()
    finally:
        for one in pending:
            if not one.done():
                worker.give_up(one)


def _forgotten(answer: asyncio.Future[Any]) -> None:
    """Takes note of the outcome of a call that nobody waits for, so that asyncio does not report it."""
    if not answer.cancelled():
        answer.exception()


def answered(request: Request, rows: list[bytes], headers: Mapping[str, str] | None = None) -> Response:
    """Rows as a JSON list, or one to a line where the caller takes that."""
    if NDJSON not in request.headers.get("accept", ""):
        return Response(b"[" + b",".join(rows) + b"]", media_type="application/json", headers=headers)
    if len(rows) <= ROWS_IN_A_CHUNK:
        return Response(b"".join(row + b"\n" for row in rows), media_type=NDJSON, headers=headers)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(rows), ROWS_IN_A_CHUNK):
            yield b"".join(row + b"\n" for row in rows[start : start + ROWS_IN_A_CHUNK])
            await asyncio.sleep(0)  # or neither other requests nor the end of this connection would be noticed

    return StreamingResponse(chunks(), media_type=NDJSON, headers=headers)
