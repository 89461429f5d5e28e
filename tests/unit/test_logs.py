"""The lines of the log, for people and for machines."""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import Any

import pytest

from neo4j_relpred.logs import JsonLines, Lines, begin_log


def record(message: str, *values: object, error: Exception | None = None) -> logging.LogRecord:
    raised = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("neo4j_relpred.x", logging.INFO, __file__, 1, message, values, raised)


def told(*words: Any, error: Exception | None = None) -> dict[str, Any]:
    line = JsonLines().format(record(*words, error=error))
    assert "\n" not in line
    found: dict[str, Any] = json.loads(line)
    return found


def test_the_values_that_a_message_names_are_keys() -> None:
    found = told("%s asked 100%% route=%s status=%d share=%.2f and %s", "somebody", "/v1/tails", 200, 0.5, "more")
    assert found["message"] == "somebody asked 100% route=/v1/tails status=200 share=0.50 and more"
    assert (found["route"], found["status"], found["share"]) == ("/v1/tails", 200, 0.5)
    assert set(found) == {"at", "level", "logger", "message", "route", "status", "share"}
    assert (found["level"], found["logger"]) == ("INFO", "neo4j_relpred.x")


def test_no_value_takes_the_place_of_what_every_line_says() -> None:
    assert told("level=%s message=%s", "9", "x")["level"] == "INFO"
    assert told("error=%s", ValueError)["error"] == "<class 'ValueError'>"
    assert told("nothing named=%s of a mapping", {"a": 1})["message"].startswith("nothing")


def test_an_error_is_told_by_kind_and_place_and_not_by_its_message() -> None:
    secret = "Ada".upper()  # the line of source that raises is told
    try:
        raise ValueError(secret)
    except ValueError as caught:
        error = caught
    for line in (
        JsonLines().format(record("it failed", error=error)),
        Lines().format(record("it failed", error=error)),
    ):
        assert "ValueError" in line
        assert "test_logs.py" in line
        assert secret not in line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "is_json"), [(Terminal(), False), (io.StringIO(), True)])
def test_lines_are_readable_on_a_terminal_and_json_elsewhere(
    stream: io.StringIO, is_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = logging.StreamHandler(io.StringIO())
    handlers: list[logging.Handler] = [logging.StreamHandler(stream), others]
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(logging.getLogger(), "handlers", handlers)
    begin_log(logging.WARNING)
    logging.getLogger("somebody").error("it happened code=%s", "busy")
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("{") == is_json
    assert "it happened code=busy" in line
    if is_json:
        assert json.loads(line)["code"] == "busy"
    assert others.stream.getvalue() == "it happened code=busy\n"
