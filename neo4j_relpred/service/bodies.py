"""The JSON of questions and answers. Strict: what is not exactly as documented is refused."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from neo4j_relpred.errors import InvalidQuery, UnknownEntity
from neo4j_relpred.graph.writer import model_name_of
from neo4j_relpred.service.described import MOST_LABELS, DescribedNode
from neo4j_relpred.service.facade import Predictor
from neo4j_relpred.service.pace import Pace
from neo4j_relpred.service.strict import Name, Strict, one_of
from neo4j_relpred.triples import EntityId, Query, QuestionKind, ScoredTriple, Triple, edge_key
from neo4j_relpred.wire import MOST_IN_ALL, MOST_ROWS

if TYPE_CHECKING:
    from neo4j_relpred.graph.live import LiveNode
    from neo4j_relpred.scoring.cost import Cost

__all__ = [
    "EstimateBody",
    "HeadsBody",
    "NodeReference",
    "RelationsBody",
    "ScoreBody",
    "TailsBody",
    "TripleBody",
    "ask_each",
    "encoded",
    "encoded_rows",
    "entities",
    "readable_range",
]

MOST_DESCRIBED = 100
LEAST_PART = 100  # nodes of a list that is cut: many in one part take less time than in several


class SeenBody(Strict):
    """With its labels and the key properties that it has, a node of the graph need not be looked up."""

    labels: list[Name] = Field(max_length=MOST_LABELS)
    keys: dict[Name, str | int | bool | None] = Field(max_length=MOST_LABELS)


class NodeReference(Strict):
    """A node: by its element id in the graph, or by its entity id in the model."""

    model_config = one_of(["element_id"], ["id"])

    element_id: Name | None = None
    id: Name | None = None
    seen: SeenBody | None = Field(None, description="What the caller sees of the node of an element id.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.element_id is None) == (self.id is None):
            raise ValueError("a node is named by exactly one of element_id and id")
        return self


def entities(predictor: Predictor, nodes: Sequence[NodeReference]) -> list[EntityId]:
    """The entities that are meant; nodes are looked up in the graph all at once."""
    elements = [node.element_id for node in nodes if node.element_id is not None]
    seen = {
        node.element_id: (node.seen.labels, node.seen.keys)
        for node in nodes
        if node.element_id is not None and node.seen is not None
    }
    found = iter(predictor.entities_of(elements, seen) if elements else ())
    return [next(found) if node.id is None else node.id for node in nodes]


class PairBody(Strict):
    """Two nodes."""

    head: NodeReference
    tail: NodeReference


class AskingBody(Strict):
    """What everything that needs the model may say."""

    model: Name | None = Field(None, description="The model that is to answer, by its name or its version.")

    def require_model(self, there: str) -> None:
        """Raises InvalidQuery when another model is there than the one that is wanted."""
        if self.model not in (None, there, model_name_of(there)):
            raise InvalidQuery(
                f"The service answers with the model {there!r}, not with {self.model!r}.",
                hint="Leave the model out, or ask the service that has it (its setting is model_name).",
            )


class QuestionBody(AskingBody):
    """What every question with a missing part may say."""

    kind: ClassVar[QuestionKind]
    several: ClassVar[str]  # the field of a list
    top_k: int = Field(10, ge=1, le=MOST_ROWS, description="How many answers at most.")
    min_probability: float = Field(0.0, ge=0, le=1, allow_inf_nan=False, description="The least probability.")
    described: list[DescribedNode] = Field(
        default_factory=list, max_length=MOST_DESCRIBED, description="Nodes that are not committed yet."
    )

    @property
    @abstractmethod
    def nodes(self) -> list[NodeReference]:
        """The nodes that are given."""

    @property
    def number(self) -> int:
        """How many questions there are."""
        return len(self.nodes)

    def parts(self, most: int) -> list[Self]:
        """The question itself, or where it has a long list so many of parts of that, at most, which ask the same."""
        given = getattr(self, self.several) or []
        size = max(LEAST_PART, math.ceil(len(given) / max(1, most)))
        if size >= len(given):
            return [self]
        cuts = (given[begin : begin + size] for begin in range(0, len(given), size))
        return [self.model_copy(update={self.several: cut}) for cut in cuts]

    @abstractmethod
    def queries(self, found: Sequence[EntityId]) -> list[Query]:
        """The questions in our words; `found` are the entities of the nodes."""

    def _several(self, name: str, nodes: Sequence[object] | None, one: object | None) -> None:
        if (nodes is None) == (one is None):
            raise ValueError(f"exactly one of {name} and {name}s is given")
        if nodes is not None and len(nodes) * self.top_k > MOST_IN_ALL:
            raise ValueError(f"{len(nodes)} {name}s with {self.top_k} answers each are over {MOST_IN_ALL} rows in all")


class RelationsBody(QuestionBody):
    """Which relationship may hold from head to tail? Or, of several pairs, from each head to its tail?"""

    model_config = one_of(["head", "tail"], ["pairs"])
    kind, several = "relations", "pairs"

    head: NodeReference | None = None
    tail: NodeReference | None = None
    pairs: list[PairBody] | None = Field(None, min_length=1, max_length=MOST_ROWS)

    @model_validator(mode="after")
    def _one_or_several(self) -> Self:
        if (self.head is None) != (self.tail is None):
            raise ValueError("head and tail are given together")
        self._several("pair", self.pairs, self.head)
        return self

    @property
    def nodes(self) -> list[NodeReference]:
        """Head and tail of each pair, one after the other."""
        if self.head is not None and self.tail is not None:
            return [self.head, self.tail]
        return [node for pair in self.pairs or () for node in (pair.head, pair.tail)]

    @property
    def number(self) -> int:
        """How many pairs."""
        return len(self.nodes) // 2

    def queries(self, found: Sequence[EntityId]) -> list[Query]:
        """The relation is missing."""
        return [Query(head=head, tail=tail) for head, tail in zip(found[::2], found[1::2], strict=True)]


class TailsBody(QuestionBody):
    """What may the head, or each of several heads, be related to?"""

    model_config = one_of(["head"], ["heads"])
    kind, several = "tails", "heads"

    head: NodeReference | None = None
    heads: list[NodeReference] | None = Field(None, min_length=1, max_length=MOST_ROWS)
    relation: Name

    @model_validator(mode="after")
    def _one_or_several(self) -> Self:
        self._several("head", self.heads, self.head)
        return self

    @property
    def nodes(self) -> list[NodeReference]:
        """The heads."""
        return _given(self.heads, self.head)

    def queries(self, found: Sequence[EntityId]) -> list[Query]:
        """The tail is missing."""
        return [Query(head=head, relation=self.relation) for head in found]


class HeadsBody(QuestionBody):
    """What may be related to the tail, or to each of several tails?"""

    model_config = one_of(["tail"], ["tails"])
    kind, several = "heads", "tails"

    relation: Name
    tail: NodeReference | None = None
    tails: list[NodeReference] | None = Field(None, min_length=1, max_length=MOST_ROWS)

    @model_validator(mode="after")
    def _one_or_several(self) -> Self:
        self._several("tail", self.tails, self.tail)
        return self

    @property
    def nodes(self) -> list[NodeReference]:
        """The tails."""
        return _given(self.tails, self.tail)

    def queries(self, found: Sequence[EntityId]) -> list[Query]:
        """The head is missing."""
        return [Query(relation=self.relation, tail=tail) for tail in found]


def ask_each(
    predictor: Predictor, questions: Sequence[QuestionBody], given: Mapping[str, LiveNode]
) -> list[list[ScoredTriple]]:
    """The answers to each of some questions, all asked at once. given: described nodes by element id."""
    nodes = [_known(node, given) for question in questions for node in question.nodes]
    found = iter(entities(predictor, nodes))
    queries = [question.queries([next(found) for _ in question.nodes]) for question in questions]
    every = [query for own in queries for query in own]
    most, least = max(one.top_k for one in questions), min(one.min_probability for one in questions)
    answers = iter(predictor.predict_each(every, most, least, tuple(given.values())))
    return [
        [
            answer
            for answers_of_one in islice(answers, len(own))
            for answer in answers_of_one[: question.top_k]
            if answer.probability >= question.min_probability
        ]
        for question, own in zip(questions, queries, strict=True)
    ]


def _known(node: NodeReference, given: Mapping[str, LiveNode]) -> NodeReference:
    """A described node by its entity id, since nobody could look it up."""
    live = given.get(node.element_id or "")
    return node if live is None else NodeReference(id=live.node.id)


class TripleBody(Strict):
    """A given triple."""

    head: NodeReference
    relation: Name
    tail: NodeReference


class ScoreBody(AskingBody):
    """How probable are these triples?"""

    kind: ClassVar[QuestionKind] = "score"
    triples: list[TripleBody] = Field(min_length=1, max_length=MOST_ROWS)

    @property
    def number(self) -> int:
        """How many triples."""
        return len(self.triples)

    def ask(self, predictor: Predictor) -> list[ScoredTriple]:
        """The triples with their scores, in the order given."""
        ends = entities(predictor, [node for one in self.triples for node in (one.head, one.tail)])
        types = [predictor.review.relation_of(one.relation) for one in self.triples]
        return predictor.score([Triple(*parts) for parts in zip(ends[::2], types, ends[1::2], strict=True)])


class EstimateBody(AskingBody):
    """What would so many questions cost?"""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {
                    "required": ["relation"],
                    "properties": {"question": {"enum": ["tails", "heads"]}, "relation": {"type": "string"}},
                },
                {"properties": {"question": {"enum": ["relations", "score"]}, "relation": {"type": "null"}}},
            ]
        }
    )

    question: QuestionKind
    relation: Name | None = None
    number: int = Field(1, ge=0, le=MOST_ROWS, description="How many nodes, pairs or triples would be asked about.")

    @model_validator(mode="after")
    def _relation_where_it_counts(self) -> Self:
        if (self.question in ("tails", "heads")) == (self.relation is None):
            raise ValueError("relation is given for tails and heads, and for nothing else")
        return self

    def cost(self, predictor: Predictor) -> Cost:
        """What the questions would take of the model. Raises InvalidQuery, UnknownRelation."""
        self.require_model(predictor.model)
        return predictor.cost(self.question, self.relation, self.number)

    def row(self, cost: Cost, pace: Pace) -> bytes:
        """The estimate as one line of JSON."""
        seconds, measured = pace.seconds(self.question, self.number, cost.candidates)
        told = {"memory": readable_range(cost.bytes_min, cost.bytes_max), "seconds": seconds}
        return encoded(asdict(cost) | told | {"basis": "measured" if measured else "rough"})


def readable_range(least: int, most: int) -> str:
    """Two numbers of bytes as people read them, the way GDS writes them."""
    return _readable(least) if least == most else f"[{_readable(least)} ... {_readable(most)}]"


def _readable(size: int) -> str:
    for unit in ("Bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size} {unit}"
        size //= 1024
    return f"{size} GiB"


def _given(several: list[NodeReference] | None, one: NodeReference | None) -> list[NodeReference]:
    return several or [node for node in (one,) if node is not None]


def encoded_rows(
    predictor: Predictor,
    answers: Iterable[ScoredTriple],
    model: str,
    *,
    leave_out_missing: bool,
    given: Iterable[LiveNode] = (),
) -> list[bytes]:
    """Each answer as one line of JSON, without its end. given: nodes that are not in the graph.

    A node that was deleted since the service last saw it is left out, or raises UnknownEntity.
    """
    element_ids = {live.node.id: live.node.element_id for live in given}

    def node(entity: EntityId) -> dict[str, str]:
        if entity not in element_ids:
            element_ids[entity] = predictor.element_id_of(entity)
        return {"element_id": element_ids[entity], "id": entity}

    rows = []
    for answer in answers:
        try:
            row = _row(answer, node, model, predictor.predicted_type(answer.triple.relation))
        except UnknownEntity:
            if leave_out_missing:
                continue
            raise
        rows.append(encoded(row))
    return rows


def encoded(row: dict[str, Any]) -> bytes:
    """One row as one line of JSON, without its end."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def _row(
    answer: ScoredTriple, node: Callable[[EntityId], dict[str, str]], model: str, predicted_type: str
) -> dict[str, Any]:
    head, relation, tail = answer.triple.head, answer.triple.relation, answer.triple.tail
    return {
        "head": node(head),
        "relation": relation,
        "tail": node(tail),
        "score": float(answer.score),
        "probability": float(answer.probability),
        "rank": int(answer.rank),
        "model": model,
        "run": None,
        "evidence": answer.evidence.summary,
        "key": edge_key(head, relation, tail),
        "predicted_type": predicted_type,
    }
