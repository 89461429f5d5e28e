"""`relpred tune`: the file that it writes is read by `relpred --config`, and nothing is lost or overwritten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from neo4j_relpred.api import RelationPredictor
from neo4j_relpred.api.tuning import Judged, Plan, Tried, Tuning
from neo4j_relpred.cli import cli
from neo4j_relpred.cli.tuned_file import render_tuned
from neo4j_relpred.config import Settings, load_settings
from neo4j_relpred.errors import InvalidSettings, StorageFailed

IN_FORCE = """
home = "rooms"

[graph]
uri = "bolt://example.org:7687"
password = "correct-horse"
keys = { Person = "uid", "Odd label" = "id" }
texts = ["about", "say \\"hi\\""]

[graph.templates]
Film = "{title}: {tagline}"

[model]
hidden = 64
candidates = 75
"""
VALUES = {"model.hidden": 192, "model.structure_rank": 256, "model.gnn": "sage", "training.bce_weight": 0.127}


def judged(figure: float) -> Judged:
    return Judged(np.zeros((200, 3), np.int64), np.full(200, figure), np.full(200, figure))


def tuned(**changes: Any) -> Tuning:
    found: dict[str, Any] = {
        "plan": Plan(3, 20.0),
        "trials": (
            Tried(1, {}, 19.0, judged(0.4)),
            Tried(2, VALUES, 21.0, judged(0.5)),
            Tried(3, {"model.gnn": "gat"}, 2.0, None, "MemoryError: no room"),
        ),
        "values": VALUES,
        "before": judged(0.41),
        "after": judged(0.49),
        "confirmed": True,
        "stopped": False,
        "snapshot": "f00d",
        "seed": 3,
    }
    return Tuning(**{**found, **changes})


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "relpred.toml").write_text(IN_FORCE)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, found: Tuning, *words: str) -> Result:
    monkeypatch.setattr(RelationPredictor, "tune", lambda *_, **__: found)
    return CliRunner().invoke(cli, ["tune", *words])


def test_the_file_alone_gives_the_settings_in_force_with_the_better_values(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(monkeypatch, tuned())
    assert done.exit_code == 0, done.output
    assert "relpred --config relpred-tuned.toml train" in done.stdout
    before, after = load_settings(place / "relpred.toml"), load_settings(place / "relpred-tuned.toml")
    assert after.graph == before.graph.model_copy(update={"password": None})
    assert (after.home, after.model.candidates) == (Path("rooms"), 75)
    model = {"hidden": 192, "structure_rank": 256, "gnn": "sage"}
    assert after.model == before.model.model_copy(update=model)
    assert after.training == before.training.model_copy(update={"bce_weight": 0.127})


def test_the_file_holds_only_what_differs_and_says_why(place: Path) -> None:
    text = render_tuned(load_settings(place / "relpred.toml"), tuned())
    assert "hidden" not in text  # the better value is the default
    assert 'gnn = "sage"  # tuned' in text
    assert "candidates = 75\n" in text
    assert "correct-horse" not in text
    for word in ("f00d", "seed 3", "0.4100", "0.4900", "3 trials of 20 s", "trained again with seed 4"):
        assert word in text
    assert "not confirmed" in render_tuned(Settings(), tuned(confirmed=False))


def test_the_trials_are_shown_with_what_they_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, tuned())
    for word in ("the settings in force", "structure_rank=256", "0.5000", "MemoryError: no room"):
        assert word in done.stdout
    assert "3 of 5 trials fitted: one takes 14 s here" in run(monkeypatch, tuned(plan=Plan(5, 9.0)), "--force").stdout
    assert "24 trials of 69 s each fit into 30 minutes" in done.stderr


def test_json_is_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    found = json.loads(run(monkeypatch, tuned(), "--json").stdout)
    assert found["best"] == VALUES
    assert found["file"] == "relpred-tuned.toml"
    assert [trial["figure"] for trial in found["trials"]] == [0.4, 0.5, None]
    assert (found["planned"], found["before"]["entityMrr"]) == (3, pytest.approx(0.41))


def test_nothing_is_written_where_nothing_is_better(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, tuned(values={}))
    assert done.exit_code == 0
    assert "nothing is written" in done.stdout
    assert not (place / "relpred-tuned.toml").exists()
    assert json.loads(run(monkeypatch, tuned(values={}), "--json").stdout)["file"] is None


def test_a_stopped_search_is_written_and_ends_as_stopped(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, tuned(stopped=True, confirmed=False))
    assert done.exit_code == 130
    assert "structure_rank = 256" in (place / "relpred-tuned.toml").read_text()


def test_a_file_that_is_there_is_kept_unless_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = place / "mine.toml"
    file.write_text("# mine\n")
    refused = run(monkeypatch, tuned(), "--output", "mine.toml")
    assert isinstance(refused.exception, InvalidSettings)
    assert "--force" in refused.exception.hint
    assert file.read_text() == "# mine\n"
    assert run(monkeypatch, tuned(), "--output", "mine.toml", "--force").exit_code == 0
    assert "tuned" in file.read_text()


def test_a_file_that_cannot_be_written_costs_no_result(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = run(monkeypatch, tuned(), "--output", "no/such/folder.toml")
    assert isinstance(refused.exception, InvalidSettings)
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
    failed = run(monkeypatch, tuned())
    assert isinstance(failed.exception, StorageFailed)
    assert "model.structure_rank = 256" in failed.exception.hint
    assert "structure_rank=256" in failed.stdout
