"""What the service says: the version of the protocol, the rows of answers, and what it refuses by itself.

The one list of it for both ends: the service writes these rows, the Python client reads them.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from neo4j_relpred.errors import RelpredError

__all__ = [
    "KEYS_HEADER",
    "MOST_IN_ALL",
    "MOST_ROWS",
    "NDJSON",
    "WIRE",
    "WIRE_HEADER",
    "BodyTooLarge",
    "DeadlinePassed",
    "ErrorBody",
    "EstimateRowBody",
    "EvidenceRowBody",
    "FailureRowBody",
    "HealthBody",
    "HostRefused",
    "JobRowBody",
    "ModelRowBody",
    "NamedNodeBody",
    "NoSuchRoute",
    "NodeBody",
    "NotReady",
    "PublishEstimateRowBody",
    "ReadinessBody",
    "RequestTooSlow",
    "ReviewRowBody",
    "RunRowBody",
    "ScoredTripleBody",
    "ServiceFailed",
    "SettingRowBody",
    "SyncRowBody",
    "TokenRefused",
    "TrainEstimateRowBody",
    "UndoRowBody",
    "WireMismatch",
]

WIRE = 1  # the version of the protocol between the service and who asks it
WIRE_HEADER = "X-Relpred-Wire"
KEYS_HEADER = "X-Relpred-Keys"  # the key properties of nodes, escaped as in an address, with commas between
NDJSON = "application/x-ndjson"
MOST_ROWS = 10_000  # of one question, and questions or triples of one request
MOST_IN_ALL = 100_000  # rows of all questions of a request together


class NodeBody(BaseModel):
    """A node of an answer, by both its names."""

    element_id: str
    id: str


class ScoredTripleBody(BaseModel):
    """A row of an answer. `key` and `predicted_type` are those of the predicted edge that would state it."""

    head: NodeBody
    relation: str
    tail: NodeBody
    score: float
    probability: float
    rank: int
    model: str
    run: str | None
    evidence: str
    key: str
    predicted_type: str


class EstimateRowBody(BaseModel):
    """What questions would take. `basis` says where the seconds come from: measured, or rough."""

    nodes: int
    relationships: int
    candidates: int
    bytes_min: int
    bytes_max: int
    memory: str
    seconds: float
    basis: str


class NamedNodeBody(NodeBody):
    """A node of a path, and what people call it."""

    name: str


class EvidenceRowBody(BaseModel):
    """A piece of the evidence for a triple: a kind of it with its share in the score, or a rule that fired.

    `pattern`, `bindings`, `support` and `confidence` are of a rule; the last three are the same in every row.
    """

    kind: str
    share: float | None
    explanation: str
    pattern: str | None
    bindings: list[list[NamedNodeBody]]
    support: int | None
    confidence: float | None
    score: float
    probability: float
    model: str


class ErrorBody(BaseModel):
    """What went wrong, and what to do."""

    code: str
    message: str
    hint: str


class HealthBody(BaseModel):
    """What the service says of itself. `model` is null until one is loaded.

    `problem` says why the live version is not the one that answers; null where nothing is wrong.
    """

    status: str
    version: str
    wire: int
    model: str | None
    problem: ErrorBody | None = None


class ReadinessBody(BaseModel):
    """Said when questions can be answered. workers: how many answer."""

    status: str
    model: str
    workers: int


class ReviewRowBody(BaseModel):
    """A triple that waits for a decision, or what was decided about it. Null is what is not known of it."""

    head: str
    relation: str
    tail: str
    head_name: str | None
    tail_name: str | None
    state: str
    probability: float | None
    evidence: str | None
    model: str | None
    run: str | None
    reason: str | None
    note: str | None
    by: str | None
    at: str | None


class RunRowBody(BaseModel):
    """A run of the ledger."""

    run: str
    kind: str
    model: str
    status: str
    started_at: str | None
    finished_at: str | None
    created: int
    updated: int
    removed: int
    unchanged: int
    reason: str


class JobRowBody(BaseModel):
    """A job as it stands. `progress` is the share of its stage that is done, `error` what ended it."""

    job_id: str
    kind: str
    state: str
    stage: str
    progress: float
    submitted_at: str
    started_at: str | None
    ended_at: str | None
    seconds: float
    options: dict[str, Any]
    result: dict[str, Any]
    error: ErrorBody | None
    notes: list[str]


class TrainEstimateRowBody(BaseModel):
    """What a training would take. `parts`: bytes by what lowers them; `free`: bytes that the service's machine has."""

    nodes: int
    relationships: int
    bytes_min: int
    bytes_max: int
    memory: str
    parts: dict[str, int]
    free: int | None
    seconds: float


