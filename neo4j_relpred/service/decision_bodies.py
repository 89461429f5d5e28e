"""The JSON of decisions and of the ledger, and what it asks the facade to do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from pydantic import Field

from neo4j_relpred.errors import InvalidQuery
from neo4j_relpred.graph.decisions import Decision, Reason, Verdict, Wish
from neo4j_relpred.graph.pending import Order, Pending
from neo4j_relpred.graph.runs import Run
from neo4j_relpred.service.bodies import NodeReference, encoded, entities
from neo4j_relpred.service.facade import Predictor
from neo4j_relpred.service.strict import Name, Strict
from neo4j_relpred.triples import Triple, edge_key
from neo4j_relpred.wire import MOST_ROWS, ReviewRowBody, RunRowBody

__all__ = [
    "LEASE_PATIENCE_SECONDS",
    "AcceptBody",
    "Errand",
    "RejectBody",
    "ReviewListBody",
    "RunListBody",
    "UndoBody",
    "WithdrawBody",
]

# How long an undo waits for who publishes just now: its caller has a deadline, and is rather told that it is so.
LEASE_PATIENCE_SECONDS = 1.0
LONGEST_NOTE = 4_096


class Errand(Protocol):
    """A body that knows what to do."""

    def rows(self, predictor: Predictor) -> list[bytes]:
        """Does it; the rows of the answer."""


class ReviewListBody(Strict):
    """What waits for a decision, or what was decided?"""

    relation: Name | None = None
    decided: bool = False
    order: Order = "probable"
    min_probability: float = Field(0.0, ge=0, le=1, allow_inf_nan=False, description="The least probability.")
    top_k: int = Field(10, ge=1, le=MOST_ROWS, description="How many rows at most.")

    def rows(self, predictor: Predictor) -> list[bytes]:
        """Reads them."""
        review = predictor.review
        relation = None if self.relation is None else review.relation_of(self.relation)
        if self.decided:
            return [_decision_row(one, one.verdict) for one in review.decisions(relation, self.top_k)]
        found = review.pending(
            relation=relation, min_probability=self.min_probability, order=self.order, most=self.top_k
        )
        return [_pending_row(one) for one in found]


class _AboutTriple(Strict):
    """A triple, by its nodes and its type; with the key of the edge where it was read off one."""

    head: NodeReference
    relation: Name
    tail: NodeReference
    key: Name | None = None

    def triple(self, predictor: Predictor) -> Triple:
        """The triple that is meant. Raises UnknownEntity, InvalidQuery."""
        head, tail = entities(predictor, [self.head, self.tail])
        triple = Triple(head, predictor.review.relation_of(self.relation), tail)
        if self.key not in (None, edge_key(triple.head, triple.relation, triple.tail)):
            raise InvalidQuery(
                "The edge was published when its nodes had other keys, or it was copied from another place.",
                hint="Publish again, then decide.",
            )
        return triple


class _DecisionBody(_AboutTriple):
    by: Name = Field(description="Who decides.")
    note: str = Field("", max_length=LONGEST_NOTE, description="A remark that is kept with the decision.")

    def _settled(self, predictor: Predictor, verdict: Verdict, reason: Reason = "") -> list[bytes]:
        wish = Wish(self.triple(predictor), verdict, reason, self.note)
        return [_decision_row(predictor.review.settle(wish, self.by), verdict)]


class AcceptBody(_DecisionBody):
    """The triple holds."""

    def rows(self, predictor: Predictor) -> list[bytes]:
        """Makes it a real relationship."""
        return self._settled(predictor, "accepted")


class RejectBody(_DecisionBody):
    """The triple is wrong."""

    reason: Reason = ""

    def rows(self, predictor: Predictor) -> list[bytes]:
        """Takes its predicted edge away for good."""
        return self._settled(predictor, "rejected", self.reason)


class WithdrawBody(_AboutTriple):
    """What was decided about the triple is to hold no more."""

    def rows(self, predictor: Predictor) -> list[bytes]:
        """Takes the decision back."""
        return [_decision_row(predictor.review.take_back(self.triple(predictor)), "withdrawn")]


class RunListBody(Strict):
    """Which publications were there?"""

    top_k: int = Field(10, ge=1, le=MOST_ROWS, description="How many rows at most.")

    def rows(self, predictor: Predictor) -> list[bytes]:
        """Reads the ledger."""
        return [_run_row(one) for one in predictor.runs()[: self.top_k]]


class UndoBody(Strict):
    """What stood in the graph before a run is to stand there again."""

    run: Name
    dry_run: bool = False

    def rows(self, predictor: Predictor) -> list[bytes]:
        """Puts it back."""
        report = predictor.undo(self.run, dry_run=self.dry_run, patience=LEASE_PATIENCE_SECONDS)
        names = ("run", "created", "updated", "removed", "unchanged", "skipped", "seconds", "dry_run")
        return [encoded({name: getattr(report, name) for name in names})]


def _pending_row(one: Pending) -> bytes:
    told = {
        "head_name": one.head_name,
        "tail_name": one.tail_name,
        "state": "pending",
        "probability": one.probability,
        "evidence": one.evidence,
        "model": one.model,
        "run": one.run,
    }
    return _review_row(one.triple, told)


def _decision_row(one: Decision, state: str) -> bytes:
    told = {
        "state": state,
        "probability": one.probability,
        "model": one.model or None,
        "reason": one.reason,
        "note": one.note,
        "by": one.by,
        "at": one.decided_at.isoformat(),
    }
    return _review_row(one.triple, told)


def _review_row(triple: Triple, told: dict[str, Any]) -> bytes:
    names: Iterable[str] = ReviewRowBody.model_fields
    parts = {"head": triple.head, "relation": triple.relation, "tail": triple.tail}
    return encoded(dict.fromkeys(names) | parts | told)


def _run_row(one: Run) -> bytes:
    row = {name: getattr(one, name) for name in RunRowBody.model_fields if name != "run"}
    times = {name: value.isoformat() for name, value in row.items() if isinstance(value, datetime)}
    return encoded({"run": one.id} | row | times)
