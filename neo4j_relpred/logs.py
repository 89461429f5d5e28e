"""How a process that stays writes its log: readable lines on a terminal, elsewhere a JSON object on each line.

Messages are written as `what happened name=%s other=%d`; each named value becomes a key of the object, too.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType

__all__ = ["JsonLines", "Lines", "begin_log"]

VALUE = re.compile(r"%%|(?:(\w+)=)?%[-#0 +]*\d*(?:\.\d+)?[a-z]")  # what one argument is put into, and its name

_Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def begin_log(level: int) -> None:
    """Logs to standard error, from this level on. Handlers of others stay as they are."""
    logging.basicConfig(level=level, stream=sys.stderr)
    logging.getLogger("apscheduler").setLevel(max(level, logging.WARNING))  # it would tell of every beat, twice
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler and handler.stream is sys.stderr:
            handler.setFormatter(Lines() if sys.stderr.isatty() else JsonLines())


class Lines(logging.Formatter):
    """For people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatException(self, ei: _Raised) -> str:
        """The places and the kind of error; its message may hold text of the graph."""
        kind, _, trace = ei
        return "".join([*traceback.format_tb(trace), kind.__name__ if kind else ""])


class JsonLines(Lines):
    """For machines."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        ours = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        told: dict[str, object] = ours | dict(_named(record)) | ours  # ours come first, and none takes their place
        if record.exc_info:
            told["raised"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str)


def _named(record: logging.LogRecord) -> list[tuple[str, object]]:
    values = record.args if isinstance(record.args, tuple) else ()
    names = [found[1] for found in VALUE.finditer(str(record.msg)) if found[0] != "%%"]
    return [(name, value) for name, value in zip(names, values, strict=False) if name]
