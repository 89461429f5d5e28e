"""What strings look like: words that tell an encoder something, or addresses, codes, digests, dates, numbers.

Judged by the values themselves, in any script; names of properties only break ties (`proposed_texts`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Look", "Wording", "look_of", "word_count", "wording_of"]

Look = Literal["words", "link", "date", "code", "digest", "nothing"]

PLACEHOLDERS = frozenset({"", "null", "none", "nil", "n/a", "na", "nan", "-", "--", "?", "undefined", "(null)", "\\n"})
MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun"
LINK = re.compile(r"[a-z][a-z0-9+.-]*:(//)?\S+|www\.\S+|#?\S+\.html?#?|[^@\s]+@[^@\s]+\.\w+", re.I)
DATE = re.compile(
    r"(\d{4}\s*[-/.年]\s*\d{1,2}(\s*[-/.月]\s*\d{1,2}日?)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2}(\d\d)?)([T\s].*)?"
    r"|\d{1,2}[:時时]\d{2}.*"
    rf"|(?=.*({MONTHS}))(({MONTHS})[a-z]*\.?,?|\d+(st|nd|rd|th)?[,:.]?|\d+:\d+(:\d+)?|utc|gmt|[ap]m|\s+)+",
    re.I,
)
DIGEST = re.compile(r"(0x)?[0-9a-f-]{16,}|[A-Za-z0-9+/_=.-]{48,}", re.I)
# Scripts that put no spaces between words: some two characters are one.
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
WORD = re.compile(r"[^\W\d_]{2,}")
FILE = re.compile(r"\S+\.[a-z]{1,4}\d?|/\S*|\S*\\\S*|\S+/\S+/\S+", re.I)
LETTERS_OF_CODE = 5  # capitals without a space, that are no word: ALFKI, USD


@dataclass(frozen=True, slots=True)
class Wording:
    """How the values of a property look. filled: share that says anything; words: share of those that are words.

    length: mean number of words. different: how many distinct values there are. look: what most of them look like.
    """

    filled: float
    words: float
    length: float
    different: int
    look: Look


def wording_of(values: Iterable[str]) -> Wording:
    """How these values look together."""
    told = list(values)
    looks = [look_of(value) for value in told]
    saying = [(value, look) for value, look in zip(told, looks, strict=True) if look != "nothing"]
    if not saying:
        return Wording(0.0, 0.0, 0.0, 0, "nothing")
    worded = [value for value, look in saying if look == "words"]
    length = sum(map(word_count, worded)) / len(worded) if worded else 0.0
    commonest = Counter(look for _, look in saying).most_common(1)[0][0]
    return Wording(
        len(saying) / len(told), len(worded) / len(saying), length, len({value for value, _ in saying}), commonest
    )


def look_of(value: str) -> Look:
    """What one value looks like."""
    text = value.strip()
    if text.casefold() in PLACEHOLDERS:
        return "nothing"
    unspaced = bool(UNSPACED.search(text))
    if DATE.fullmatch(text) and not text.isdigit():
        return "date"
    if not re.search(r"\s", text) and not unspaced:
        return _look_of_token(text)
    if text[0] + text[-1] in ("{}", "[]") and '"' in text:  # JSON
        return "code"
    tokens = text.split()
    letters = sum(map(str.isalpha, text)) / sum(not char.isspace() for char in text)
    coded = [token for token in tokens if re.search(r"\d", token) or (token.isupper() and token.isascii())]
    if letters < 0.5 or (not unspaced and len(coded) == len(tokens) and re.search(r"\d", text)):
        return "code"
    return "words" if word_count(text) else "code"


def _look_of_token(text: str) -> Look:
    """What a text without spaces looks like, in a script that has them."""
    if DIGEST.fullmatch(text):
        return "digest"
    if LINK.fullmatch(text):
        return "link"
    if FILE.fullmatch(text) or re.search(r"\d", text) or len(text) < 3:
        return "code"
    if text.isascii() and text.isupper() and len(text) <= LETTERS_OF_CODE:
        return "code"
    return "words" if word_count(text) else "code"


def word_count(text: str) -> float:
    """How many words a text has, in any script."""
    unspaced = len(UNSPACED.findall(text))
    return unspaced / 2 + len(WORD.findall(UNSPACED.sub(" ", text)))
