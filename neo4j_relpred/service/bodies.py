"""The JSON of questions and answers. Strict: what is not exactly as documented is refused."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from neo4j_relpred.errors import UnknownEntity
from neo4j_relpred.service.worker import Predictor
from neo4j_relpred.triples import EntityId, Query, ScoredTriple, Triple
from neo4j_relpred.wire import MOST_IN_ALL, MOST_ROWS

__all__ = [
    "HeadsBody",
    "Name",
    "NodeReference",
    "RelationsBody",
    "ScoreBody",
    "Strict",
    "TailsBody",
    "TripleBody",
    "encoded",
    "encoded_rows",
    "entities",
]

Name = Annotated[str, Field(min_length=1, max_length=4_096)]

Ask = Callable[[Predictor], list[ScoredTriple]]


class Strict(BaseModel):
    """No conversions, no unknown keys."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def one_of(*groups: Sequence[str]) -> ConfigDict:
    """Says in the schema that the keys of exactly one group are given, as the validator of the body demands."""
    null: JsonValue = {"type": "null"}
    given: JsonValue = {"not": null}
    names = [name for group in groups for name in group]
    ways: list[JsonValue] = [
        {"required": list(group), "properties": {name: given if name in group else null for name in names}}
        for group in groups
    ]
    return ConfigDict(json_schema_extra={"oneOf": ways})


class NodeReference(Strict):
    """A node: by its element id in the graph, or by its entity id in the model."""

    model_config = one_of(["element_id"], ["id"])

    element_id: Name | None = None
    id: Name | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.element_id is None) == (self.id is None):
            raise ValueError("a node is named by exactly one of element_id and id")
        return self


def entities(predictor: Predictor, nodes: Sequence[NodeReference]) -> list[EntityId]:
    """The entities that are meant; nodes are looked up in the graph all at once."""
    elements = [node.element_id for node in nodes if node.element_id is not None]
    found = iter(predictor.entities_of(elements) if elements else ())
    return [next(found) if node.id is None else node.id for node in nodes]


class PairBody(Strict):
    """Two nodes."""

    head: NodeReference
    tail: NodeReference


class QuestionBody(Strict):
    """What every question with a missing part may say."""

    top_k: int = Field(10, ge=1, le=MOST_ROWS, description="How many answers at most.")
    min_probability: float = Field(0.0, ge=0, le=1, allow_inf_nan=False, description="The least probability.")

    def ask(self, predictor: Predictor) -> list[ScoredTriple]:
        """The answers to all that is asked, one question after the other."""
        answers = predictor.predict_each(self.queries(predictor), self.top_k, self.min_probability)
        return [answer for answers_of_one in answers for answer in answers_of_one]

    @abstractmethod
    def queries(self, predictor: Predictor) -> list[Query]:
        """The questions in our words."""

    def _several(self, name: str, nodes: Sequence[object] | None, one: object | None) -> None:
        if (nodes is None) == (one is None):
            raise ValueError(f"exactly one of {name} and {name}s is given")
        if nodes is not None and len(nodes) * self.top_k > MOST_IN_ALL:
            raise ValueError(f"{len(nodes)} {name}s with {self.top_k} answers each are over {MOST_IN_ALL} rows in all")


class RelationsBody(QuestionBody):
    """Which relationship may hold from head to tail? Or, of several pairs, from each head to its tail?"""

    model_config = one_of(["head", "tail"], ["pairs"])

    head: NodeReference | None = None
    tail: NodeReference | None = None
    pairs: list[PairBody] | None = Field(None, min_length=1, max_length=MOST_ROWS)

    @model_validator(mode="after")
    def _one_or_several(self) -> Self:
        if (self.head is None) != (self.tail is None):
            raise ValueError("head and tail are given together")
        self._several("pair", self.pairs, self.head)
        return self

    def queries(self, predictor: Predictor) -> list[Query]:
        """The relation is missing."""
        ends = [(pair.head, pair.tail) for pair in self.pairs or ()]
        if self.head is not None and self.tail is not None:
            ends = [(self.head, self.tail)]
        found = entities(predictor, [node for pair in ends for node in pair])
        return [Query(head=head, tail=tail) for head, tail in zip(found[::2], found[1::2], strict=True)]


class TailsBody(QuestionBody):
    """What may the head, or each of several heads, be related to?"""

    model_config = one_of(["head"], ["heads"])

    head: NodeReference | None = None
    heads: list[NodeReference] | None = Field(None, min_length=1, max_length=MOST_ROWS)
    relation: Name

    @model_validator(mode="after")
    def _one_or_several(self) -> Self:
        self._several("head", self.heads, self.head)
        return self

    def queries(self, predictor: Predictor) -> list[Query]:
        """The tail is missing."""
        return [Query(head=head, relation=self.relation) for head in entities(predictor, _given(self.heads, self.head))]


class HeadsBody(QuestionBody):
    """What may be related to the tail, or to each of several tails?"""

    model_config = one_of(["tail"], ["tails"])

    relation: Name
    tail: NodeReference | None = None
    tails: list[NodeReference] | None = Field(None, min_length=1, max_length=MOST_ROWS)

    @model_validator(mode="after")
    def _one_or_several(self) -> Self:
        self._several("tail", self.tails, self.tail)
        return self

    def queries(self, predictor: Predictor) -> list[Query]:
        """The head is missing."""
        return [Query(relation=self.relation, tail=tail) for tail in entities(predictor, _given(self.tails, self.tail))]


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
        ends = entities(predictor, [node for one in self.triples for node in (one.head, one.tail)])
        parts = zip(ends[::2], self.triples, ends[1::2], strict=True)
        return predictor.score([Triple(head, one.relation, tail) for head, one, tail in parts])


def _given(several: list[NodeReference] | None, one: NodeReference | None) -> list[NodeReference]:
    return several or [node for node in (one,) if node is not None]


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
