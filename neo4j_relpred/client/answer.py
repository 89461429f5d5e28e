"""Answers as a list of rows, and as a table for pandas or Arrow."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from neo4j_relpred.errors import DependencyMissing
from neo4j_relpred.triples import Evidence, Triple
from neo4j_relpred.wire import ScoredTripleBody

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["COLUMNS", "Answer", "Kind", "Prediction"]

Row = TypeVar("Row", covariant=True)
Kind = Literal["string", "double", "int64"]  # of a column, by Arrow's name for it
COLUMNS: dict[str, Kind] = {
    "head": "string",
    "relation": "string",
    "tail": "string",
    "score": "double",
    "probability": "double",
    "rank": "int64",
    "evidence": "string",
    "model": "string",
    "head_element_id": "string",
    "tail_element_id": "string",
}


@dataclass(frozen=True, slots=True)
class Prediction:
    """A triple that was judged. `score` orders the rows of one answer; `probability` compares between answers."""

    triple: Triple
    score: float
    probability: float
    rank: int
    evidence: Evidence
    model: str
    head_element_id: str
    tail_element_id: str

    @classmethod
    def of(cls, row: ScoredTripleBody) -> Prediction:
        """What a row of the service says."""
        return cls(
            Triple(row.head.id, row.relation, row.tail.id),
            row.score,
            row.probability,
            row.rank,
            Evidence(row.evidence),
            row.model,
            row.head.element_id,
            row.tail.element_id,
        )

    @property
    def columns(self) -> dict[str, object]:
        """The same, flat, by the names of COLUMNS."""
        parts = (self.triple.head, self.triple.relation, self.triple.tail, self.score, self.probability, self.rank)
        more = (self.evidence.summary, self.model, self.head_element_id, self.tail_element_id)
        return dict(zip(COLUMNS, (*parts, *more), strict=True))


class Answer(Sequence[Row], Generic[Row]):
    """The rows of an answer, the best first, and the same as a table."""

    def __init__(self, rows: Iterable[Row], table: Iterable[Mapping[str, object]], types: Mapping[str, Kind]) -> None:
        """`table`: the rows flat; `types`: the names of its columns, and their kinds."""
        self._rows, self._table, self._types = tuple(rows), list(table), types

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"Answer({list(self._rows)!r})"

    def to_arrow(self) -> pa.Table:
        """A table with a row for each, and the same columns when there is none."""
        import pyarrow as pa

        schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in self._types.items()])
        return pa.Table.from_pylist(self._table, schema=schema)

    def to_pandas(self) -> Any:
        """A DataFrame with a row for each. Raises DependencyMissing where pandas is not installed."""
        try:
            importlib.import_module("pandas")
        except ImportError as error:
            raise DependencyMissing(
                "pandas is not installed.", hint="pip install pandas, or use to_arrow()."
            ) from error
        return self.to_arrow().to_pandas()
