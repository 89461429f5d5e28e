"""An encoder run by onnxruntime in int8, checked against torch at each start; where it fails, torch stands in aloud."""

from __future__ import annotations

import importlib.util
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neo4j_relpred.config import TextSettings
from neo4j_relpred.errors import InvalidSettings
from neo4j_relpred.text.batches import BatchRule, encode_texts
from neo4j_relpred.text.onnx_export import Export, ExportFailed, export
from neo4j_relpred.text.sentences import SENTENCES
from neo4j_relpred.text.source import Source, find_source
from neo4j_relpred.text.tokens import Tokens
from neo4j_relpred.text.transformers_encoder import TransformersEncoder
from neo4j_relpred.text.vectors import Encoder, Progress, Vectors

__all__ = ["OnnxEncoder", "onnx_or_torch"]

log = logging.getLogger(__name__)
LEAST_COSINE = 0.98
BATCH_TOKENS = 512  # larger batches leave the cache of a core


class OnnxEncoder:
    """An export of ours in onnxruntime, on the processor.

    A text may change a hair with its batch-mates: they share the range of their int8 numbers.
    """

    fallback = ""

    def __init__(self, settings: TextSettings, source: Source, tokens: Tokens, kept: Export, threads: int) -> None:
        """Raises ExportFailed when the vectors differ too much from torch's."""
        import onnxruntime

        self._settings, self._tokens = settings, tokens
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
        self._session = onnxruntime.InferenceSession(
            kept.model,
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["SkipLayerNormFusion"],  # four times slower than the parts that it fuses
        )
        self.fingerprint = source.fingerprint(settings, tokens.limit, "onnx")
        self.width = int(kept.check.shape[1])
        self.about = "onnx int8 on cpu"
        cosine = (self.encode(SENTENCES) * kept.check).sum(1)
        if not cosine.mean() >= LEAST_COSINE:  # so written, numbers that are none fail, too
            raise ExportFailed(f"its vectors differ too much from those of torch (cosine {cosine.mean():.3f})")

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """(texts, width): unit vectors; an empty text gets the zero vector."""
        rule = BatchRule(min(BATCH_TOKENS, self._settings.batch_tokens), equal_lengths=True)
        return encode_texts(texts, self._tokens, self.width, self._embed, rule, progress)

    def _embed(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """(texts, width) from the token ids of equally long texts."""
        hidden: Vectors = self._session.run(None, {"input_ids": np.array(ids, np.int64)})[0]  # (texts, tokens, width)
        if self._settings.pooling == "mean":
            pooled = hidden.mean(1)
        else:
            pooled = hidden[:, 0 if self._settings.pooling == "cls" else -1]
        unit: Vectors = pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
        return unit


def onnx_or_torch(settings: TextSettings, device: str, exports: Path | None, threads: int) -> Encoder:
    """The ONNX encoder, or torch in its place, said aloud and in its `fallback`.

    Raises EncoderNotFound, and InvalidSettings where the packages of the extra lack.
    """
    lacking = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if lacking:
        raise InvalidSettings(
            f"text.backend is 'onnx', but the package {' and '.join(lacking)} is not installed.",
            hint="pip install 'neo4j_relpred[onnx]', or set text.backend to 'torch'.",
        )
    source = find_source(settings)
    tokens = Tokens(settings, source)
    try:
        if exports is not None:
            return OnnxEncoder(settings, source, tokens, export(settings, source, tokens, exports), threads)
        with tempfile.TemporaryDirectory(prefix="relpred-onnx-") as folder:
            return OnnxEncoder(settings, source, tokens, export(settings, source, tokens, Path(folder)), threads)
    except ExportFailed as error:
        log.warning("The encoder cannot run in onnx: %s. torch encodes in its place, more slowly.", error)
        return TransformersEncoder(settings, device, fallback=str(error))
