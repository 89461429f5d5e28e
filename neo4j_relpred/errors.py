"""The one tree of errors: each class knows its code, exit code, HTTP status and whether a retry can help.

Every message may carry a hint that says what to do next. Faces (command line, HTTP, procedures) translate
these errors; nothing below a face prints or logs them away.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import ClassVar

__all__ = [
    "Busy",
    "CheckpointCorrupt",
    "DatabaseNotFound",
    "DependencyMissing",
    "EmptyGraph",
    "EncoderNotFound",
    "GraphQueryFailed",
    "GraphTooNew",
    "GraphUnavailable",
    "InvalidQuery",
    "InvalidSettings",
    "JobNotFound",
    "LeaseNotFound",
    "LoginRefused",
    "ModelNotFound",
    "NotFinite",
    "Overloaded",
    "PublicationStopped",
    "RelpredError",
    "RunNotFound",
    "ServerNotStarted",
    "SnapshotCorrupt",
    "StorageFailed",
    "TextCacheCorrupt",
    "TooLittleData",
    "TooLittleMemory",
    "UnknownEntity",
    "UnknownRelation",
    "VersionNotFound",
    "did_you_mean",
    "error_of",
]

MOST_COMPARED = 10_000  # known words that a wrong one is compared with: a fifth of a second at most


class RelpredError(Exception):
    """Root of the tree. `code` is stable and documented; `hint` says what to do next."""

    code: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InvalidSettings(RelpredError):
    """A key or value of the settings cannot be used."""

    code = "invalid-settings"
    exit_code = 2
    http_status = 422


class InvalidQuery(RelpredError):
    """A question that cannot be answered as it was put."""

    code = "invalid-query"
    exit_code = 2
    http_status = 422


class UnknownEntity(RelpredError):
    """A node that is neither in the snapshot nor in the graph."""

    code = "unknown-entity"
    exit_code = 3
    http_status = 404


class UnknownRelation(RelpredError):
    """A relationship type that the model was not trained on."""

    code = "unknown-relation"
    exit_code = 3
    http_status = 404


class ModelNotFound(RelpredError):
    """No trained model."""

    code = "model-not-found"
    exit_code = 3
    http_status = 503


class VersionNotFound(RelpredError):
    """No such version of the model."""

    code = "version-not-found"
    exit_code = 3
    http_status = 404


class RunNotFound(RelpredError):
    """No such run, or its set is no longer kept."""

    code = "run-not-found"
    exit_code = 3
    http_status = 404


class JobNotFound(RelpredError):
    """No such job of the service, or it ended long ago."""

    code = "job-not-found"
    exit_code = 3
    http_status = 404


class LeaseNotFound(RelpredError):
    """No such lease in the graph."""

    code = "lease-not-found"
    exit_code = 3
    http_status = 404


class EmptyGraph(RelpredError):
    """Nothing to read: no node or no relationship matches the settings."""

    code = "empty-graph"
    exit_code = 4
    http_status = 409


class TooLittleData(RelpredError):
    """Something was read, but not enough to train on."""

    code = "too-little-data"
    exit_code = 4
    http_status = 409


class NotFinite(RelpredError):
    """NaN or infinity where a number must be: in text vectors, in features, or in what was learnt of them."""

    code = "not-finite"
    exit_code = 4


class TooLittleMemory(RelpredError):
    """A training would take more memory than the machine has free; it was not begun."""

    code = "too-little-memory"
    exit_code = 6
    http_status = 507


class SnapshotCorrupt(RelpredError):
    """A snapshot or a target set whose files do not match its manifest."""

    code = "snapshot-corrupt"
    exit_code = 5


class CheckpointCorrupt(RelpredError):
    """A checkpoint whose files do not match its manifest."""

    code = "checkpoint-corrupt"
    exit_code = 5


class StorageFailed(RelpredError):
    """A file could not be written: the disk is full, or the folder is not ours. What stood before still stands."""

    code = "storage-failed"
    exit_code = 5
    http_status = 507
    retryable = True


class TextCacheCorrupt(RelpredError):
    """The file of the text cache is damaged, or is none."""

    code = "text-cache-corrupt"
    exit_code = 5


class EncoderNotFound(RelpredError):
    """The text encoder is neither a folder nor in the local cache."""

    code = "encoder-not-found"
    exit_code = 6


class DependencyMissing(RelpredError):
    """An optional package, or a program such as Maven, is not installed."""

    code = "dependency-missing"
    exit_code = 6


class ServerNotStarted(RelpredError):
    """The embedded Neo4j server did not come up."""

    code = "server-not-started"
    exit_code = 6


class GraphUnavailable(RelpredError):
    """Neo4j cannot be reached, or the connection was lost."""

    code = "graph-unavailable"
    exit_code = 7
    http_status = 503
    retryable = True


class LoginRefused(RelpredError):
    """Neo4j refused user name or password, or the user may not do this."""

    code = "login-refused"
    exit_code = 7
    http_status = 502


class DatabaseNotFound(RelpredError):
    """The server has no database of that name."""

    code = "database-not-found"
    exit_code = 7
    http_status = 502


class GraphQueryFailed(RelpredError):
    """Neo4j answered a statement of ours with an error."""

    code = "graph-query-failed"
    exit_code = 7
    http_status = 502


class PublicationStopped(RelpredError):
    """A guard stopped a publication before it changed anything, or its lease was lost on the way."""

    code = "publication-stopped"
    exit_code = 8
    http_status = 409


class GraphTooNew(RelpredError):
    """A newer version of this program has written into the graph."""

    code = "graph-too-new"
    exit_code = 8
    http_status = 409


class Busy(RelpredError):
    """Another process is training or publishing with the same folder, or publishing into the same database."""

    code = "busy"
    exit_code = 9
    http_status = 409
    retryable = True


class Overloaded(RelpredError):
    """The queue of the service is full."""

    code = "overloaded"
    exit_code = 9
    http_status = 429
    retryable = True


def error_of(code: str, message: str, hint: str, otherwise: type[RelpredError] = RelpredError) -> RelpredError:
    """The error with that code, as another process worded it; one of `otherwise` where the code is not known here."""
    kinds = {kind.code: kind for kind in _tree(RelpredError)}
    return kinds.get(code, otherwise)(message, hint=hint)


def _tree(kind: type[RelpredError]) -> Iterator[type[RelpredError]]:
    """Those without a code of their own come first, so that whoever states the code is taken."""
    for below in kind.__subclasses__():
        yield from _tree(below)
    yield kind


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known words, or lists some of them when none is near."""
    words = sorted(_compared(wrong, dict.fromkeys(known)))
    near = difflib.get_close_matches(wrong, words, n=3, cutoff=0.6)
    if not near:
        folded = {word.casefold(): word for word in words}
        near = [folded[match] for match in difflib.get_close_matches(wrong.casefold(), folded, n=3, cutoff=0.6)]
    if near:
        return f"Did you mean {' or '.join(near)}?"
    shown = ", ".join(words[:8]) + (", ..." if len(words) > 8 else "")
    return f"Known are: {shown}." if words else ""


def _compared(wrong: str, known: dict[str, None]) -> Iterable[str]:
    """All known words; of very many, some that begin as the wrong one does, since comparing each takes its time."""
    if len(known) <= MOST_COMPARED:
        return known
    beginning = wrong[: len(wrong) // 2]
    alike = [word for word in known if word.startswith(beginning)]
    return (alike or list(known))[:MOST_COMPARED]
