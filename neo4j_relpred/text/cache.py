"""Vectors kept by content: the same text under the same encoder is encoded once, whatever node carries it."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from neo4j_relpred.errors import Busy, RelpredError, StorageFailed, TextCacheCorrupt
from neo4j_relpred.text.poison import POISON_TABLE, Poison, PoisonList, encode_what_can_be
from neo4j_relpred.text.vectors import Encoder, Progress, Vectors

__all__ = ["CachedEncoder", "Vacuumed"]

log = logging.getLogger(__name__)
PORTION = 512  # texts encoded between two writes: a kill loses no more
LOOKED_UP = 10_000  # texts whose vectors are held twice while they are read
KEYS = 500  # in one statement; old builds of SQLite take 999
TIMEOUT_SECONDS = 60.0
FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
TABLES = (
    "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, encoder TEXT NOT NULL, vector BLOB NOT NULL)",
    "CREATE INDEX IF NOT EXISTS vectors_by_encoder ON vectors (encoder)",
    POISON_TABLE,
)


@dataclass(frozen=True)
class Vacuumed:
    """What a vacuum did: vectors of other encoders removed, vectors of this one kept, bytes given back."""

    removed: int
    kept: int
    freed_bytes: int


class CachedEncoder:
    """An encoder in front of a SQLite file; several processes may share it.

    Every method raises TextCacheCorrupt, StorageFailed (a full disk, no rights) or Busy (locked for a minute).
    """

    def __init__(self, encoder: Encoder, file: Path) -> None:
        """Creates the file and its folder where they are missing."""
        self._encoder, self._file = encoder, file
        self._told = False
        self._encoding = threading.Lock()
        self.encoded = 0  # texts that were really encoded so far
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StorageFailed(
                f"{file.parent} cannot be made: {error.strerror}.", hint="Correct its rights."
            ) from error
        with self._connected() as connection:
            _write_ahead(connection)
            for statement in TABLES:
                connection.execute(statement)

    @property
    def fingerprint(self) -> str:
        """That of the encoder behind it."""
        return self._encoder.fingerprint

    @cached_property
    def width(self) -> int:
        """Length of a vector: of one that is kept, else of the encoder behind it, which loads itself for that."""
        with self._connected() as connection:
            kept = connection.execute("SELECT vector FROM vectors WHERE encoder = ? LIMIT 1", (self.fingerprint,))
            row = kept.fetchone()
        return len(row[0]) // 4 if row else self._encoder.width

    def open(self) -> None:
        """Lets the encoder load its weights, where it has not, for whoever asks next."""
        _ = self._encoder.width

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """(texts, width): from the cache where it is there, else encoded and kept, some hundred at a time.

        What the encoder cannot take stays zero, and is tried again at a later call, see `poison`.
        """
        found = np.zeros((len(texts), self.width), np.float32)
        rows: dict[str, int] = {}  # the first row of each text that the cache lacks
        with self._connected() as connection:
            waiting = self._poison(connection).waiting()
            for begin in range(0, len(texts), LOOKED_UP):
                part = texts[begin : begin + LOOKED_UP]
                keys = [self._key(text) for text in part]
                known = self._load(connection, set(keys))
                for row, (key, text) in enumerate(zip(keys, part, strict=True), begin):
                    if key in known:
                        found[row] = known[key]
                    elif key not in waiting:
                        rows.setdefault(text, row)
            if rows:
                self._tell_of_another_encoder(connection, len(rows))
        if rows:
            self._encode_missing(rows, found, progress)
            for row, text in enumerate(texts):
                if rows.get(text, row) != row:
                    found[row] = found[rows[text]]
        return found

    def by_encoder(self) -> dict[str, int]:
        """How many vectors it holds of each encoder, by fingerprint."""
        with self._connected() as connection:
            rows = connection.execute("SELECT encoder, count(*) FROM vectors GROUP BY encoder ORDER BY encoder")
            return {str(encoder): int(count) for encoder, count in rows}

    def poison(self, texts: Iterable[str]) -> dict[int, Poison]:
        """The texts, by row, that the encoder could not take when it was last asked."""
        with self._connected() as connection:
            known = self._poison(connection).known()
        rows = ((row, known.get(self._key(text))) for row, text in enumerate(texts)) if known else ()
        return {row: poison for row, poison in rows if poison is not None}

    def worth_a_try(self, texts: Iterable[str]) -> bool:
        """Whether the time has come to try one of these texts, which could not be encoded."""
        with self._connected() as connection:
            waiting = self._poison(connection).waiting()
        return any(self._key(text) not in waiting for text in texts)

    def forgive(self) -> int:
        """Lets texts that could not be encoded be tried again at once; how many there were."""
        with self._connected() as connection:
            return self._poison(connection).forgive()

    def forget(self, texts: Iterable[str]) -> int:
        """Drops the vectors of texts that nobody carries any more; how many there were."""
        keys = [(self._key(text),) for text in texts]
        with self._connected() as connection:
            for table in ("poison", "vectors"):
                removed = connection.executemany(f"DELETE FROM {table} WHERE key = ?", keys).rowcount
        return removed

    def vacuum(self) -> Vacuumed:
        """Drops the vectors of other encoders and makes the file smaller."""
        before = self._file.stat().st_size
        with self._connected() as connection:
            removed = connection.execute("DELETE FROM vectors WHERE encoder <> ?", (self.fingerprint,)).rowcount
            connection.execute("DELETE FROM poison WHERE encoder <> ?", (self.fingerprint,))
            kept = connection.execute("SELECT count(*) FROM vectors").fetchone()[0]
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return Vacuumed(removed, kept, max(0, before - self._file.stat().st_size))

    def _encode_missing(self, rows: Mapping[str, int], found: Vectors, progress: Progress | None) -> None:
        """Fills the rows of `found`, and the file, portion by portion, short texts first."""
        missing = sorted(rows, key=lambda text: (len(text), text))  # texts of one length share batches
        for begin in range(0, len(missing), PORTION):
            part = missing[begin : begin + PORTION]

            def told(done: int, _total: int, begin: int = begin) -> None:
                if progress:
                    progress(begin + done, len(missing))

            with self._encoding:  # tokenizers take one text list at a time
                if self._encoder.width != self.width:
                    raise self._corrupt("a vector has another length than its encoder gives")
                fresh, poison = encode_what_can_be(self._encoder, part, told)
            found[[rows[text] for text in part]] = fresh
            keys = [self._key(text) for text in part]
            good = [row for row in range(len(part)) if row not in poison]
            with self._connected() as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(
                    "INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)",
                    [(keys[row], self.fingerprint, fresh[row].astype("<f4").tobytes()) for row in good],
                )
                bad = [(keys[row], kind) for row, kind in poison.items()]
                self._poison(connection).settle((keys[row] for row in good), bad)
                connection.execute("COMMIT")
            self.encoded += len(good)
        if progress:
            progress(len(missing), len(missing))

    def _load(self, connection: sqlite3.Connection, keys: set[bytes]) -> dict[bytes, Vectors]:
        """The vectors of the keys that it holds; in the order of the file, which reads its pages once."""
        found: dict[bytes, Vectors] = {}
        wanted = sorted(keys)
        for begin in range(0, len(wanted), KEYS):
            some = wanted[begin : begin + KEYS]
            marks = ",".join("?" * len(some))
            for key, vector in connection.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", some):
                if len(vector) != 4 * self.width:
                    raise self._corrupt("a vector has another length than its encoder gives")
                found[key] = np.frombuffer(vector, "<f4")
        return found

    def _tell_of_another_encoder(self, connection: sqlite3.Connection, count: int) -> None:
        """Once: all texts anew is a surprise where only a setting was touched."""
        if self._told:
            return
        self._told = True
        held = [
            connection.execute(f"SELECT 1 FROM vectors WHERE encoder {sign} ? LIMIT 1", (self.fingerprint,)).fetchone()
            for sign in ("=", "<>")
        ]
        if held[0] is None and held[1] is not None:
            log.warning("text.encoder changed: %d texts are encoded anew", count)

    def _poison(self, connection: sqlite3.Connection) -> PoisonList:
        return PoisonList(connection, self.fingerprint)

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self.fingerprint}\0{text}".encode("utf-8", "surrogatepass")).digest()

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Each statement commits by itself. SQLite's errors become ours."""
        try:
            with closing(sqlite3.connect(self._file, timeout=TIMEOUT_SECONDS, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may lose some vectors, never the file
                yield connection
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from error

    def _explained(self, error: sqlite3.DatabaseError) -> RelpredError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the upper bits say more of the same kind
        if code in LOCKED:
            return Busy(f"Another process holds the text cache {self._file}.", hint="Try again when it has ended.")
        if code in FULL:
            hint = f"Free space on its disk, or correct the rights of {self._file.parent}."
            return StorageFailed(f"The text cache {self._file} cannot be read or written ({error}).", hint=hint)
        return self._corrupt(str(error))

    def _corrupt(self, why: str) -> TextCacheCorrupt:
        return TextCacheCorrupt(
            f"The text cache {self._file} is damaged ({why}).",
            hint=f"Delete {self._file.name}, {self._file.name}-wal and -shm there; texts are then encoded again.",
        )


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Readers beside a writer. SQLite does not wait for the lock that this change needs, so it is asked again."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return  # whatever it answered: where WAL is not to be had, the file works without
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode not in LOCKED or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
