"""The JSON of questions and answers. Strict: what is not exactly as documented is refused."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from neo4j_relpred.errors import UnknownEntity
from neo4j_relpred.service.worker import Predictor
from neo4j_relpred.triples import EntityId, Query, ScoredTriple, Triple

__all__ = [
    "MOST_ROWS",
    "HeadsBody",
    "Name",
    "NodeReference",
    "RelationsBody",
    "ScoreBody",
    "Strict",
    "TailsBody",
    "encoded",
    "encoded_rows",
]

MOST_ROWS = 10_000
Name = Annotated[str, Field(min_length=1, max_length=4_096)]

Ask = Callable[[Predictor], list[ScoredTriple]]


class Strict(BaseModel):
    """No conversions, no unknown keys."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class NodeReference(Strict):
    """A node: by its element id in the graph, or by its entity id in the model."""

    element_id: Name | None = None
    id: Name | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.element_id is None) == (self.id is None):
            raise ValueError("a node is named by exactly one of element_id and id")
        return self

    def entity(self, predictor: Predictor) -> EntityId:
        """The entity that is meant."""
        if self.element_id is not None:
            return predictor.entity_of(self.element_id)
        assert self.id is not None
        return self.id


class QuestionBody(Strict):
    """What every question with a missing part may say."""

    top_k: int = Field(10, ge=1, le=MOST_ROWS, description="How many answers at most.")
    min_probability: float = Field(0.0, ge=0, le=1, allow_inf_nan=False, description="The least probability.")

    def ask(self, predictor: Predictor) -> list[ScoredTriple]:
        """The answers to the question."""
        return predictor.predict(self.query(predictor), top_k=self.top_k, min_probability=self.min_probability)

    @abstractmethod
    def query(self, predictor: Predictor) -> Query:
        """The question in our words."""


class RelationsBody(QuestionBody):
    """Which relationship may hold from head to tail?"""

    head: NodeReference
    tail: NodeReference

    def query(self, predictor: Predictor) -> Query:
        """The relation is missing."""
        return Query(head=self.head.entity(predictor), tail=self.tail.entity(predictor))


class TailsBody(QuestionBody):
    """What may the head be related to?"""

    head: NodeReference
    relation: Name

    def query(self, predictor: Predictor) -> Query:
        """The tail is missing."""
        return Query(head=self.head.entity(predictor), relation=self.relation)


class HeadsBody(QuestionBody):
    """What may be related to the tail?"""

    relation: Name
    tail: NodeReference

    def query(self, predictor: Predictor) -> Query:
        """The head is missing."""
        return Query(relation=self.relation, tail=self.tail.entity(predictor))


class TripleBody(Strict):
    """A given triple."""

    head: NodeReference
    relation: Name
    tail: NodeReference


class ScoreBody(Strict):
    """How probable are these triples?"""

    triples: list[TripleBody] = Field(min_length=1, max_length=MOST_ROWS)

    def ask(self, predictor: Predictor) -> list[ScoredTriple]:
        """The triples with their scores, in the order given."""
        return predictor.score(
            [Triple(one.head.entity(predictor), one.relation, one.tail.entity(predictor)) for one in self.triples]
        )


def encoded_rows(
    predictor: Predictor, answers: Iterable[ScoredTriple], model: str, *, leave_out_missing: bool
) -> list[bytes]:
    """Each answer as one line of JSON, without its end.

    A node that was deleted since the service last saw it is left out, or raises UnknownEntity.
    """
    element_ids: dict[EntityId, str] = {}

    def node(entity: EntityId) -> dict[str, str]:
        if entity not in element_ids:
            element_ids[entity] = predictor.element_id_of(entity)
        return {"element_id": element_ids[entity], "id": entity}

    rows = []
    for answer in answers:
        try:
            row = _row(answer, node, model)
        except UnknownEntity:
            if leave_out_missing:
                continue
            raise
        rows.append(encoded(row))
    return rows


def encoded(row: dict[str, Any]) -> bytes:
    """One row as one line of JSON, without its end."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def _row(answer: ScoredTriple, node: Callable[[EntityId], dict[str, str]], model: str) -> dict[str, Any]:
    return {
        "head": node(answer.triple.head),
        "relation": answer.triple.relation,
        "tail": node(answer.triple.tail),
        "score": float(answer.score),
        "probability": float(answer.probability),
        "rank": int(answer.rank),
        "model": model,
        "run": None,
        "evidence": answer.evidence.summary,
    }
