"""What stands before every route: Host, version of the protocol, token, size of the body; and one log line each.

It knows nothing of questions and answers. No log line holds a path that is not ours, a header, a body or a token.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from neo4j_relpred.errors import RelpredError
from neo4j_relpred.service.refusals import answer_error, log_failure
from neo4j_relpred.wire import (
    WIRE,
    WIRE_HEADER,
    BodyTooLarge,
    HostRefused,
    RequestTooSlow,
    ServiceFailed,
    TokenRefused,
    WireMismatch,
)

__all__ = ["OPEN_ROUTES", "Guard", "Rules"]

OPEN_ROUTES = frozenset({"/healthz", "/readyz"})  # for probes: no token, any version of the protocol

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """What is let through. `hosts` None lets every Host through, `accepts` None asks for no token."""

    max_body_bytes: int
    body_seconds: float
    routes: frozenset[str] = field(default_factory=frozenset)
    hosts: frozenset[str] | None = None
    accepts: Callable[[str], bool] | None = None
    count: Callable[[str, int, float], None] | None = None  # is told route, status and seconds of each request


class _Gone(Exception):
    """The caller hung up while asking."""


class Guard:
    """ASGI middleware around all routes."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request through, or answers it with a refusal."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 0

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[WIRE_HEADER] = str(WIRE)
            await send(message)

        try:
            self._check(scope)
            body = await self._body(scope, receive)
            await self._app(scope, _replayed(body, receive), marked)
        except RelpredError as refusal:
            await answer_error(refusal)(scope, receive, marked)
        except (_Gone, ClientDisconnect):
            log.debug("the caller hung up")  # nobody is there to be told
        except Exception as error:
            log_failure("a request", error)
            if status == 0:
                await answer_error(ServiceFailed("The service failed.", hint="Its log says where."))(
                    scope, receive, marked
                )
        route = scope["path"] if scope["path"] in self._rules.routes else "other"
        seconds = time.monotonic() - began
        log.info("request route=%s status=%d milliseconds=%d", route, status, seconds * 1000)
        if self._rules.count is not None:
            self._rules.count(route, status, seconds)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if self._rules.hosts is not None and _name(headers.get("host", "")) not in self._rules.hosts:
            raise HostRefused(
                "The Host header names another machine.",
                hint="Ask at the address that service.host names, or set service.token_file to be asked by any name.",
            )
        if scope["path"] in OPEN_ROUTES:
            return
        wire = headers.get(WIRE_HEADER, str(WIRE))
        if wire != str(WIRE):
            raise WireMismatch(
                f"You speak another version of the protocol, the service speaks version {WIRE}.",
                hint="Install the jar that belongs to the service and restart Neo4j.",
            )
        if self._rules.accepts is not None:
            scheme, _, token = headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not self._rules.accepts(token.strip()):
                raise TokenRefused(
                    "The service demands a token, and this is not one that it knows.",
                    hint="Send Authorization: Bearer TOKEN; in relpred.conf, set service.token_file.",
                )

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body, which is never longer than allowed."""
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdigit() and int(announced) > self._rules.max_body_bytes:
            raise self._too_large()
        pieces, size = [], 0
        try:
            async with asyncio.timeout(self._rules.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Gone
                    pieces.append(message.get("body", b""))
                    size += len(pieces[-1])
                    if size > self._rules.max_body_bytes:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        return b"".join(pieces)
        except TimeoutError:
            raise RequestTooSlow("The question did not arrive in time.", hint="Send it again.") from None

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"The question is longer than {self._rules.max_body_bytes} bytes.",
            hint="Ask for less at a time, or raise service.max_body_bytes.",
        )


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body once, then whatever else arrives."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _name(host: str) -> str:
    """The host without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if host.count(":") == 1 else host.lower()
