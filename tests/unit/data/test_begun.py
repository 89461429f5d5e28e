"""The note of a training that was begun: it stays when the training was killed, and only then."""

from __future__ import annotations

from pathlib import Path

import pytest

from neo4j_relpred.data.begun import Begun, BegunTraining

BEGUN = Begun("hash", {"kind": "refresh"})


def test_it_stands_while_the_training_runs(tmp_path: Path) -> None:
    note = BegunTraining(tmp_path / "deep" / "begun.json")
    assert note.read() is None
    with note.noted(BEGUN):
        assert note.read() == BEGUN
    assert note.read() is None


@pytest.mark.parametrize(("error", "stays"), [(ValueError, False), (SystemExit, True), (KeyboardInterrupt, True)])
def test_a_training_that_failed_is_not_gone_on_with_one_that_was_stopped_is(
    error: type[BaseException], stays: bool, tmp_path: Path
) -> None:
    note = BegunTraining(tmp_path / "begun.json")
    with pytest.raises(error), note.noted(BEGUN):
        raise error
    assert (note.read() == BEGUN) == stays


def test_a_note_that_nobody_can_read_is_none(tmp_path: Path) -> None:
    note = BegunTraining(tmp_path / "begun.json")
    for words in ("{", "[]", '{"snapshot": 1}'):
        note.file.write_text(words)
        assert note.read() is None
