"""Any transformers encoder, run by torch: half precision where the machine multiplies in it, pooled in fp32."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neo4j_relpred.config import Pooling, TextSettings
from neo4j_relpred.errors import EncoderNotFound, InvalidSettings
from neo4j_relpred.text.batches import BatchRule, encode_texts
from neo4j_relpred.text.processor import device_of, multiplies_bf16
from neo4j_relpred.text.sentences import SENTENCES
from neo4j_relpred.text.source import HINT, Source, find_source, told
from neo4j_relpred.text.tokens import Tokens
from neo4j_relpred.text.vectors import Progress, Vectors

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TransformersEncoder", "load_model", "pool"]

log = logging.getLogger(__name__)
LEAST_COSINE = 0.999  # half precision that nobody asked for has to agree with full precision at least so much
SAMPLE = 8  # sentences to look at that with
DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


class TransformersEncoder:
    """An encoder loaded from a folder or the local hub cache; never runs code that comes with a model."""

    def __init__(self, settings: TextSettings, device: str = "cpu", fallback: str = "") -> None:
        """Loads tokenizer and weights. `fallback` says why it stands in for another backend.

        Raises EncoderNotFound when either is missing or gives no vectors, InvalidSettings for a device or a precision
        that the machine does not have.
        """
        self._settings, self._device, self.fallback = settings, device, fallback
        precision = _precision(settings, device)
        source = find_source(settings)
        self._tokens = Tokens(settings, source)
        self.fingerprint = source.fingerprint(settings, self._tokens.limit, "torch")
        self._model, precision = self._faithful(source, precision)
        with told(settings):
            self.width = int(self._embed([[self._tokens.pad] * 2]).shape[1])
        self.about = f"torch {precision} on {device}"

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """(texts, width): unit vectors; an empty text gets the zero vector. Raises EncoderNotFound on overflow."""
        rule = BatchRule(self._settings.batch_tokens)
        found = encode_texts(texts, self._tokens, self.width, self._embed, rule, progress)
        if not np.isfinite(found).all():
            raise EncoderNotFound(
                f"The text encoder {self._settings.encoder!r} gave a vector that is no number ({self.about}).",
                hint="Set text.precision to 'fp32'.",
            )
        return found

    def _faithful(self, source: Source, precision: str) -> tuple[Any, str]:
        """The model, and its precision: on a processor half of it only where the vectors stay nearly the same."""
        if self._device != "cpu" or self._settings.precision != "auto" or precision == "fp32":
            return load_model(self._settings, source, self._device, precision), precision
        ids = [row for row in self._tokens(SENTENCES[:SAMPLE]) if row]
        exact, rough = (self._loaded_and_asked(source, kind, ids) for kind in ("fp32", precision))
        cosine = float((exact * rough).sum(1).mean())
        if cosine >= LEAST_COSINE:
            return self._model, precision  # the one that was loaded last
        log.info("The encoder loses too much in %s (cosine %.4f); it runs in fp32.", precision, cosine)
        return load_model(self._settings, source, self._device, "fp32"), "fp32"

    def _loaded_and_asked(self, source: Source, precision: str, ids: Sequence[Sequence[int]]) -> Vectors:
        self._model = load_model(self._settings, source, self._device, precision)
        with told(self._settings):
            return np.concatenate([self._embed([row]) for row in ids])

    def _embed(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """(texts, width) from the token ids of a batch; padded on the right, where causal models do not see it."""
        import torch

        padded = np.full((len(ids), max(map(len, ids))), self._tokens.pad, np.int64)  # (texts, tokens)
        mask = np.zeros_like(padded)
        for row, tokens in enumerate(ids):
            padded[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        seen = torch.from_numpy(mask).to(self._device)
        with torch.inference_mode():
            output = self._model(input_ids=torch.from_numpy(padded).to(self._device), attention_mask=seen)
            result: Vectors = pool(output.last_hidden_state, seen, self._settings.pooling).cpu().numpy()
        return result


def pool(hidden: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """(texts, width), unit length, fp32, from (texts, tokens, width); whichever side is padded."""
    import torch

    hidden, rows = hidden.float(), torch.arange(len(hidden), device=hidden.device)
    if pooling == "mean":
        weights = mask.unsqueeze(-1).to(hidden.dtype)  # (texts, tokens, 1)
        pooled = (hidden * weights).sum(1) / weights.sum(1)
    elif pooling == "cls":
        pooled = hidden[rows, mask.argmax(1)]  # argmax names the first of equals
    else:
        positions = torch.arange(1, mask.shape[1] + 1, device=hidden.device)
        pooled = hidden[rows, (mask * positions).argmax(1)]
    return torch.nn.functional.normalize(pooled, dim=-1)


def load_model(settings: TextSettings, source: Source, device: str, precision: str, attention: str = "") -> Any:
    """The model, ready to be asked. Raises EncoderNotFound, also where weights lack."""
    import torch
    from transformers import AutoModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    more = {"attn_implementation": attention} if attention else {}
    with told(settings):
        model, report = AutoModel.from_pretrained(
            source.place,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=getattr(torch, DTYPES[precision]),
            output_loading_info=True,
            **more,
        )
        # transformers fills what lacks with random numbers; only the pooler, which we do not use, may lack.
        lacking = sorted(name for name in report["missing_keys"] if "pooler" not in name)
        if lacking:
            words = f"The weights of {settings.encoder!r} are not whole: {len(lacking)} lack, {lacking[0]} among them."
            raise EncoderNotFound(words, hint=HINT)
        model.config.use_cache = False  # of causal models: it keeps keys and values for the next token
        return model.to(device).train(mode=False)


def _precision(settings: TextSettings, device: str) -> str:
    """fp32, bf16 or fp16: what the settings ask for, or what the device is good at."""
    if device != "cpu":
        device_of("cuda", "text.device")
    if settings.precision == "fp16" and device == "cpu":
        raise InvalidSettings(
            "text.precision is 'fp16', which needs a GPU.", hint="Set text.precision to 'auto', 'bf16' or 'fp32'."
        )
    if settings.precision != "auto":
        return settings.precision
    if device == "cpu":
        return "bf16" if multiplies_bf16() else "fp32"
    return "bf16" if multiplies_bf16(device) else "fp16"
