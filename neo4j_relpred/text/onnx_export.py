"""An encoder as an ONNX file of ours: exported from torch, matrix products in int8, with vectors to check it by.

Batches come without padding, so the graph takes token ids alone. Files of anybody else are never loaded.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from neo4j_relpred.config import TextSettings
from neo4j_relpred.data.folder import verified, write_folder
from neo4j_relpred.errors import EncoderNotFound
from neo4j_relpred.text.processor import abilities
from neo4j_relpred.text.sentences import SENTENCES
from neo4j_relpred.text.source import Source
from neo4j_relpred.text.tokens import Tokens
from neo4j_relpred.text.transformers_encoder import load_model, pool
from neo4j_relpred.text.vectors import Vectors

__all__ = ["Export", "ExportFailed", "export"]

log = logging.getLogger(__name__)
KIND = "encoder of neo4j_relpred, ONNX int8"
MODEL, CHECK = "model.onnx", "check.npy"
LARGEST_BYTES = 1_900_000_000  # a file without external data ends at 2 GiB
OPSET = 17


class ExportFailed(Exception):
    """Why there is no ONNX file of an encoder, in words; torch stands in."""


@dataclass(frozen=True)
class Export:
    """The ONNX file, and what torch makes of SENTENCES: (sentences, width)."""

    model: bytes
    check: Vectors


def export(settings: TextSettings, source: Source, tokens: Tokens, folder: Path) -> Export:
    """The export kept in `folder`, made where it is missing, damaged or of another encoder.

    Another process that makes the same one is waited for. Raises ExportFailed and EncoderNotFound.
    """
    fingerprint = source.fingerprint(settings, tokens.limit, "onnx")
    target = folder / f"onnx-{fingerprint[:32]}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(folder / ".onnx.lock"):
        if not target.exists() or not _ours(target, fingerprint):
            about = {"kind": KIND, "encoder": fingerprint}
            write_folder(target, lambda aside: _write(settings, source, tokens, aside), about)
        return Export((target / MODEL).read_bytes(), np.load(target / CHECK, allow_pickle=False))


def _ours(target: Path, fingerprint: str) -> bool:
    try:
        manifest = verified(target, EncoderNotFound, "")
    except EncoderNotFound as error:
        log.warning("The kept ONNX encoder is made anew: %s", error.message)
        return False
    return (manifest.get("kind"), manifest.get("encoder"), set(manifest["files"])) == (
        KIND,
        fingerprint,
        {MODEL, CHECK},
    )


def _write(settings: TextSettings, source: Source, tokens: Tokens, folder: Path) -> None:
    """Exports in fp32, keeps int8."""
    import torch

    model = load_model(settings, source, "cpu", "fp32", attention="eager")
    if sum(weights.numel() * weights.element_size() for weights in model.parameters()) > LARGEST_BYTES:
        raise ExportFailed("it is too large for one ONNX file")
    plain = folder / "fp32.onnx"
    with _quiet():
        _export(model, plain)
        _quantize(plain, folder / MODEL)
    plain.unlink()
    with torch.inference_mode():
        rows = [torch.tensor([ids or [tokens.pad]]) for ids in tokens(SENTENCES)]
        hidden = [model(input_ids=row, attention_mask=torch.ones_like(row)).last_hidden_state for row in rows]
        vectors = torch.cat([pool(h, torch.ones(h.shape[:2]), settings.pooling) for h in hidden])
    np.save(folder / CHECK, vectors.numpy(), allow_pickle=False)


def _export(model: Any, file: Path) -> None:
    """By the exporter that needs no package but onnx. A mask of ones only where the model cannot go without one."""
    import torch

    class Hidden(torch.nn.Module):
        def __init__(self, masked: bool) -> None:
            super().__init__()
            self.model, self.masked = model, masked

        def forward(self, input_ids: torch.Tensor) -> Any:
            """(texts, tokens, width)."""
            mask = torch.ones_like(input_ids) if self.masked else None
            return self.model(input_ids=input_ids, attention_mask=mask).last_hidden_state

    ids = torch.arange(1, 15).reshape(2, 7) % min(100, model.config.vocab_size)
    axes = {0: "texts", 1: "tokens"}
    for masked in (False, True):  # causal models need the mask, in others it costs a tenth of the time
        try:
            torch.onnx.export(
                Hidden(masked).train(mode=False),
                (ids,),
                str(file),
                input_names=["input_ids"],
                output_names=["hidden"],
                dynamic_axes={"input_ids": axes, "hidden": axes},
                opset_version=OPSET,
                dynamo=False,
            )
        except Exception as error:  # whatever the exporter does not know of this model
            why = f"torch cannot export it ({type(error).__name__})"
        else:
            return
    raise ExportFailed(why)


def _quantize(plain: Path, target: Path) -> None:
    import onnx
    from onnx.external_data_helper import uses_external_data
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    model = onnx.load(plain, load_external_data=False)
    if any(uses_external_data(tensor) for tensor in model.graph.initializer):
        raise ExportFailed("its weights do not fit into one ONNX file")
    add_pre_process_metadata(model)  # there is nothing to prepare, and quantize_dynamic would say so in the log
    able = abilities()
    exact = able.get("architecture") != "x86_64" or able.get("avx512_vnni") or able.get("avx_vnni")
    quantize_dynamic(
        model,
        target,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        reduce_range=not exact,  # without VNNI sums of eight-bit products overflow
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Neither the exporter's warnings and prints nor the quantiser's log, which would set the root logger up."""
    root, silent = logging.getLogger(), logging.NullHandler()
    root.addHandler(silent)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(silent)
