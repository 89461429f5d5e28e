"""Asks a service whether it is ready: `python -m neo4j_relpred.service.alive [ADDRESS]`, for the health of a container.

Ends with 0 when it is; otherwise with 1, and says why.
"""

from __future__ import annotations

import http.client
import sys
import urllib.parse

__all__ = ["problem"]

ADDRESS = "http://127.0.0.1:7475/readyz"
SECONDS = 5.0


def problem(address: str) -> str | None:
    """What is wrong with the service at the address; None when it is ready."""
    parts = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)
    try:
        connection.request("GET", parts.path)
        response = connection.getresponse()
        return None if response.status == http.HTTPStatus.OK else response.read(65_536).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return f"{address} does not answer: {error}"
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(problem(sys.argv[1] if len(sys.argv) > 1 else ADDRESS))
