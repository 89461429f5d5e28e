"""Texts to token ids: cut at the encoder's limit, never in the middle of a character, however long a text is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from neo4j_relpred.config import TextSettings
from neo4j_relpred.text.source import Source, told

__all__ = ["Tokens"]

CHARACTERS = 64  # per token of the limit; a text that needs more to fill the limit gets more
MOST_CHARACTERS = 4_000_000  # nothing is looked for behind these
LARGEST = 1_000_000  # tokenizers without a limit name a huge one
BYTES_OF_A_CHARACTER = 4
HALF = "\ufffd"  # what a decoder shows for a part of a character
SURROGATES = re.compile("[\ud800-\udfff]")  # half of a pair, which no tokenizer takes
# Models that begin to count positions behind that of the padding.
SHIFTED = frozenset(
    {
        "camembert",
        "data2vec-text",
        "esm",
        "ibert",
        "longformer",
        "luke",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)


class Tokens:
    """The tokenizer of an encoder under its settings."""

    def __init__(self, settings: TextSettings, source: Source) -> None:
        """Loads the tokenizer. Raises EncoderNotFound."""
        from transformers import AutoTokenizer

        with told(settings):
            self._tokenizer: Any = AutoTokenizer.from_pretrained(source.place, trust_remote_code=False)
        self._tokenizer.truncation_side = "right"
        self._prompt = settings.prompt
        self.limit = _limit(settings, self._tokenizer, source.config)
        self._marks = set(self._tokenizer.all_special_ids) - {self._tokenizer.unk_token_id}
        pads = (self._tokenizer.pad_token_id, self._tokenizer.eos_token_id, 0)
        self.pad = next(pad for pad in pads if pad is not None)  # never looked at: the mask leaves it out

    @property
    def characters(self) -> int:
        """A longer text is first tried with this many."""
        return CHARACTERS * self.limit

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, at most `limit`. Time and memory follow the limit, not the length of a text."""
        prompted = [self._prompt + SURROGATES.sub(HALF, text[: self.characters]) for text in texts]
        found = self._ids(prompted)
        for row, text in enumerate(texts):
            if len(text) > self.characters and len(found[row]) < self.limit:
                found[row] = self._ids_of_sparse(text)
            if len(found[row]) >= self.limit:
                found[row] = self._whole_characters(found[row], prompted[row])
        return found

    def _ids(self, prompted: Sequence[str]) -> list[list[int]]:
        encoded = self._tokenizer(
            list(prompted),
            truncation=True,
            max_length=self.limit,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        return [list(row) for row in encoded["input_ids"]]

    def _ids_of_sparse(self, text: str) -> list[int]:
        """For texts with few tokens for their length (blanks, one endless word): longer pieces until it is enough."""
        characters, ids = self.characters, list[int]()
        while len(ids) < self.limit and characters < min(len(text), MOST_CHARACTERS):
            characters = min(8 * characters, MOST_CHARACTERS)
            ids = self._ids([self._prompt + SURROGATES.sub(HALF, text[:characters])])[0]
        return ids

    def _whole_characters(self, ids: list[int], text: str) -> list[int]:
        """Without the last tokens of a cut text where they are only the first bytes of a character."""
        if HALF in text:  # the text has the sign of a half character of its own
            return ids
        places = [place for place, token in enumerate(ids) if token not in self._marks]
        for dropped in range(min(BYTES_OF_A_CHARACTER, len(places))):
            kept = places[: len(places) - dropped]
            if not self._tokenizer.decode([ids[place] for place in kept[-4 * BYTES_OF_A_CHARACTER :]]).endswith(HALF):
                gone = set(places[len(kept) :])
                return [token for place, token in enumerate(ids) if place not in gone]
        return ids


def _limit(settings: TextSettings, tokenizer: Any, config: Any) -> int:
    """The least of what settings, tokenizer and positions of the model allow."""
    limits = [settings.max_tokens]
    if 0 < tokenizer.model_max_length < LARGEST:
        limits.append(int(tokenizer.model_max_length))
    positions = getattr(config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        shifted = getattr(config, "model_type", "") in SHIFTED
        limits.append(positions - (1 + (config.pad_token_id or 0) if shifted else 0))
    return max(1, min(limits))
