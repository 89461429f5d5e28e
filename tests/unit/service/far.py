"""A facade of a few lines for processes of workers, which find it by the name of this module."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from neo4j_relpred.errors import ModelNotFound, UnknownEntity
from neo4j_relpred.triples import Query, ScoredTriple, Triple

__all__ = ["FarPredictor", "predicted"]


@dataclass
class FarPredictor:
    """Answers with the number of its process; the type says what it does before. `file` names the live version."""

    file: Path
    model: str = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        (self.file.parent / f"closed-{os.getpid()}").touch()

    def ready(self) -> str:
        if not self.file.exists():
            raise ModelNotFound("There is no model.", hint="Run `relpred train`.")
        self.model = self.file.read_text(encoding="utf-8")
        return self.model

    def entities_of(self, element_ids: Sequence[str], _seen: object) -> list[str]:
        return list(element_ids)

    def look_ahead(self) -> bool:
        return False

    def element_id_of(self, entity: str) -> str:
        return entity

    def predicted_type(self, relation: str) -> str:
        return "PREDICTED_" + relation

    def predict_each(self, queries: Sequence[Query], *_: Any) -> list[list[ScoredTriple]]:
        for what in {query.relation for query in queries}:
            if what == "DIE":
                os.kill(os.getpid(), 9)
            if what == "FAIL":
                raise UnknownEntity("There is no such node.", hint="Was it deleted?")
            if what == "BREAK":
                raise ValueError("Ada's secret")
            if what == "SLEEP":
                time.sleep(0.4)
        return [
            [ScoredTriple(Triple(query.head or "", query.relation or "", str(os.getpid())), 0.5, 0.5, 1)]
            for query in queries
        ]


def predicted(query: Query, predictor: FarPredictor) -> int:
    """The process that answers."""
    return int(predictor.predict_each([query])[0][0].triple.tail)
