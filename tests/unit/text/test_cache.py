"""The text cache: the same vectors, encoded once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.text.cache import CachedEncoder
from neo4j_relpred.text.encoder import NoEncoder, Progress, Vectors


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
        return found


TEXTS = st.lists(st.text(max_size=3), max_size=6)


@given(TEXTS, TEXTS)
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
