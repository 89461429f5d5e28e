"""One connection to the service: its errors become ours, and a full queue is waited for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import httpx2 as httpx

from neo4j_relpred.errors import RelpredError, error_of
from neo4j_relpred.wire import NDJSON, WIRE, WIRE_HEADER

__all__ = ["Connection", "ServiceRefused", "ServiceUnavailable"]

LONGEST_WAIT = 5.0  # seconds between two attempts, whatever the service asks for


class ServiceUnavailable(RelpredError):
    """The service cannot be reached, or its answer was cut off."""

    code = "service-unavailable"
    exit_code = 4
    http_status = 503
    retryable = True


class ServiceRefused(RelpredError):
    """The service answered with something that is not of this protocol: another program, or a proxy before it."""

    code = "service-refused"
    http_status = 502


class Connection:
    """Asks, and waits where the service has too much to do just now."""

    def __init__(self, http: httpx.Client, patience_seconds: float) -> None:
        self._http, self._patience = http, patience_seconds

    def close(self) -> None:
        """Lets go of it."""
        self._http.close()

    def get(self, path: str) -> dict[str, Any]:
        """The one object that a route answers. Raises what `post` raises."""
        (row,) = self._rows(self._sent("GET", path, None))
        return row

    def post(self, path: str, body: Mapping[str, object]) -> list[dict[str, Any]]:
        """The rows of an answer.

        Raises the error that the service names, by its code; ServiceUnavailable, ServiceRefused. A full queue is
        asked again for as long as the patience lasts, since nothing was done then.
        """
        until = time.monotonic() + self._patience
        while True:
            response = self._sent("POST", path, body)
            wait = _waiting(response)
            if wait is None or time.monotonic() + wait > until:
                return list(self._rows(response))
            time.sleep(wait)

    def _sent(self, method: str, path: str, body: Mapping[str, object] | None) -> httpx.Response:
        headers = {WIRE_HEADER: str(WIRE), "Accept": NDJSON}
        try:
            return self._http.request(method, path, json=body, headers=headers)
        except httpx.TimeoutException as error:
            raise ServiceUnavailable(
                "The service did not answer in time.", hint="What changes something may still be done: look first."
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ServiceUnavailable(
                f"The service at {self._http.base_url} cannot be reached.",
                hint="Check the address, or start it with `relpred serve`.",
            ) from error

    def _rows(self, response: httpx.Response) -> Iterator[dict[str, Any]]:
        for line in filter(None, response.text.split("\n")):  # splitlines() would part names at U+2028 and U+0085
            try:
                row = json.loads(line)
            except ValueError as error:
                raise _no_answer(response) from error
            if not isinstance(row, dict):
                raise _no_answer(response)
            if set(row) == {"code", "message", "hint"}:
                raise error_of(row["code"], row["message"], row["hint"], ServiceRefused)
            yield row
        if not response.is_success:
            raise _no_answer(response)


def _waiting(response: httpx.Response) -> float | None:
    """How long the service wants one to wait before the same is asked again."""
    if response.status_code not in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return None
    try:
        return min(float(response.headers["Retry-After"]), LONGEST_WAIT)
    except (KeyError, ValueError):
        return None


def _no_answer(response: httpx.Response) -> ServiceRefused:
    return ServiceRefused(
        f"The answer (status {response.status_code}) is not one of neo4j_relpred.",
        hint="Does the address belong to the service, or to another program or a proxy?",
    )
