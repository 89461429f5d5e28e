"""The text cache: the same vectors, encoded once."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neo4j_relpred.errors import Busy, StorageFailed, TextCacheCorrupt
from neo4j_relpred.text import cache as module
from neo4j_relpred.text.cache import CachedEncoder, Vacuumed
from neo4j_relpred.text.vectors import NoEncoder, Progress, Vectors


@dataclass
class Hashing:
    """Vectors made of a hash of the text; remembers what it was asked."""

    fingerprint: str = "hashing"
    width: int = 4
    asked: list[str] = field(default_factory=list)

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        self.asked += texts
        digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[: self.width] for text in texts]
        found = np.array([list(digest) for digest in digests], np.float32).reshape(-1, self.width) / np.float32(3)
        found[[not text for text in texts]] = 0
        if progress:
            progress(len(texts), len(texts))
        return found


TEXTS = st.lists(st.text(max_size=3), max_size=6)
FEWER = settings(max_examples=settings().max_examples // 3)  # each makes a file and waits for the disk


@given(TEXTS, TEXTS)
@FEWER
def test_cached_vectors_are_fresh_vectors(first: list[str], second: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        inner = Hashing()
        cache = CachedEncoder(inner, Path(folder) / "text.sqlite")
        for texts in (first, second, first):
            np.testing.assert_array_equal(cache.encode(texts), Hashing().encode(texts))
            assert cache.encode(texts).dtype == np.float32
        assert sorted(inner.asked) == sorted({*first, *second})


def test_the_second_call_encodes_nothing_in_this_process_or_the_next(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "text.sqlite"
    cache = CachedEncoder(Hashing(), file)
    cache.encode(["a", "b", "a"])
    assert cache.encoded == 2
    cache.encode(["b", "a", "c"])
    assert cache.encoded == 3
    inner = Hashing()
    again = CachedEncoder(inner, file)
    np.testing.assert_array_equal(again.encode(["a", "b", "c"]), Hashing().encode(["a", "b", "c"]))
    assert (again.encoded, inner.asked) == (0, [])


def test_another_encoder_does_not_get_the_vectors_of_this_one(tmp_path: Path) -> None:
    CachedEncoder(Hashing(), tmp_path / "t.sqlite").encode(["a"])
    other = Hashing(fingerprint="other", width=2)
    assert CachedEncoder(other, tmp_path / "t.sqlite").encode(["a"]).shape == (1, 2)
    assert other.asked == ["a"]


def test_a_cache_looks_like_its_encoder(tmp_path: Path) -> None:
    cache = CachedEncoder(Hashing(), tmp_path / "t.sqlite")
    assert (cache.fingerprint, cache.width) == ("hashing", 4)


def test_a_failure_of_the_encoder_keeps_nothing(tmp_path: Path) -> None:
    class Failing(Hashing):
        def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
            raise MemoryError

    with pytest.raises(MemoryError):
        CachedEncoder(Failing(), tmp_path / "t.sqlite").encode(["a"])
    assert CachedEncoder(Hashing(), tmp_path / "t.sqlite").encode(["a"]).any()


def test_no_encoder_can_be_cached_as_well(tmp_path: Path) -> None:
    for _ in range(2):
        assert CachedEncoder(NoEncoder(), tmp_path / "t.sqlite").encode(["a", ""]).shape == (2, 0)


def test_an_empty_text_has_the_zero_vector(tmp_path: Path) -> None:
    cache = CachedEncoder(Hashing(), tmp_path / "t.sqlite")
    for _ in range(2):
        assert not cache.encode(["", "a"])[0].any()


def test_texts_are_kept_in_portions_so_that_a_kill_loses_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Hashing):
        def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
            if len(self.asked) >= 6:
                raise KeyboardInterrupt
            return super().encode(texts, progress)

    monkeypatch.setattr(module, "PORTION", 3)
    texts = [f"text {number}" for number in range(9)]
    cache = CachedEncoder(Killed(), tmp_path / "t.sqlite")
    with pytest.raises(KeyboardInterrupt):
        cache.encode(texts)
    assert cache.encoded == 6
    again = CachedEncoder(Hashing(), tmp_path / "t.sqlite")
    np.testing.assert_array_equal(again.encode(texts), Hashing().encode(texts))
    assert again.encoded == 3


@given(st.lists(st.sampled_from(["", "a", "b", "cc", "d", "ee"]), max_size=12))
@FEWER
def test_portions_of_any_size_give_every_row_its_vector(texts: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name in ("PORTION", "LOOKED_UP", "KEYS"):
            patch.setattr(module, name, 2)
        cache = CachedEncoder(Hashing(), Path(folder) / "t.sqlite")
        for _ in range(2):
            np.testing.assert_array_equal(cache.encode(texts), Hashing().encode(texts))
        assert cache.encoded == len(set(texts))


def test_progress_counts_what_is_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PORTION", 2)
    cache = CachedEncoder(Hashing(), tmp_path / "t.sqlite")
    seen: list[tuple[int, int]] = []
    cache.encode(["a", "b", "c", "a"], lambda done, total: seen.append((done, total)))
    assert seen == [(2, 3), (3, 3), (3, 3)]
    seen.clear()
    cache.encode(["a"], lambda done, total: seen.append((done, total)))
    assert seen == []


WRITER = """
import sys
from pathlib import Path
import numpy as np
from neo4j_relpred.text.cache import CachedEncoder

