"""Words of names and texts: what is shared, named, and alike."""

from __future__ import annotations

import numpy as np
import pytest

from neo4j_relpred.model.words import WORD_FEATURES, Words

NAMES = ["Oak tree", "plant", "Oaks", "", "红楼梦", "红楼"]
TEXTS = [
    "a large plant with acorns",
    "a living thing that grows",
    "old plant of the forest, an oak tree",
    "",
    "清代小说红楼梦",
    "梦",
]
NOTHING = Words.of([""] * 3, [""] * 3)


def feature(words: Words, anchor: int, candidate: int, name: str) -> float:
    values = words.features(np.array([anchor]), np.array([[candidate]]))
    return float(values[0, 0, WORD_FEATURES.index(name)])


def test_a_text_names_the_candidate() -> None:
    words = Words.of(NAMES, TEXTS)
    assert feature(words, 0, 1, "word_names") == pytest.approx(1)  # "plant" stands in the text of the oak
    assert feature(words, 1, 0, "word_names") == 0
    assert feature(words, 1, 0, "word_named") == pytest.approx(1)


def test_a_plural_is_the_same_word() -> None:
    words = Words.of(NAMES, TEXTS)
    assert 0 < feature(words, 0, 2, "word_name") < 1
    assert feature(words, 0, 2, "word_name") == pytest.approx(feature(words, 2, 0, "word_name"))
    assert feature(words, 0, 2, "word_letters") > 0


def test_rare_words_weigh_more() -> None:
    words = Words.of([""] * 4, ["common rare", "common other", "common rare", "common third"])
    assert feature(words, 0, 2, "word_texts") == pytest.approx(1)
    assert feature(words, 0, 1, "word_texts") == 0  # what stands in every text says nothing


def test_scripts_without_spaces_are_compared_by_pairs_of_characters() -> None:
    words = Words.of(NAMES, TEXTS)
    assert feature(words, 5, 4, "word_named") == pytest.approx(1)
    assert feature(words, 5, 0, "word_named") == 0


def test_nodes_without_words_share_nothing() -> None:
    assert not NOTHING.features(np.arange(3), np.tile(np.arange(3), (3, 1))).any()
    assert not Words.of(NAMES, TEXTS).features(np.array([3]), np.array([[0, 1, 3]])).any()


def test_everything_lies_between_0_and_1() -> None:
    words = Words.of(NAMES, TEXTS)
    values = words.features(np.arange(6), np.tile(np.arange(6), (6, 1)))
    assert values.min() >= 0
    assert values.max() <= 1


def test_a_node_that_comes_later_is_compared_like_the_others() -> None:
    grown = Words.of(NAMES, TEXTS).with_node("acorn", "fruit of the oak tree")
    assert len(grown) == len(NAMES) + 1
    assert feature(grown, len(NAMES), 0, "word_names") == pytest.approx(1)
    assert feature(grown, 0, 1, "word_names") == pytest.approx(1)
