"""The tree of errors."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Any

import pytest

from neo4j_relpred import errors
from neo4j_relpred.errors import RelpredError, did_you_mean

TREE = [getattr(errors, name) for name in errors.__all__ if name not in {"did_you_mean", "error_of", "RelpredError"}]


def test_every_error_is_exported_and_stands_in_the_tree() -> None:
    ours = {error for error in RelpredError.__subclasses__() if error.__module__ == errors.__name__}
    assert set(TREE) == ours


def test_codes_are_distinct_words_for_machines() -> None:
    codes = [error.code for error in (RelpredError, *TREE)]
    assert len(set(codes)) == len(codes)
    assert all(code.replace("-", "").isalpha() and code.islower() for code in codes)


@pytest.mark.parametrize("error", TREE)
def test_every_error_says_failure_to_the_shell_and_to_http(error: type[RelpredError]) -> None:
    assert 1 <= error.exit_code < 126
    assert 400 <= error.http_status < 600
    assert error.__doc__


def test_only_what_may_pass_by_itself_is_worth_a_retry() -> None:
    assert {error.code for error in TREE if error.retryable} == {
        "busy",
        "graph-unavailable",
        "overloaded",
        "storage-failed",
    }


def test_a_message_ends_with_its_hint() -> None:
    error = RelpredError("It broke.", hint="Mend it.")
    assert str(error) == "It broke. Mend it."
    assert str(RelpredError("It broke.")) == "It broke."
    assert (error.message, error.hint) == ("It broke.", "Mend it.")


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("WORK_AT", "Did you mean WORKS_AT?"),
        ("works_at", "Did you mean WORKS_AT?"),
        ("zzz", "Known are: KNOWS, WORKS_AT."),
    ],
)
def test_a_wrong_word_is_answered_with_the_nearest_known_ones(wrong: str, hint: str) -> None:
    assert did_you_mean(wrong, ["WORKS_AT", "KNOWS", "KNOWS"]) == hint


def test_many_known_words_are_cut_and_none_give_no_hint() -> None:
    assert did_you_mean("zzz", map(str, range(100, 120))).endswith("107, ....")
    assert did_you_mean("zzz", []) == ""


def test_of_very_many_known_words_those_that_begin_alike_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    known = [f"Person/{number}" for number in range(1_000)] + ["Company/acme"]
    asked: list[int] = []
    compare = difflib.get_close_matches

    def counted(word: str, possibilities: Collection[str], **limits: Any) -> list[str]:
        asked.append(len(possibilities))
        return compare(word, possibilities, **limits)

    monkeypatch.setattr(difflib, "get_close_matches", counted)
    monkeypatch.setattr(errors, "MOST_COMPARED", 100)
    assert did_you_mean("Company/acne", known) == "Did you mean Company/acme?"
    assert did_you_mean("zzz", known).startswith("Known are: Person/0, Person/1, Person/10,")
    did_you_mean("Person/x", known)
    assert max(asked) == 100
