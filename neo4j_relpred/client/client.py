"""The questions and errands of the service as Python calls."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

import httpx2 as httpx

from neo4j_relpred.client.answer import COLUMNS, Answer, Kind, Prediction
from neo4j_relpred.client.connection import Connection
from neo4j_relpred.errors import InvalidSettings
from neo4j_relpred.triples import Query, QuestionKind, Relation, Triple
from neo4j_relpred.wire import (
    MOST_IN_ALL,
    MOST_ROWS,
    EstimateRowBody,
    EvidenceRowBody,
    HealthBody,
    ReviewRowBody,
    RunRowBody,
    ScoredTripleBody,
    UndoRowBody,
)

__all__ = ["Client", "Reviews"]

ADDRESS = "http://127.0.0.1:7475"
TIMEOUT_SECONDS, PATIENCE_SECONDS = 35.0, 30.0  # the service itself gives up after 30
REVIEW_TYPES: dict[str, Kind] = {
    name: "double" if name == "probability" else "string" for name in ReviewRowBody.model_fields
}
RUN_TYPES: dict[str, Kind] = {
    name: "int64" if field.annotation is int else "string" for name, field in RunRowBody.model_fields.items()
}
EVIDENCE_TYPES: dict[str, Kind] = {
    "kind": "string",
    "share": "double",
    "explanation": "string",
    "pattern": "string",
    "bindings": "string",  # as people read them: the names of the nodes
    "support": "int64",
    "confidence": "double",
    "score": "double",
    "probability": "double",
    "model": "string",
}


class GraphNode(Protocol):
    """A node of the driver's, or whatever else has an element id."""

    @property
    def element_id(self) -> str:
        """As elementId(node) gives it."""


Node = str | GraphNode  # an entity id, or a node as a query returned it


