"""Where a text is cut, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.config import TextSettings
from neo4j_relpred.text.source import find_source
from neo4j_relpred.text.tokens import CHARACTERS, Tokens, _limit
from tests.unit.text.models import END, tiny_causal


def tokens_of(folder: Path, max_tokens: int = 256, prompt: str = "") -> Tokens:
    settings = TextSettings(encoder=str(folder), max_tokens=max_tokens, prompt=prompt)
    return Tokens(settings, find_source(settings))


def text_of(tokens: Tokens, ids: Sequence[int]) -> str:
    text: str = tokens._tokenizer.decode(ids)
    return text


@pytest.mark.parametrize(
    ("text", "limit", "kept"),
    [
        ("é" * 20, 9, "é" * 4),
        ("漢" * 20, 8, "漢" * 2),
        ("🦉" * 20, 11, "🦉" * 2),
        ("a" * 20, 9, "a" * 9),
        ("🦉" * 2, 8, "🦉" * 2),
        ("ab🦉🦉🦉", 9, "ab🦉"),
    ],
)
def test_a_text_is_never_cut_in_the_middle_of_a_character(llama: Path, text: str, limit: int, kept: str) -> None:
    tokens = tokens_of(llama, limit)
    assert text_of(tokens, tokens([text])[0]) == kept


def test_a_mark_behind_the_text_outlives_the_cut(tmp_path: Path) -> None:
    tokens = tokens_of(tiny_causal(tmp_path, end=True), 10)
    assert text_of(tokens, tokens(["漢" * 20])[0]) == "漢" * 3 + END
    tokens = tokens_of(tmp_path, 12)
    assert text_of(tokens, tokens(["漢" * 20])[0]) == "漢" * 3 + END


@given(st.text(alphabet=st.sampled_from("aé漢🦉 \n"), max_size=30), st.integers(8, 40))
def test_what_is_kept_begins_the_text_and_fills_the_limit(llama: Path, text: str, limit: int) -> None:
    tokens = TOKENS.setdefault(limit, tokens_of(llama, limit))
    kept = text_of(tokens, tokens([text])[0])
    assert text.startswith(kept)
    rest = text[len(kept) :]
    assert not rest or len((kept + rest[0]).encode()) > limit


TOKENS: dict[int, Tokens] = {}


def test_half_pairs_of_surrogates_are_no_failure(bert: Path, llama: Path) -> None:
    for folder in (bert, llama):
        assert tokens_of(folder)(["ada \ud800 wrote"])[0]


def test_a_huge_text_costs_no_more_than_the_limit(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = tokens_of(bert, 8)
    seen: list[int] = []
    ids = tokens._ids

    def spied(prompted: Sequence[str]) -> list[list[int]]:
        seen.extend(map(len, prompted))
        return ids(prompted)

    monkeypatch.setattr(tokens, "_ids", spied)
    assert tokens(["ada wrote " * 500_000]) == tokens(["ada wrote " * 5])
    assert max(seen) == CHARACTERS * 8


def test_words_behind_many_blanks_are_found(bert: Path) -> None:
    tokens = tokens_of(bert, 8)
    assert tokens([" " * 100_000 + "ada wrote"]) == tokens(["ada wrote"])


def test_the_prompt_stands_before_each_text(bert: Path) -> None:
    assert tokens_of(bert, prompt="the ")(["machine", "program"]) == tokens_of(bert)(["the machine", "the program"])


def test_the_limit_is_the_least_of_settings_and_model(bert: Path, llama: Path) -> None:
    assert tokens_of(bert, 32).limit == 32
    assert tokens_of(bert, 256).limit == 64
    assert tokens_of(llama, 1000).limit == 128
    assert len(tokens_of(llama, 1000)(["a" * 500])[0]) == 128


@pytest.mark.parametrize(
    ("tokenizer", "model", "limit"),
    [
        (10**30, {"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        (512, {"model_type": "bert", "max_position_embeddings": 1024}, 512),
        (10**30, {"model_type": "xlnet", "max_position_embeddings": -1}, 2048),
        (10**30, {"model_type": "t5"}, 2048),
    ],
)
def test_models_say_in_many_ways_what_they_can_take(tokenizer: int, model: dict[str, Any], limit: int) -> None:
    kind = SimpleNamespace(model_max_length=tokenizer)
    assert _limit(TextSettings(max_tokens=2048), kind, SimpleNamespace(**model)) == limit
