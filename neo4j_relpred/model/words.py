"""What nodes are called and said to be, as sets of words: whether one is named in the other's text, and how alike.

An encoder's vector blurs rare words and names; whether a definition names the thing asked for is plain in the words.
Words are told apart by a hash, so that there is no vocabulary to keep and none that a new node could be outside of.
"""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from numba import njit

from neo4j_relpred.data.knowledge_graph import IntArray

__all__ = ["WORD_FEATURES", "Words"]

FloatArray = npt.NDArray[np.float32]
TokenArray = npt.NDArray[np.int32]
BUCKETS = 1 << 18
LONGEST = 128  # words of a text that count; what comes later says little of what the node is
WORD_FEATURES = ("word_texts", "word_named", "word_names", "word_name", "word_letters")
WORD = re.compile(r"[^\W_]+")
UNSPACED = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\u0e00-\u0eff]+")  # scripts without spaces


@dataclass(frozen=True)
class Bags:
    """A set of words per node: tokens offsets[i] to offsets[i + 1], sorted. weight: rare words weigh more."""

    offsets: IntArray
    tokens: TokenArray

    @classmethod
    def of(cls, words: Iterable[Iterable[str]]) -> Bags:
        """One row for each node's words."""
        rows = [np.unique(np.fromiter(map(_bucket, row), np.int32)) for row in words]
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
        return cls(offsets, np.concatenate([np.empty(0, np.int32), *rows]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def joined(self, other: Bags) -> Bags:
        """These rows, then those."""
        offsets = np.concatenate([self.offsets, self.offsets[-1] + other.offsets[1:]])
        return Bags(offsets, np.concatenate([self.tokens, other.tokens]))

    @cached_property
    def weight(self) -> FloatArray:
        """(BUCKETS,): log of nodes by nodes with the word (inverse document frequency); 0 for what all have."""
        counts = np.bincount(self.tokens, minlength=BUCKETS)
        weight: FloatArray = np.log((len(self) + 1) / (counts + 1)).astype(np.float32)
        return weight

    @cached_property
    def sums(self) -> FloatArray:
        """(nodes,): the weight of all words of a node."""
        running = np.concatenate([[0.0], np.cumsum(self.weight[self.tokens], dtype=np.float64)])
        sums: FloatArray = (running[self.offsets[1:]] - running[self.offsets[:-1]]).astype(np.float32)
        return sums


@dataclass(frozen=True)
class Words:
    """Names, texts and the runs of three letters of names, one row of each per node."""

    names: Bags
    texts: Bags
    letters: Bags

    @classmethod
    def of(cls, names: Sequence[str], texts: Sequence[str]) -> Words:
        """Both one per node, '' for none."""
        return cls(Bags.of(map(_words, names)), Bags.of(_first(text) for text in texts), Bags.of(map(_letters, names)))

    def __len__(self) -> int:
        return len(self.names)

    def with_node(self, name: str, text: str) -> Words:
        """One more node, at the end."""
        more = Words.of([name], [text])
        pairs = ((self.names, more.names), (self.texts, more.texts), (self.letters, more.letters))
        return Words(*(old.joined(new) for old, new in pairs))

    def features(self, anchors: IntArray, candidates: IntArray) -> FloatArray:
        """Anchors (q,) and candidates (q, c) -> (q, c, WORD_FEATURES), each from 0 to 1.

        How much the texts share; whether the candidate's text names the anchor; whether the anchor's text names the
        candidate; how much the names share in words; and in letters.
        """
        out = np.zeros((*candidates.shape, len(WORD_FEATURES)), np.float32)
        anchors = np.ascontiguousarray(anchors)
        texts, names, letters = (
            (b.offsets, b.tokens, b.weight, b.sums) for b in (self.texts, self.names, self.letters)
        )
        _shared(*texts, *texts, anchors, candidates, 0, out[..., 0])
        _shared(*names, *texts, anchors, candidates, 1, out[..., 1])
        _shared(*texts, *names, anchors, candidates, 2, out[..., 2])
        _shared(*names, *names, anchors, candidates, 0, out[..., 3])
        _shared(*letters, *letters, anchors, candidates, 0, out[..., 4])
        return out


def _bucket(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "surrogatepass")) % BUCKETS


def _words(text: str) -> Iterator[str]:
    """Words in lower case, a plural without its s; pairs of characters where a script has no spaces."""
    for word in WORD.findall(text.lower()):
        if UNSPACED.fullmatch(word) and len(word) > 1:
            yield from (word[i : i + 2] for i in range(len(word) - 1))
        elif len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
            yield word[:-1]
        else:
            yield word


def _first(text: str) -> list[str]:
    return [word for word, _ in zip(_words(text), range(LONGEST), strict=False)]


def _letters(name: str) -> Iterator[str]:
    for word in WORD.findall(name.lower()):
        marked = f"^{word}$"
        yield from (marked[i : i + 3] for i in range(len(marked) - 2))


@njit(cache=True, nogil=True)
def _shared(  # noqa: PLR0913 - a compiled loop takes plain arrays, and a call costs in it
    offsets: IntArray, tokens: TokenArray, weight: FloatArray, sums: FloatArray, other_offsets: IntArray,
    other_tokens: TokenArray, other_weight: FloatArray, other_sums: FloatArray, anchors: IntArray,
    candidates: IntArray, share_of: int, out: FloatArray,
) -> None:  # fmt: skip
    """Weight of shared words by the geometric mean of all (0), by the anchor's (1) or the candidate's (2)."""
    mark = np.zeros(len(weight), np.bool_)
    for row in range(len(anchors)):
        anchor = anchors[row]
        begin, end = offsets[anchor], offsets[anchor + 1]
        if begin == end:
            continue
        for position in range(begin, end):
            mark[tokens[position]] = True
        for column in range(candidates.shape[1]):
            candidate = candidates[row, column]
            total = 0.0
            for position in range(other_offsets[candidate], other_offsets[candidate + 1]):
                if mark[other_tokens[position]]:
                    token = other_tokens[position]
                    total += other_weight[token] if share_of == 2 else weight[token]
            if total > 0:
                if share_of == 0:
                    whole = np.sqrt(sums[anchor] * other_sums[candidate])
                else:
                    whole = sums[anchor] if share_of == 1 else other_sums[candidate]
                out[row, column] = min(1.0, total / max(whole, 1e-6))
        for position in range(begin, end):
            mark[tokens[position]] = False
