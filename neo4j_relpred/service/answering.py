"""The process of one worker: `python -m neo4j_relpred.service.answering DESCRIPTOR`, started by `pool`.

It is told how to open its facade, then what to answer. It ends when its socket is closed at the other end.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from neo4j_relpred.config import load_settings
from neo4j_relpred.logs import begin_log
from neo4j_relpred.service.pool import ENDING_SECONDS, serve
from neo4j_relpred.service.refusals import log_failure

if TYPE_CHECKING:
    from neo4j_relpred.api import RelationPredictor

__all__ = ["main", "opened"]

END = object()

log = logging.getLogger(__name__)


def opened(overrides: Mapping[str, Any]) -> RelationPredictor:
    """A facade that shares what it loads with others of its kind. overrides: all settings, see `as_overrides`."""
    # heavy, and the service may end meanwhile; the routes, so that the first question need not wait for them
    from neo4j_relpred.api import RelationPredictor
    from neo4j_relpred.service import question_routes  # noqa: F401 - what is asked is made of its classes

    predictor = RelationPredictor.open(load_settings(overrides=overrides, read_default=False))
    predictor.keep_answering()
    return predictor


def main(descriptor: int) -> None:
    """Answers until nobody asks any more."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a supervisor may send them to the whole group
        signal.signal(number, signal.SIG_IGN)
    pipe: Connection[Any, Any] = Connection(descriptor)
    arriving: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_hear, args=(pipe, arriving), name="relpred-hear", daemon=True).start()

    def received() -> Any:
        message = arriving.get()
        if message is END:
            raise EOFError
        return message

    with suppress(EOFError, OSError):
        open_it, level = received()
        begin_log(level)
        with open_it() as predictor:
            serve(predictor, arriving.empty, received, pipe.send)


def _hear(pipe: Connection[Any, Any], arriving: queue.SimpleQueue[Any]) -> None:
    """Takes what is sent, and ends the process where it goes on with what nobody waits for."""
    try:
        while True:
            arriving.put(pipe.recv())
    except (EOFError, OSError):
        log.debug("the service asks no more")
    except Exception as error:  # what was sent is not known here
        log_failure("hearing the service", error)
    arriving.put(END)
    time.sleep(ENDING_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
