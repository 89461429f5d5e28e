"""The real service, in a thread of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from neo4j_relpred.api import RelationPredictor
from neo4j_relpred.service import create_app


@contextmanager
def listening(predictor: RelationPredictor, port: int) -> Iterator[None]:
    """The service in a thread of this process: it serves decisions though nothing was trained."""
    app = create_app(predictor, predictor.settings.service, keys=list(predictor.settings.graph.keys.values()))
    server = uvicorn.Server(uvicorn.Config(app, port=port, lifespan="on", log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        yield
    finally:
        server.should_exit = True
        thread.join()


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Waits for it; fails after half a minute, or so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
