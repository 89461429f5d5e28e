"""How any error is put into an answer."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.responses import JSONResponse

from neo4j_relpred.errors import InvalidQuery, Overloaded, RelpredError, did_you_mean
from neo4j_relpred.wire import NotReady, TokenRefused

__all__ = ["MANUAL", "answer_error", "invalid_request", "log_failure"]

log = logging.getLogger(__name__)

MANUAL = "See docs/reference/http.md."
LONGEST_PLACE = 200  # of an unknown key, which may be as long as a body, this much is told and compared
# What the JSON of a question may be made of, for "did you mean".
KEYS = (
    *("element_id", "head", "heads", "id", "min_probability", "pairs", "relation", "tail", "tails", "top_k", "triples"),
    *("described", "edges", "labels", "other", "outgoing", "properties"),
    *("by", "decided", "dry_run", "key", "note", "order", "reason", "run"),
    *("confirm_shrink", "device", "fresh", "go_on", "job_id", "minutes", "model_name", "precision", "publish"),
    *("seed", "take_over"),
)


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
    place = ".".join(str(part) for part in fault["loc"] if part != "body")[:LONGEST_PLACE] or "the body"
    if fault["type"] == "extra_forbidden":
        return InvalidQuery(
            f"The question has an unknown key {place}.", hint=did_you_mean(place.rpartition(".")[2], KEYS)
        )
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
