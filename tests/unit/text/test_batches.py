"""The order of many texts, and what of them is in memory at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.text import batches
from neo4j_relpred.text.batches import BatchRule, encode_texts
from neo4j_relpred.text.vectors import Vectors


class Letters:
    """Each letter is a token, at most ten; remembers how many texts came at once."""

    characters = 10

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        self.asked.append(len(texts))
        return [[ord(letter) for letter in text[:10] if letter != "-"] for text in texts]


def first_and_length(ids: Sequence[Sequence[int]]) -> Vectors:
    return np.array([[row[0], len(row)] for row in ids], np.float32)


def encode(texts: Sequence[str], tokens: Any, rule: BatchRule) -> Vectors:
    return encode_texts(texts, tokens, 2, first_and_length, rule, None)


TEXTS = st.lists(st.text(alphabet="ab -", max_size=12), max_size=20)


@given(TEXTS, st.integers(1, 30), st.booleans())
def test_every_text_gets_its_own_vector_whatever_the_batches(texts: list[str], most: int, equal: bool) -> None:
    found = encode(texts, Letters(), BatchRule(most, equal))
    for text, vector in zip(texts, found, strict=True):
        letters = [] if text.isspace() else [letter for letter in text[:10] if letter != "-"]
        assert vector.tolist() == ([ord(letters[0]), len(letters)] if letters else [0, 0])


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(1, 30), st.booleans())
def test_batches_hold_each_place_once_and_no_more_than_they_may(lengths: list[int], most: int, equal: bool) -> None:
    found = list(batches._batches(lengths, BatchRule(most, equal)))
    assert sorted(place for batch in found for place in batch) == [p for p, n in enumerate(lengths) if n]
    for batch in found:
        sizes = [lengths[place] for place in batch]
        assert len(batch) == 1 or len(batch) * max(sizes) <= most
        assert not equal or len(set(sizes)) == 1


def test_texts_are_tokenised_in_portions_and_counted_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "PORTION_TEXTS", 4)
    tokens, seen = Letters(), []
    texts = [f"{letter}{'b' * more}" for letter in "cdefg" for more in range(3)] + ["-", "", "c"]

    def progress(done: int, total: int) -> None:
        seen.append((done, total))

    encode_texts(texts, tokens, 2, first_and_length, BatchRule(8), progress)  # type: ignore[arg-type]  # a fake
    assert max(tokens.asked) == 4
    assert sum(tokens.asked) == 16
    assert seen[-1] == (16, 16)
    assert seen == sorted(seen)


def test_long_texts_make_small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "PORTION_CHARACTERS", 25)
    tokens = Letters()
    encode([letter * 1000 for letter in "abcde"], tokens, BatchRule(100))
    assert tokens.asked == [2, 2, 1]
