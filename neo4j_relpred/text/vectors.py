"""What the rest needs of an encoder, and the encoder of graphs without text. Knows neither torch nor files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Encoder", "NoEncoder", "Progress", "Vectors"]

Vectors = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]


class Encoder(Protocol):
    """What the rest needs of an encoder."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the vectors may change."""

    @property
    def width(self) -> int:
        """Length of a vector."""

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """(texts, width): unit vectors; an empty text gets the zero vector."""


class NoEncoder:
    """For graphs without text: no vectors at all."""

    fingerprint = "none"
    width = 0

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """(texts, 0)."""
        return np.zeros((len(texts), 0), np.float32)
