"""The encoder that the settings name. What it promises is in `vectors`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from neo4j_relpred.config import TextSettings
from neo4j_relpred.text.onnx_encoder import OnnxEncoder, onnx_or_torch
from neo4j_relpred.text.processor import device_of
from neo4j_relpred.text.source import bundled_encoder, find_source
from neo4j_relpred.text.tokens import Tokens
from neo4j_relpred.text.transformers_encoder import TransformersEncoder
from neo4j_relpred.text.vectors import Encoder, NoEncoder, Progress, Vectors

__all__ = [
    "Encoder",
    "LazyEncoder",
    "NoEncoder",
    "OnnxEncoder",
    "Progress",
    "TransformersEncoder",
    "Vectors",
    "bundled_encoder",
    "kept_exports",
    "lazy_encoder",
    "open_encoder",
]


def kept_exports(home: Path) -> Path:
    """Where ONNX exports lie under `home`."""
    return home / "cache" / "onnx"


class LazyEncoder:
    """An encoder run by torch whose weights are loaded when its first text comes: most texts are in the cache."""

    def __init__(self, settings: TextSettings, device: str) -> None:
        """Reads configuration and tokenizer. Raises EncoderNotFound where they lack."""
        self._settings, self._device = settings, device
        self._opening = threading.Lock()
        source = find_source(settings)
        self.fingerprint = source.fingerprint(settings, Tokens(settings, source).limit, "torch")

    @cached_property
    def _opened(self) -> TransformersEncoder:
        return TransformersEncoder(self._settings, self._device)

    @property
    def width(self) -> int:
        """Length of a vector. Loads the weights; raises EncoderNotFound and InvalidSettings."""
        with self._opening:
            return self._opened.width

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """(texts, width): unit vectors. Loads the weights; raises EncoderNotFound and InvalidSettings."""
        with self._opening:
            opened = self._opened
        return opened.encode(texts, progress)


def lazy_encoder(settings: TextSettings, exports: Path | None = None, threads: int = 1) -> Encoder:
    """As `open_encoder`, but weights that torch runs are loaded at the first text.

    An ONNX encoder is opened at once: only then is it known whether it or torch gives the vectors.
    """
    if not settings.encoder or settings.backend == "onnx":
        return open_encoder(settings, exports=exports, threads=threads)
    return LazyEncoder(settings, device_of(settings.device, "text.device"))


def open_encoder(settings: TextSettings, device: str = "", exports: Path | None = None, threads: int = 1) -> Encoder:
    """The encoder that the settings name; NoEncoder for ''.

    Without a `device` settings.device says which. `exports` is the folder that keeps ONNX exports; without one each
    start exports anew. `threads` are those of onnxruntime, torch has a setting of its own.
    Raises EncoderNotFound, and InvalidSettings for what this machine or installation does not have.
    """
    if not settings.encoder:
        return NoEncoder()
    device = device or device_of(settings.device, "text.device")
    if settings.backend == "onnx":
        return onnx_or_torch(settings, device, exports, threads)
    return TransformersEncoder(settings, device)
