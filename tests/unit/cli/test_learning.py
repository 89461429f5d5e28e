"""What the commands that learn hand to the facade."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from neo4j_relpred.cli import cli, learning
from neo4j_relpred.cli.lazy import Opened


@pytest.mark.parametrize(
    ("flags", "wished"),
    [
        ([], {"fresh": False, "gate": False, "go_on": False}),
        (["--fresh", "--gate"], {"fresh": True, "gate": True, "go_on": False}),
        (["--refresh"], {"fresh": False, "gate": False, "go_on": True}),
    ],
)
def test_a_training_begins_anew_goes_on_or_obeys_the_gate_only_when_it_is_told_to(
    flags: list[str], wished: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, Any]] = []

    def fit(**options: Any) -> tuple[SimpleNamespace, None]:
        given.append(options)
        return SimpleNamespace(label="default@1", live=True), None

    @contextmanager
    def predictor(_opened: Opened, **_sections: Any) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(fit=fit)

    monkeypatch.setattr(Opened, "predictor", predictor)
    monkeypatch.setattr(learning, "show_report", lambda report, title, as_json: None)
    result = CliRunner().invoke(cli, ["train", *flags])
    assert result.exit_code == 0, result.output
    assert [{name: options[name] for name in wished} for options in given] == [wished]


def test_a_version_that_was_refused_is_told_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = {"against": "default@1", "reason": "Entity MRR is 0.200 against 0.400."}

    @contextmanager
    def predictor(_opened: Opened, **_sections: Any) -> Iterator[SimpleNamespace]:
        version = SimpleNamespace(label="default@2", live=False, about={"gate": gate})
        yield SimpleNamespace(fit=lambda **_options: (version, None))

    monkeypatch.setattr(Opened, "predictor", predictor)
    monkeypatch.setattr(learning, "show_report", lambda report, title, as_json: None)
    result = CliRunner().invoke(cli, ["train", "--gate"])
    assert result.exit_code == 0, result.output
    assert "default@1 stays live: Entity MRR is 0.200 against 0.400." in result.stderr
