"""What questions would cost is told without asking any."""

from __future__ import annotations

import pytest

from neo4j_relpred.errors import UnknownRelation
from neo4j_relpred.scoring.cost import cost_of
from neo4j_relpred.scoring.serving import Serving
from neo4j_relpred.triples import QuestionKind
from tests.unit.scoring.conftest import TYPES

KINDS: tuple[tuple[QuestionKind, str | None, int], ...] = (
    ("tails", "SIBLING", 60),
    ("heads", "PARENT", 60),
    ("relations", None, len(TYPES)),
    ("score", None, 1),
)


@pytest.mark.parametrize(("question", "relation", "candidates"), KINDS)
def test_the_cost_grows_with_the_number_until_a_chunk_is_full(
    serving: Serving, question: QuestionKind, relation: str | None, candidates: int
) -> None:
    none, one, three, many = (cost_of(serving, question, relation, number) for number in (0, 1, 3, 10**6))
    assert (none.candidates, none.bytes_min, none.bytes_max) == (0, 0, 0)
    assert (one.candidates, three.candidates) == (candidates, 3 * candidates)
    assert 0 < one.bytes_min <= one.bytes_max
    assert (
        3 * one.bytes_max == three.bytes_max < many.bytes_max == cost_of(serving, question, relation, 10**7).bytes_max
    )
    assert (one.nodes, one.relationships) == (60, len(serving.model.graph.triples))


def test_the_type_must_be_known(serving: Serving) -> None:
    with pytest.raises(UnknownRelation):
        cost_of(serving, "tails", "SIBLINGS", 1)
