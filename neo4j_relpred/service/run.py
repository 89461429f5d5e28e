"""Runs the service until a signal ends it. The first one lets the running requests end, the second stops at once."""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import signal
import socket
from collections.abc import Iterator
from functools import partial
from types import FrameType

import uvicorn

from neo4j_relpred.config import ServiceSettings, Settings, as_overrides
from neo4j_relpred.errors import InvalidSettings
from neo4j_relpred.logs import begin_log
from neo4j_relpred.service import answering
from neo4j_relpred.service.app import DEADLINE_SECONDS, create_app
from neo4j_relpred.service.facade import Predictor
from neo4j_relpred.systemd import notify

__all__ = ["run_service"]

SLACK = 256  # connections beside those that wait in the queue: probes, and idle ones kept for later
KEEP_ALIVE_SECONDS = 30
BEAT_SECONDS = 10  # between two signs of life for systemd

log = logging.getLogger(__name__)


def run_service(settings: Settings, predictor: Predictor) -> None:
    """Serves until SIGTERM or SIGINT. The predictor stays the caller's to close.

    Raises InvalidSettings when the token file or the address cannot be used, before anything is loaded; SystemExit
    after a second signal.
    """
    if not logging.getLogger().handlers:
        begin_log(logging.INFO)
    service = settings.service
    opened = partial(answering.opened, as_overrides(settings)) if service.workers > 1 else None
    keys = list(dict.fromkeys(settings.graph.keys.values()))
    app = create_app(predictor, service, keys=keys, opened=opened)
    with _listening(service) as listener:
        config = uvicorn.Config(
            app,
            lifespan="on",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=service.queue_size + SLACK,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=math.ceil(DEADLINE_SECONDS),
            timeout_notify=BEAT_SECONDS,
            callback_notify=_beat,
        )
        server = _Server(config)
        log.info("service starts host=%s port=%d token=%s", service.host, service.port, service.token_file is not None)
        server.run(sockets=[listener])
    if server.killed_by is not None:
        raise SystemExit(128 + server.killed_by)
    log.info("service ended")


async def _beat() -> None:
    notify("READY=1\nWATCHDOG=1")


class _Server(uvicorn.Server):
    """Ends quietly after the first signal; uvicorn would raise it again, and the process would look killed."""

    killed_by: int | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            self.killed_by, self.force_exit = sig, True
        self.should_exit = True


def _listening(service: ServiceSettings) -> socket.socket:
    """A socket bound to the address of the settings."""
    address = f"{service.host}, port {service.port}"
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            service.host, service.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise InvalidSettings(f"{service.host} is not an address.", hint="Correct service.host.") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen()
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise InvalidSettings(
                f"Something listens at {address} already.", hint="Stop it, or set service.port to another port."
            ) from error
        raise InvalidSettings(
            f"Nothing can listen at {address}: {error.strerror}.", hint="Correct service.host or service.port."
        ) from error
    return listener
