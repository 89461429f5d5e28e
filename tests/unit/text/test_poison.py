"""Texts that make an encoder fail: the others get their vectors, these are tried again later and later."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from neo4j_relpred.data.backoff import MOST_TRIES, PAUSE_SECONDS
from neo4j_relpred.errors import EncoderNotFound
from neo4j_relpred.text.cache import CachedEncoder
from neo4j_relpred.text.poison import POISON_TABLE, PoisonList, encode_what_can_be
from neo4j_relpred.text.vectors import Progress, Vectors


@dataclass
class Delicate:
    """Cannot take some texts, nor any batch with one of them."""

    poison: set[str]
    fingerprint: str = "delicate"
    width: int = 2
    asked: list[str] = field(default_factory=list)

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        self.asked += texts
        if self.poison & set(texts):
            raise RuntimeError("bad text: " + texts[0])
        return np.array([[len(text), 1.0] for text in texts], np.float32).reshape(-1, 2)


def test_one_poisonous_text_in_a_thousand_costs_only_itself() -> None:
    texts = [f"text {number}" for number in range(1000)]
    found, poison = encode_what_can_be(Delicate({"text 617"}), texts)
    assert poison == {617: "RuntimeError"}
    assert not found[617].any()
    np.testing.assert_array_equal(np.delete(found, 617, 0), Delicate(set()).encode(np.delete(texts, 617).tolist()))


def test_an_encoder_that_can_take_nothing_is_no_matter_of_texts() -> None:
    with pytest.raises(RuntimeError):
        encode_what_can_be(Delicate({"a", "b", "text"}), ["a", "b"])


def test_an_error_of_ours_is_no_matter_of_texts() -> None:
    class Gone(Delicate):
        def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
            raise EncoderNotFound("It is gone.", hint="Look for it.")

    with pytest.raises(EncoderNotFound):
        encode_what_can_be(Gone(set()), ["a", "b"])


def test_a_vector_that_is_no_number_counts_as_none() -> None:
    class Broken(Delicate):
        def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
            found = super().encode(texts)
            found[[text == "b" for text in texts], 0] = np.nan
            return found

    found, poison = encode_what_can_be(Broken(set()), ["a", "b"])
    assert poison == {1: "NotFinite"}
    assert np.isfinite(found).all()


def test_it_is_not_tried_again_at_once_and_in_the_end_never(tmp_path: Path) -> None:
    inner = Delicate({"bad"})
    cache = CachedEncoder(inner, tmp_path / "t.sqlite")
    cache.encode(["good", "bad"])
    assert cache.encoded == 1
    inner.asked.clear()
    np.testing.assert_array_equal(cache.encode(["good", "bad"]), [[4, 1], [0, 0]])
    assert inner.asked == []
    (poison,) = cache.poison(["bad", "good"]).values()
    assert (poison.tries, poison.error, poison.again_at is not None) == (1, "RuntimeError", True)
    assert not cache.worth_a_try(["bad"])
    assert cache.forgive() == 1
    assert cache.worth_a_try(["bad"])
    inner.poison.clear()
    np.testing.assert_array_equal(cache.encode(["bad"]), [[3, 1]])
    assert cache.poison(["bad"]) == {}


def test_pauses_grow_and_the_last_try_is_the_last() -> None:
    clock = 1_000.0
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(POISON_TABLE)
        kept = PoisonList(connection, "e", lambda: clock)
        pauses = []
        for _ in range(MOST_TRIES - 1):
            kept.settle([], [(b"k", "RuntimeError")])
            again = kept.known()[b"k"].again_at
            assert again is not None
            pauses.append(again.timestamp() - clock)
            clock = again.timestamp() - 1
            assert kept.waiting() == {b"k"}
            clock += 2
            assert kept.waiting() == frozenset()
        assert pauses == [PAUSE_SECONDS * number for number in range(1, MOST_TRIES)]
        kept.settle([], [(b"k", "RuntimeError")])
        clock += 1e9
        assert kept.waiting() == {b"k"}
        assert kept.known()[b"k"].again_at is None
        assert PoisonList(connection, "other", lambda: clock).waiting() == frozenset()


def test_what_nobody_carries_any_more_is_forgotten(tmp_path: Path) -> None:
    inner = Delicate({"bad"})
    cache = CachedEncoder(inner, tmp_path / "t.sqlite")
    cache.encode(["a", "b", "bad"])
    assert cache.forget(["a", "bad", "never seen"]) == 1
    inner.asked.clear()
    cache.encode(["a", "b", "bad"])
    assert sorted(set(inner.asked) - {"text"}) == ["a", "bad"]
