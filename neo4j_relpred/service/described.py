"""The JSON of nodes that are not committed yet: what nobody but their own transaction can see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from neo4j_relpred.service.facade import Predictor
from neo4j_relpred.service.strict import Name, Strict
from neo4j_relpred.wire import MOST_ROWS

if TYPE_CHECKING:
    from neo4j_relpred.graph.live import LiveNode

__all__ = ["MOST_LABELS", "DescribedEdge", "DescribedNode"]

MOST_LABELS = 1_000
Scalar = str | int | float | bool


class DescribedEdge(Strict):
    """A relationship of a described node."""

    relation: Name
    other: Name = Field(description="Element id of the other node.")
    outgoing: bool = Field(description="Whether the described node is its head.")


class DescribedNode(Strict):
    """A node that a transaction has made and not committed, as that transaction sees it."""

    element_id: Name
    labels: list[Name] = Field(max_length=MOST_LABELS)
    properties: dict[Name, Scalar | list[Scalar]] = Field(default_factory=dict)
    edges: list[DescribedEdge] = Field(default_factory=list, max_length=MOST_ROWS)

    def live(self, predictor: Predictor) -> LiveNode:
        """The node as the model reads it."""
        edges: list[tuple[Literal["out", "in"], str, str]] = [
            ("out" if edge.outgoing else "in", edge.relation, edge.other) for edge in self.edges
        ]
        return predictor.described(self.element_id, self.labels, self.properties, edges)
