"""Texts that an encoder cannot take: found among many by halving, tried again later and later, kept beside the vectors.

One text that makes its batch fail must not keep all the others from their vectors, at every look anew. Without its
vector a node is one without text, and so answered for all the same.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from neo4j_relpred.data.backoff import MOST_TRIES, PAUSE_SECONDS
from neo4j_relpred.errors import RelpredError
from neo4j_relpred.text.vectors import Encoder, Progress, Vectors

__all__ = ["POISON_TABLE", "Poison", "PoisonList", "encode_what_can_be"]

POISON_TABLE = (
    "CREATE TABLE IF NOT EXISTS poison (key BLOB PRIMARY KEY, encoder TEXT NOT NULL, tries INTEGER NOT NULL, "
    "again_at REAL NOT NULL, error TEXT NOT NULL)"
)
HARMLESS = "text"  # who cannot encode this has no poisonous text but a broken encoder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Poison:
    """A text that could not be encoded. error: the kind of error, never its words, which may quote the text.

    again_at: when it is tried again; None when it no longer is.
    """

    tries: int
    again_at: datetime | None
    error: str


def encode_what_can_be(
    encoder: Encoder, texts: Sequence[str], progress: Progress | None = None
) -> tuple[Vectors, dict[int, str]]:
    """(texts, width), and the rows that could not be encoded, with the kind of error; their vectors are zero.

    Raises what the encoder raises where it fails on a harmless text as well, and errors of ours in any case.
    """
    try:
        found = encoder.encode(texts, progress)
        broken = np.flatnonzero(~np.isfinite(found).all(1))
        if len(broken):
            log.warning("the vectors of %d texts hold NaN or infinity: they count as none", len(broken))
            found[broken] = 0
        return found, {row: "NotFinite" for row in broken.tolist()}
    except RelpredError:
        raise
    except Exception as error:
        if len(texts) == 1:
            encoder.encode([HARMLESS])
            log.warning("a text of %d characters cannot be encoded: %s", len(texts[0]), type(error).__name__)
            return np.zeros((1, encoder.width), np.float32), {0: type(error).__name__}
    middle = len(texts) // 2
    first, poison = encode_what_can_be(encoder, texts[:middle])
    second, more = encode_what_can_be(encoder, texts[middle:])
    return np.concatenate([first, second]), poison | {middle + row: kind for row, kind in more.items()}


@dataclass(frozen=True)
class PoisonList:
    """The rows of POISON_TABLE of one encoder, over a connection."""

    connection: sqlite3.Connection
    encoder: str
    now: Callable[[], float] = time.time

    def known(self) -> dict[bytes, Poison]:
        """All of them, by key."""
        rows = self.connection.execute(
            "SELECT key, tries, again_at, error FROM poison WHERE encoder = ?", [self.encoder]
        )
        return {key: Poison(tries, _time(tries, again), error) for key, tries, again, error in rows}

    def waiting(self) -> frozenset[bytes]:
        """Keys that are not to be tried now."""
        rows = self.connection.execute(
            "SELECT key FROM poison WHERE encoder = ? AND (tries >= ? OR again_at > ?)",
            [self.encoder, MOST_TRIES, self.now()],
        )
        return frozenset(key for (key,) in rows)

    def settle(self, good: Iterable[bytes], bad: Iterable[tuple[bytes, str]]) -> None:
        """Takes down how a try ended: what went well is struck off, what failed has to wait longer."""
        self.connection.executemany("DELETE FROM poison WHERE key = ?", [(key,) for key in good])
        self.connection.executemany(
            "INSERT INTO poison VALUES (?, ?, 1, ?, ?) ON CONFLICT (key) DO UPDATE SET "
            "tries = tries + 1, again_at = excluded.again_at + tries * ?, error = excluded.error",
            [(key, self.encoder, self.now() + PAUSE_SECONDS, error, PAUSE_SECONDS) for key, error in bad],
        )

    def forgive(self) -> int:
        """Lets all of them be tried again at once; how many there were."""
        return self.connection.execute("DELETE FROM poison WHERE encoder = ?", [self.encoder]).rowcount


def _time(tries: int, again_at: float) -> datetime | None:
    return None if tries >= MOST_TRIES else datetime.fromtimestamp(again_at, UTC)
