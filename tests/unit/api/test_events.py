"""Event files, as TensorBoard itself reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from neo4j_relpred.api.events import write_events
from neo4j_relpred.training.curves import Point

CURVES = {"tower": [Point(0, 0.5, 2.0), Point(4, 1.5, 1.0)]}


def test_without_the_package_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not write_events(tmp_path / "events", CURVES, {}, 0.0)
    assert list(tmp_path.iterdir()) == []


def test_losses_and_figures_are_scalars_of_their_epochs(tmp_path: Path) -> None:
    reading = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="the extra 'tensorboard' is not installed"
    )
    assert write_events(tmp_path / "default" / "1", CURVES, {"entity MRR": 0.5}, 1000.0)
    events = reading.EventAccumulator(str(tmp_path / "default" / "1")).Reload()
    assert [(one.wall_time, one.step, one.value) for one in events.Scalars("loss/tower")] == [
        (1000.5, 0, 2.0),
        (1001.5, 4, 1.0),
    ]
    assert [one.value for one in events.Scalars("report/entity MRR")] == [0.5]
