"""The encoder that the settings name. What it promises is in `vectors`."""

from __future__ import annotations

from pathlib import Path

from neo4j_relpred.config import TextSettings
from neo4j_relpred.text.onnx_encoder import OnnxEncoder, onnx_or_torch
from neo4j_relpred.text.processor import device_of
from neo4j_relpred.text.source import bundled_encoder
from neo4j_relpred.text.transformers_encoder import TransformersEncoder
from neo4j_relpred.text.vectors import Encoder, NoEncoder, Progress, Vectors

__all__ = [
    "Encoder",
    "NoEncoder",
    "OnnxEncoder",
    "Progress",
    "TransformersEncoder",
    "Vectors",
    "bundled_encoder",
    "kept_exports",
    "open_encoder",
]


def kept_exports(home: Path) -> Path:
    """Where ONNX exports lie under `home`."""
    return home / "cache" / "onnx"


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