class Client:
    """Asks a running service (`relpred serve`).

    Nodes are named by entity id, or given as the driver returned them. Errors are those of RelpredError, as when
    RelationPredictor is asked, and besides ServiceUnavailable, ServiceRefused, and what the service alone refuses.
    """

    def __init__(
        self,
        address: str = ADDRESS,
        *,
        token: str | None = None,
        verify: ssl.SSLContext | bool = True,
        timeout_seconds: float = TIMEOUT_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
        http: httpx.Client | None = None,
    ) -> None:
        """Connects when it is asked. `patience_seconds`: how long a full queue is waited for.

        `http` takes a client of one's own, with another transport say; address, verify and timeout are its own then.
        Raises InvalidSettings for an address that is none.
        """
        if http is None:
            if not address.startswith(("http://", "https://")):
                raise InvalidSettings(f"{address!r} is no address of a service.", hint=f"Like {ADDRESS}.")
            http = httpx.Client(base_url=address, verify=verify, timeout=timeout_seconds)
        if token is not None:
            http.headers["Authorization"] = f"Bearer {token}"
        self._connection = Connection(http, patience_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connections."""
        self._connection.close()

    @property
    def review(self) -> Reviews:
        """Decisions about what was predicted."""
        return Reviews(self._connection)

    def predict(self, query: Query, top_k: int = 10, min_probability: float = 0.0) -> Answer[Prediction]:
        """The best answers to a query, which leaves out one part."""
        head, relation, tail = query.head or "", query.relation or "", query.tail or ""
        if query.target == "tail":
            return self.tails(head, relation, top_k, min_probability)
        if query.target == "head":
            return self.heads(relation, tail, top_k, min_probability)
        return self.relations(head, tail, top_k, min_probability)

    def tails(
        self, head: Node | Sequence[Node], relation: Relation, top_k: int = 10, min_probability: float = 0.0
    ) -> Answer[Prediction]:
        """The nodes that the head may be related to; of several heads, one after the other."""
        body = {"relation": relation, "top_k": top_k, "min_probability": min_probability}
        return _predictions(self._of_each("/v1/tails", "head", head, body, top_k))

    def heads(
        self, relation: Relation, tail: Node | Sequence[Node], top_k: int = 10, min_probability: float = 0.0
    ) -> Answer[Prediction]:
        """The nodes that may be related to the tail; of several tails, one after the other."""
        body = {"relation": relation, "top_k": top_k, "min_probability": min_probability}
        return _predictions(self._of_each("/v1/heads", "tail", tail, body, top_k))

    def relations(self, head: Node, tail: Node, top_k: int = 10, min_probability: float = 0.0) -> Answer[Prediction]:
        """The types of relationship that may hold from head to tail."""
        body = {"head": _node(head), "tail": _node(tail), "top_k": top_k, "min_probability": min_probability}
        return _predictions(self._connection.post("/v1/relations", body))

    def score(self, triples: Iterable[Triple | tuple[Node, Relation, Node]]) -> Answer[Prediction]:
        """Given triples with their scores, in the order given; as many requests as it takes."""
        wanted = [_parts(triple) for triple in triples]
        rows: list[dict[str, object]] = []
        for first in range(0, len(wanted), MOST_ROWS):
            rows += self._connection.post("/v1/score", {"triples": wanted[first : first + MOST_ROWS]})
        return _predictions(rows)

    def explain(self, triple: Triple | tuple[Node, Relation, Node]) -> Answer[EvidenceRowBody]:
        """Why a triple is scored as it is: a row for each kind of evidence, then one for each rule that fired."""
        rows = self._connection.post("/v1/explain", _parts(triple))
        found = [EvidenceRowBody.model_validate(row) for row in rows]
        named = ("; ".join(" - ".join(node.name for node in path) for path in one.bindings) for one in found)
        table = ({**row, "bindings": names} for row, names in zip(rows, named, strict=True))
        return Answer(found, table, EVIDENCE_TYPES)

    def _of_each(
        self, path: str, part: str, nodes: Node | Sequence[Node], body: Mapping[str, object], top_k: int
    ) -> list[dict[str, object]]:
        """One question about a node, or about each of several, in as many requests as it takes."""
        if isinstance(nodes, str) or not isinstance(nodes, Sequence):
            return self._connection.post(path, {part: _node(nodes), **body})
        rows: list[dict[str, object]] = []
        size = max(1, min(MOST_ROWS, MOST_IN_ALL // max(1, top_k)))
        for first in range(0, len(nodes), size):
            asked = [_node(node) for node in nodes[first : first + size]]
            rows += self._connection.post(path, {f"{part}s": asked, **body})
        return rows

    def estimate(self, question: QuestionKind, relation: Relation | None = None, number: int = 1) -> EstimateRowBody:
        """What so many questions would cost; none is asked. Tails and heads are asked by a relation."""
        body = {"question": question, "relation": relation, "number": number}
        (row,) = self._connection.post("/v1/estimate", body)
        return EstimateRowBody.model_validate(row)

    def runs(self, top_k: int = 10) -> Answer[RunRowBody]:
        """The ledger of publications, the newest first."""
        rows = self._connection.post("/v1/run/list", {"top_k": top_k})
        return Answer([RunRowBody.model_validate(row) for row in rows], rows, RUN_TYPES)

    def undo(self, run: str, *, dry_run: bool = False) -> UndoRowBody:
        """Puts back what stood in the graph before a run. Raises RunNotFound, Busy."""
        (row,) = self._connection.post("/v1/run/undo", {"run": run, "dry_run": dry_run})
        return UndoRowBody.model_validate(row)

    def health(self) -> HealthBody:
        """What the service says of itself; its `model` is None until one is loaded."""
        return HealthBody.model_validate(self._connection.get("/healthz"))


@dataclass(frozen=True)
class Reviews:
    """Reached as `client.review`."""

    connection: Connection

    def pending(
        self,
        relation: Relation | None = None,
        *,
        order: Literal["probable", "uncertain"] = "probable",
        min_probability: float = 0.0,
        top_k: int = 10,
    ) -> Answer[ReviewRowBody]:
        """Published edges that nobody has decided about: the most probable first, or those nearest to even."""
        body = {"relation": relation, "order": order, "min_probability": min_probability, "top_k": top_k}
        return self._asked("list", body)

    def decisions(self, relation: Relation | None = None, *, top_k: int = 10) -> Answer[ReviewRowBody]:
        """What was decided, the latest first."""
        return self._asked("list", {"relation": relation, "decided": True, "top_k": top_k})

    def accept(self, head: Node, relation: Relation, tail: Node, *, by: str, note: str = "") -> ReviewRowBody:
        """Makes a triple a real relationship, and takes its predicted edge away. Raises UnknownEntity."""
        return self._asked("accept", {**_parts((head, relation, tail)), "by": by, "note": note})[0]

    def reject(
        self, head: Node, relation: Relation, tail: Node, *, by: str, reason: str = "", note: str = ""
    ) -> ReviewRowBody:
        """Takes a predicted edge away for good."""
        body = {**_parts((head, relation, tail)), "by": by, "reason": reason, "note": note}
        return self._asked("reject", body)[0]

    def withdraw(self, head: Node, relation: Relation, tail: Node) -> ReviewRowBody:
        """Takes a decision back. Raises InvalidQuery where there is none."""
        return self._asked("withdraw", _parts((head, relation, tail)))[0]

    def _asked(self, what: str, body: Mapping[str, object]) -> Answer[ReviewRowBody]:
        rows = self.connection.post(f"/v1/review/{what}", body)
        return Answer([ReviewRowBody.model_validate(row) for row in rows], rows, REVIEW_TYPES)


def _node(node: Node) -> dict[str, str]:
    return {"id": node} if isinstance(node, str) else {"element_id": node.element_id}


def _parts(triple: Triple | tuple[Node, Relation, Node]) -> dict[str, object]:
    head, relation, tail = triple if isinstance(triple, tuple) else (triple.head, triple.relation, triple.tail)
    return {"head": _node(head), "relation": relation, "tail": _node(tail)}


def _predictions(rows: Sequence[Mapping[str, object]]) -> Answer[Prediction]:
    found = [Prediction.of(ScoredTripleBody.model_validate(row)) for row in rows]
    return Answer(found, (prediction.columns for prediction in found), COLUMNS)
