"""Vectors kept by content: the same text under the same encoder is encoded once, whatever node carries it."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from neo4j_relpred.text.encoder import Encoder, Progress, Vectors

__all__ = ["CachedEncoder"]


class CachedEncoder:
    """An encoder in front of a SQLite file; several processes may share it."""

    def __init__(self, encoder: Encoder, file: Path) -> None:
        """Creates the file and its folder where they are missing."""
        self._encoder, self._file = encoder, file
        self.encoded = 0  # texts that were really encoded so far
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with closing(self._connect()) as connection, connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, encoder TEXT NOT NULL, vector BLOB NOT NULL)"
            )

    @property
    def fingerprint(self) -> str:
        """That of the encoder behind it."""
        return self._encoder.fingerprint

    @property
    def width(self) -> int:
        """That of the encoder behind it."""
        return self._encoder.width

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """(texts, width): from the cache where it is there, else encoded and kept."""
        keys = [self._key(text) for text in texts]
        known = self._load(set(keys))
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        self.encoded += len(missing)
        if missing:
            fresh = self._encoder.encode(list(missing.values()), progress)
            rows = list(zip(missing, fresh, strict=True))
            known.update(rows)
            with closing(self._connect()) as connection, connection:
                connection.executemany(
                    "INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)",
                    [(key, self.fingerprint, vector.astype("<f4").tobytes()) for key, vector in rows],
                )
        return np.stack([known[key] for key in keys]) if keys else np.zeros((0, self.width), np.float32)

    def _load(self, keys: set[bytes]) -> dict[bytes, Vectors]:
        found: dict[bytes, Vectors] = {}
        with closing(self._connect()) as connection:
            for key in keys:
                row = connection.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
                if row is not None:
                    found[key] = np.frombuffer(row[0], "<f4")
        return found

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self.fingerprint}\0{text}".encode("utf-8", "surrogatepass")).digest()

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, timeout=60)
