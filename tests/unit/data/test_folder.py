"""Folders that are whole or absent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from neo4j_relpred.data.folder import MANIFEST, read_manifest, verified, write_folder, write_text
from neo4j_relpred.errors import SnapshotCorrupt, StorageFailed


def filled(text: str, folder: Path) -> Path:
    def fill(aside: Path) -> None:
        (aside / "a.txt").write_text(text)

    return write_folder(folder, fill, {"format": 1})


def check(folder: Path) -> dict[str, object]:
    return verified(folder, SnapshotCorrupt, "Again.")


def test_what_was_written_is_verified(tmp_path: Path) -> None:
    folder = filled("one", tmp_path / "deep" / "set")
    assert check(folder)["format"] == 1
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt", MANIFEST]
    assert list(folder.parent.iterdir()) == [folder]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = filled("one", tmp_path / "set")
    (folder / "stray.txt").write_text("left over")
    filled("two", folder)
    assert (folder / "a.txt").read_text() == "two"
    assert not (folder / "stray.txt").exists()
    assert list(tmp_path.iterdir()) == [folder]


def test_a_failure_while_filling_leaves_the_old_folder(tmp_path: Path) -> None:
    folder = filled("one", tmp_path / "set")

    def fail(aside: Path) -> None:
        (aside / "a.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folder(folder, fail, {})
    assert (folder / "a.txt").read_text() == "one"
    assert check(folder)
    assert list(tmp_path.iterdir()) == [folder]


def test_a_failure_between_the_renames_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = filled("one", tmp_path / "set")
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.suffix == ".tmp":
            raise OSError("disk full")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(StorageFailed, match="disk full"):
        filled("two", folder)
    assert (folder / "a.txt").read_text() == "one"
    assert list(tmp_path.iterdir()) == [folder]


def test_the_next_call_restores_and_sweeps_what_a_kill_left(tmp_path: Path) -> None:
    folder = filled("one", tmp_path / "set")
    folder.rename(tmp_path / ".set.x.old")
    (tmp_path / ".set.y.tmp").mkdir()
    (tmp_path / ".setting.z.tmp").mkdir()  # of another folder

    def fail(aside: Path) -> None:
        raise OSError("disk full")

    with pytest.raises(StorageFailed, match="disk full"):
        write_folder(folder, fail, {})
    assert (folder / "a.txt").read_text() == "one"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".setting.z.tmp", "set"]


@pytest.mark.parametrize("position", [0, 1, 2])
def test_any_flipped_byte_is_noticed(tmp_path: Path, position: int) -> None:
    folder = filled("one", tmp_path / "set")
    data = bytearray((folder / "a.txt").read_bytes())
    data[position] ^= 1
    (folder / "a.txt").write_bytes(bytes(data))
    with pytest.raises(SnapshotCorrupt, match=r"a\.txt is not as it was written") as caught:
        check(folder)
    assert caught.value.hint == "Again."


@pytest.mark.parametrize("content", ["{", "[]", '{"files": 1}', "\udcff"])
def test_a_damaged_manifest_is_told(tmp_path: Path, content: str) -> None:
    folder = filled("one", tmp_path / "set")
    (folder / MANIFEST).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(SnapshotCorrupt, match="damaged"):
        read_manifest(folder, SnapshotCorrupt, "")


def test_a_missing_file_or_manifest_is_told(tmp_path: Path) -> None:
    folder = filled("one", tmp_path / "set")
    (folder / "a.txt").unlink()
    with pytest.raises(SnapshotCorrupt, match="not as it was"):
        check(folder)
    (folder / MANIFEST).unlink()
    with pytest.raises(SnapshotCorrupt, match="has no manifest"):
        check(folder)


def test_a_text_is_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "live.json"
    write_text(file, json.dumps({"a": 1}))
    write_text(file, "ü")
    assert file.read_text(encoding="utf-8") == "ü"
    assert list(tmp_path.iterdir()) == [file]
