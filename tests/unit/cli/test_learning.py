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
    ("flags", "fresh", "go_on"),
    [([], False, False), (["--fresh"], True, False), (["--refresh"], False, True)],
)
def test_a_training_begins_anew_or_goes_on_from_the_live_version_only_when_it_is_told_to(
    flags: list[str], fresh: bool, go_on: bool, monkeypatch: pytest.MonkeyPatch
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
    assert [(options["fresh"], options["go_on"]) for options in given] == [(fresh, go_on)]