class Lengths:
    fingerprint, width = "lengths", 4
    def encode(self, texts, progress=None):
        return np.array([[len(text), int(text), 1, 2] for text in texts], np.float32)

for start in range(int(sys.argv[2]), int(sys.argv[2]) + 200, 10):
    texts = [str(number) for number in range(start, start + 20)]
    found = CachedEncoder(Lengths(), Path(sys.argv[1])).encode(texts)
    assert (found == Lengths().encode(texts)).all()
"""


def test_processes_that_write_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    file = tmp_path / "t.sqlite"
    workers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(file), begin], stderr=subprocess.PIPE, text=True)
        for begin in ("0", "0", "100")
    ]
    told = [worker.communicate(timeout=60)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0], told
    cache = CachedEncoder(Hashing(fingerprint="lengths"), file)
    assert cache.by_encoder() == {"lengths": 310}
    found = cache.encode([str(number) for number in range(310)])
    assert found[:, 1].tolist() == list(range(310))
    assert cache.encoded == 0


def test_many_texts_are_looked_up_with_few_statements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = CachedEncoder(Hashing(), tmp_path / "t.sqlite")
    texts = [f"text {number}" for number in range(3000)]
    cache.encode(texts)
    statements: list[str] = []
    connect = sqlite3.connect

    def traced(*arguments: object, **options: object) -> sqlite3.Connection:
        connection = connect(*arguments, **options)  # type: ignore[call-overload]  # handed on as they came
        connection.set_trace_callback(statements.append)
        return connection  # type: ignore[no-any-return]

    monkeypatch.setattr(sqlite3, "connect", traced)
    cache.encode(texts)
    assert 0 < sum("FROM vectors" in statement for statement in statements) <= 3000 / module.KEYS


def test_vectors_of_other_encoders_are_counted_and_dropped(tmp_path: Path) -> None:
    file = tmp_path / "t.sqlite"
    CachedEncoder(Hashing(fingerprint="old", width=32), file).encode([f"text {number}" for number in range(500)])
    cache = CachedEncoder(Hashing(), file)
    cache.encode(["a", "b"])
    assert cache.by_encoder() == {"hashing": 2, "old": 500}
    done = cache.vacuum()
    assert (done.removed, done.kept) == (500, 2)
    assert done.freed_bytes > 50_000
    assert cache.by_encoder() == {"hashing": 2}
    cache.encode(["a", "b"])
    assert cache.encoded == 2
    assert cache.vacuum() == Vacuumed(0, 2, 0)


def test_another_encoder_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "t.sqlite"
    with caplog.at_level(logging.WARNING):
        CachedEncoder(Hashing(fingerprint="old"), file).encode(["a", "b"])
        assert caplog.messages == []
        cache = CachedEncoder(Hashing(), file)
        cache.encode(["a", "b", "b"])
        cache.encode(["c"])
        CachedEncoder(Hashing(), file).encode(["d"])
    assert caplog.messages == ["text.encoder changed: 2 texts are encoded anew"]


def test_a_damaged_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "t.sqlite"
    file.write_bytes(b"this is no database at all" * 200)
    with pytest.raises(TextCacheCorrupt, match=r"t\.sqlite") as caught:
        CachedEncoder(Hashing(), file)
    assert "Delete t.sqlite" in caught.value.hint


def test_a_vector_of_another_length_is_damage(tmp_path: Path) -> None:
    cache = CachedEncoder(Hashing(), tmp_path / "t.sqlite")
    cache.encode(["a"])
    with sqlite3.connect(tmp_path / "t.sqlite") as connection:
        connection.execute("UPDATE vectors SET vector = x'00'")
    with pytest.raises(TextCacheCorrupt, match="length"):
        cache.encode(["a"])


def test_a_locked_file_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = CachedEncoder(Hashing(), tmp_path / "t.sqlite")
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.05)
    other = sqlite3.connect(tmp_path / "t.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Busy, match=r"t\.sqlite"):
        cache.encode(["a"])
    other.close()
    cache.encode(["a"])


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = CachedEncoder(Hashing(width=32), tmp_path / "t.sqlite")
    connect = sqlite3.connect

    def cramped(*arguments: object, **options: object) -> sqlite3.Connection:
        connection = connect(*arguments, **options)  # type: ignore[call-overload]  # handed on as they came
        connection.execute("PRAGMA max_page_count = 8")
        return connection  # type: ignore[no-any-return]

    monkeypatch.setattr(sqlite3, "connect", cramped)
    with pytest.raises(StorageFailed, match=r"t\.sqlite") as caught:
        cache.encode([f"text {number}" for number in range(500)])
    assert "disk" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StorageFailed, match="cache"):
        CachedEncoder(Hashing(), tmp_path / "cache" / "t.sqlite")
