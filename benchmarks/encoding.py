"""Encoding of text, ours beside a plain peer, measured in one run.

    python -m benchmarks.encoding FOLDER [--texts 5000] [--threads 1] [--json FILE]

FOLDER is a data set with entities.tsv.gz (columns id, name, text); the texts that are not empty are encoded.

The peer is `AutoModel` as its documentation has it: texts in their natural order, batches of 32, each padded to its
longest, cut at the same number of tokens, fp32, the attention that transformers chooses, mean pooling,
`torch.inference_mode`. Ours are the encoders of the default settings, with no cache: torch (in bf16 where the processor
multiplies in it), and onnx (int8). All have the same number of threads and tokenise within their time; loading and the
one-time ONNX export are left out, and shown. A cosine is that of our vectors to the
peer's. A ratio is the peer's seconds by ours. Seconds are those of the processor, all threads together: on a shared
machine the clock on the wall measures the neighbours. Its seconds and ratios are shown, too, and for them the three
take turns every thousand texts; look at those with more than one thread, since waiting threads may spin.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.graphs import read_table
from benchmarks.output import json_option, say, write_json
from neo4j_relpred.config import TextSettings
from neo4j_relpred.text.encoder import OnnxEncoder, TransformersEncoder, Vectors, bundled_encoder, open_encoder

Encode = Callable[[Sequence[str]], Vectors]
Seconds = dict[str, float]
BATCH = 32
TURN = 1000


def read_texts(folder: Path, most: int) -> list[str]:
    """The column `text` of entities.tsv.gz, empty ones left out."""
    return [row["text"] for row in read_table(folder / "entities.tsv.gz") if row["text"]][:most]


def naive(settings: TextSettings) -> Encode:
    """The peer, loaded."""
    from transformers import AutoModel, AutoTokenizer

    place = str(bundled_encoder(settings.encoder) or settings.encoder)
    tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    model = AutoModel.from_pretrained(place, trust_remote_code=False).eval()

    def encode(texts: Sequence[str]) -> Vectors:
        found = []
        with torch.inference_mode():
            for begin in range(0, len(texts), BATCH):
                batch = tokenizer(
                    list(texts[begin : begin + BATCH]),
                    padding=True,
                    truncation=True,
                    max_length=settings.max_tokens,
                    return_tensors="pt",
                )
                hidden = model(**batch).last_hidden_state
                mask = batch["attention_mask"].unsqueeze(-1).float()
                mean = (hidden * mask).sum(1) / mask.sum(1)
                found.append(torch.nn.functional.normalize(mean, dim=-1).numpy())
        return np.concatenate(found)

    return encode


def measure(texts: Sequence[str], threads: int) -> dict[str, float]:
    """Seconds, ratios and cosines."""
    torch.set_num_threads(threads)
    settings = TextSettings()
    encoders = {"naive": naive(settings)}
    figures: dict[str, float] = {"texts": len(texts), "threads": threads}
    with tempfile.TemporaryDirectory(prefix="relpred-benchmark-") as folder:
        for backend, kind in (("torch", TransformersEncoder), ("onnx", OnnxEncoder)):
            begun = time.perf_counter()
            wanted = settings.model_copy(update={"backend": backend})
            encoder = open_encoder(wanted, "cpu", Path(folder), threads)
            figures[f"{backend}_open_seconds"] = time.perf_counter() - begun
            if not isinstance(encoder, kind):
                raise SystemExit(f"{backend} was not to be had; see the warning above.")
            say(f"ours: {encoder.about}")
            encoders[backend] = encoder.encode
    vectors, cpu, wall = _in_turns(encoders, texts)
    for name in encoders:
        figures |= {f"{name}_seconds": cpu[name], f"{name}_wall_seconds": wall[name]}
    for backend in ("torch", "onnx"):
        cosines = (vectors[backend] * vectors["naive"]).sum(1)
        figures[f"{backend}_cosine_least"] = float(cosines.min())
        figures[f"{backend}_cosine_mean"] = float(cosines.mean())
        figures[f"{backend}_wall_ratio"] = wall["naive"] / wall[backend]
        figures[f"{backend}_ratio"] = cpu["naive"] / cpu[backend]
    return figures


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encoding", description="Encoding beside a plain peer.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="data set with entities.tsv.gz")
    parser.add_argument("--texts", type=int, default=5000, help="texts at most (default: 5000)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each encoder (default: 1)")
    json_option(parser)
    options = parser.parse_args(words)
    figures = measure(read_texts(options.folder, options.texts), options.threads)
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:<{width}}  {value:>10.4f}")
    write_json(figures, options.json)


def _in_turns(encoders: Mapping[str, Encode], texts: Sequence[str]) -> tuple[dict[str, Vectors], Seconds, Seconds]:
    """Of each the vectors, the seconds of the processor and those on the wall."""
    found: dict[str, list[Vectors]] = {name: [] for name in encoders}
    cpu, wall = dict.fromkeys(encoders, 0.0), dict.fromkeys(encoders, 0.0)
    for encode in encoders.values():
        encode(texts[:BATCH])  # warm
    for begin in range(0, len(texts), TURN):
        for name, encode in encoders.items():
            begun = time.process_time(), time.perf_counter()
            found[name].append(encode(texts[begin : begin + TURN]))
            cpu[name] += time.process_time() - begun[0]
            wall[name] += time.perf_counter() - begun[1]
        say(f"{min(begin + TURN, len(texts))} texts: " + ", ".join(f"{n} {s:.1f} s" for n, s in cpu.items()))
    return {name: np.concatenate(parts) for name, parts in found.items()}, cpu, wall


if __name__ == "__main__":
    main()
