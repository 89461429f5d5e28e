"""The bearer tokens of a file: one per line, several while they rotate, read again when the file changes."""

from __future__ import annotations

import hashlib
import hmac
import logging
from pathlib import Path

from neo4j_relpred.errors import InvalidSettings

__all__ = ["TokenFile"]

MOST_BYTES = 65_536

log = logging.getLogger(__name__)


class TokenFile:
    """Says whether a token is valid now. Holds digests only."""

    def __init__(self, path: Path) -> None:
        """Reads the file. Raises InvalidSettings when it cannot be read or holds no usable token."""
        self._path = path
        self._seen = self._signature()
        self._digests = _read(path)

    def accepts(self, token: str) -> bool:
        """Compares with every valid token in constant time. A file that became unreadable makes none valid."""
        self._reread_when_changed()
        given = _digest(token)
        found = False
        for digest in self._digests:
            found |= hmac.compare_digest(given, digest)
        return found

    def _reread_when_changed(self) -> None:
        signature = self._signature()
        if signature == self._seen:
            return
        self._seen = signature
        try:
            self._digests = _read(self._path)
            log.info("tokens read again valid=%d", len(self._digests))
        except InvalidSettings as error:
            self._digests = ()
            log.error("no token is valid now code=%s hint=%s", error.code, error.hint)

    def _signature(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        with path.open(encoding="ascii") as file:
            lines = [line.strip() for line in file.read(MOST_BYTES).splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(
            f"service.token_file names {path}, which cannot be read.", hint="Create it with one token on a line."
        ) from error
    tokens = [line for line in lines if line]
    if not tokens or not all(token.isprintable() and " " not in token for token in tokens):
        raise InvalidSettings(
            f"{path}, which service.token_file names, is empty or has a line that is no token.",
            hint="Write one token of letters and digits on a line.",
        )
    return tuple(_digest(token) for token in tokens)
