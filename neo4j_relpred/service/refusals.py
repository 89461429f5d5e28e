"""What the service refuses by itself, and how any error is put into an answer."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.responses import JSONResponse

from neo4j_relpred.errors import InvalidQuery, Overloaded, RelpredError, did_you_mean

__all__ = [
    "MANUAL",
    "BodyTooLarge",
    "DeadlinePassed",
    "HostRefused",
    "NoSuchRoute",
    "NotReady",
    "RequestTooSlow",
    "ServiceFailed",
    "TokenRefused",
    "WireMismatch",
    "answer_error",
    "invalid_request",
    "log_failure",
]

log = logging.getLogger(__name__)

MANUAL = "See docs/reference/http.md."
# What the JSON of a question may be made of, for "did you mean".
KEYS = (
    *("element_id", "head", "id", "min_probability", "relation", "tail", "top_k", "triples"),
    *("by", "decided", "dry_run", "key", "note", "order", "reason", "run"),
)


class TokenRefused(RelpredError):
    """The request carries no token, or none that is valid now."""

    code = "token-refused"
    http_status = 401


class HostRefused(RelpredError):
    """The Host header names somebody else: a web page may be asking through a name of its own (DNS rebinding)."""

    code = "host-refused"
    http_status = 421


class WireMismatch(RelpredError):
    """The caller speaks another version of the protocol."""

    code = "wire-version"
    http_status = 400


class BodyTooLarge(RelpredError):
    """The body of a request is longer than service.max_body_bytes."""

    code = "body-too-large"
    http_status = 413


class RequestTooSlow(RelpredError):
    """The body of a request did not arrive in time."""

    code = "request-too-slow"
    http_status = 408


class NoSuchRoute(RelpredError):
    """A path or a method that the service does not have."""

    code = "no-such-route"
    http_status = 404


class NotReady(RelpredError):
    """The model is not loaded yet, or the service is on its way down."""

    code = "not-ready"
    http_status = 503
    retryable = True


class DeadlinePassed(RelpredError):
    """The answer was not there in time."""

    code = "deadline-passed"
    http_status = 504
    retryable = True


class ServiceFailed(RelpredError):
    """A fault of the service itself."""


def answer_error(error: RelpredError, status: int | None = None) -> JSONResponse:
    """The answer that tells an error: its status, and code, message and hint as JSON."""
    headers = {}
    if isinstance(error, TokenRefused):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Overloaded | NotReady):
        headers["Retry-After"] = "1"
    body = {"code": error.code, "message": error.message, "hint": error.hint}
    return JSONResponse(body, status_code=status or error.http_status, headers=headers)


def invalid_request(faults: Iterable[Mapping[str, Any]]) -> InvalidQuery:
    """The first fault that pydantic found, in words; never the value that was sent."""
    fault = next(iter(faults))
    place = ".".join(str(part) for part in fault["loc"] if part != "body") or "the body"
    if fault["type"] == "extra_forbidden":
        return InvalidQuery(f"The question has an unknown key {place}.", hint=did_you_mean(str(fault["loc"][-1]), KEYS))
    if fault["type"] == "missing":
        return InvalidQuery(f"The question lacks {place}.", hint=MANUAL)
    if fault["type"] == "json_invalid":
        return InvalidQuery("The body is not JSON.", hint=f"{fault['ctx']['error']} at character {place}.")
    if fault["type"] in {"model_attributes_type", "dict_type"} and place == "the body":
        return InvalidQuery("The body is not a JSON object.", hint="Send Content-Type: application/json.")
    return InvalidQuery(f"{place} cannot be used: {fault['msg']}.", hint=MANUAL)


def log_failure(doing: str, error: BaseException) -> None:
    """Logs where a fault happened, without its message, which may hold text of the graph."""
    places = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s failed error=%s\n%s", doing, type(error).__name__, places)
