"""The service is asked whatever its own description allows and forbids, and answers only as it is described.

`make fuzz` does it for ten minutes, with other questions each time.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from pathlib import Path

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder

from neo4j_relpred.config import ServiceSettings
from neo4j_relpred.service.app import create_app
from tests.unit.service.conftest import FakePredictor, scored

SECONDS = os.environ.get("RELPRED_TEST_FUZZ_SECONDS")
EXAMPLES = 50  # of each operation and round; rounds go on until the time is over
BEARER = {"Authorization": "Bearer first-token"}
# What a schema cannot say: for it, 3.0 is an integer; one key does not bound another; nothing was decided before; which
# model there is.
NOT_IN_THE_SCHEMA = (
    b"a valid integer",
    b"rows in all",
    b"nodes had other keys",
    b"Nobody decided",
    b"and no other",
    b"answers with the model",
)

log = logging.getLogger(__name__)
pytestmark = pytest.mark.slow


class Findings:
    """What was not as described, once of each kind, with a command that shows it again."""

    def __init__(self) -> None:
        self.told: dict[tuple[str, str, str], str] = {}
        self.statuses: Counter[int] = Counter()

    def add(self, recorder: ScenarioRecorder) -> None:
        answers = {case: one.response for case, one in recorder.interactions.items() if one.response is not None}
        self.statuses.update(answer.status_code for answer in answers.values())
        for case, checks in recorder.checks.items():
            for info in (check.failure_info for check in checks):
                if info is not None and not self._is_known(info.failure, answers[case].content):
                    failure = info.failure
                    told = f"{failure.operation}: {failure.title}\n{failure.message}\n{info.code_sample}\n"
                    self.told.setdefault((str(failure.operation), failure.title, failure.message[:100]), told)

    def _is_known(self, failure: Failure, answer: bytes) -> bool:
        is_refusal = failure.title == "Schema-valid request rejected"
        return is_refusal and any(words in answer for words in NOT_IN_THE_SCHEMA)


def asked_everything(predictor: FakePredictor, token_file: Path, seconds: float, seed: int) -> Findings:
    """Boundaries of every key first, then drawn questions, right and wrong ones, until the time is over."""
    predictor.answers = [scored("Person/ada", "KNOWS", "Person/bob"), scored("Person/ada", "KNOWS", "Person/gone", 2)]
    app = create_app(predictor, ServiceSettings(token_file=token_file, queue_size=64))
    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "max-time": int(seconds),
            "headers": BEARER,
            "output": {"sanitization": {"enabled": False}},
            "generation": {"max-examples": EXAMPLES, "database": "none"},
            "checks": {"negative_data_rejection": {"expected-statuses": [404, 405, 413, 422]}},
        }
    )
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=config, headers=BEARER)
    findings = Findings()
    for event in from_schema(schema).execute():
        assert not isinstance(event, events.FatalError), event.exception
        assert not isinstance(event, events.NonFatalError), event.value
        if isinstance(event, events.ScenarioFinished):
            findings.add(event.recorder)
    return findings


@pytest.fixture(autouse=True)
def _no_line_for_each_request(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "neo4j_relpred")


def test_every_answer_is_as_the_description_says(predictor: FakePredictor, token_file: Path) -> None:
    seed = 1 if SECONDS is None else int(time.time())
    findings = asked_everything(predictor, token_file, float(SECONDS or 20), seed)
    log.info("seed=%d statuses=%s", seed, dict(findings.statuses))
    assert not findings.told, "\n".join([f"seed {seed}", *findings.told.values()])
    assert {200, 404, 422} <= findings.statuses.keys()
    assert max(findings.statuses) < 500


def test_a_fault_is_found(predictor: FakePredictor, token_file: Path) -> None:
    predictor.error = ValueError("a fault")
    findings = asked_everything(predictor, token_file, 6, seed=1)
    assert "Server error" in {title for _, title, _ in findings.told}  # by whichever question came first