class PublishEstimateRowBody(BaseModel):
    """What a publication would ask. `share`: of the questions, how many the time allows."""

    questions: int
    candidates: int
    settled: int
    bytes_min: int
    bytes_max: int
    memory: str
    seconds: float
    share: float


class SettingRowBody(BaseModel):
    """A setting of the service. The value of a secret is `set` or `unset`."""

    key: str
    value: Any


class ModelRowBody(BaseModel):
    """A version of the model. `figures` are those of its report, `training` what it was trained with."""

    model: str
    version: int
    live: bool
    trained_at: str
    figures: dict[str, float]
    training: dict[str, Any]


class SyncRowBody(BaseModel):
    """How the daemon is, and how far predictions are behind the graph. `last_sync` holds figures; {} before the first.

    `problem` says what is wrong with it; null when it is well.
    """

    state: str
    problem: str | None
    lag_seconds: float | None = None
    pending: int = 0
    failing: int = 0
    model: str | None = None
    paused_by: str | None = None
    training: str | None = None
    training_share: float = 0.0
    training_result: str | None = None
    synced_at: str | None = None
    last_sync: dict[str, float] = {}
    next_sync: str | None = None
    next_refresh: str | None = None
    next_retrain: str | None = None
    error_code: str | None = None
    error_hint: str | None = None
    failures_in_a_row: int = 0
    host: str | None = None
    beat_at: str | None = None


class FailureRowBody(BaseModel):
    """What the last sync left out, a node or an edge. `again_at`: when it is tried again; null when not any more."""

    item: str
    step: str
    error: str
    tries: int
    again_at: str | None


class UndoRowBody(BaseModel):
    """What an undo did, or would do."""

    run: str
    created: int
    updated: int
    removed: int
    unchanged: int
    skipped: dict[str, int]
    seconds: float
    dry_run: bool


class TokenRefused(RelpredError):
    """The request carries no token, or none that is valid now."""

    code = "token-refused"
    http_status = 401


class HostRefused(RelpredError):
    """The Host header names somebody else: a web page may be asking through a name of its own (DNS rebinding)."""

    code = "host-refused"
    http_status = 421


class WireMismatch(RelpredError):
    """The caller speaks another version of the protocol."""

    code = "wire-version"
    http_status = 400


class BodyTooLarge(RelpredError):
    """The body of a request is longer than service.max_body_bytes."""

    code = "body-too-large"
    http_status = 413


class RequestTooSlow(RelpredError):
    """The body of a request did not arrive in time."""

    code = "request-too-slow"
    http_status = 408


class NoSuchRoute(RelpredError):
    """A path or a method that the service does not have."""

    code = "no-such-route"
    http_status = 404


class NotReady(RelpredError):
    """The model is not loaded yet, who was asked has ended, or the service is on its way down."""

    code = "not-ready"
    http_status = 503
    retryable = True


class DeadlinePassed(RelpredError):
    """The answer was not there in time."""

    code = "deadline-passed"
    http_status = 504
    retryable = True


class ServiceFailed(RelpredError):
    """A fault of the service itself."""
