"""Edges that the database refused: they wait longer and longer, and what went well meanwhile is forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from neo4j_relpred.data.backoff import MOST_TRIES, PAUSE_SECONDS
from neo4j_relpred.data.refused import RefusedEdge, RefusedEdges
from neo4j_relpred.data.target_set import TargetEdge
from neo4j_relpred.triples import Evidence, ScoredTriple, Triple

CODE = "Neo.ClientError.Schema.ConstraintValidationFailed"
NAMES = {"LIKES"}


class Clock:
    """Goes when it is told to."""

    time = 1_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def edges(tmp_path: Path, clock: Clock) -> RefusedEdges:
    return RefusedEdges(tmp_path / "models" / "refused.json", clock)


def target(tail: str = "b", model: str = "default@1", relation: str = "LIKES") -> TargetEdge:
    return TargetEdge.of(ScoredTriple(Triple("a", relation, tail), 1.0, 0.5, 1, Evidence("why")), model, "r")


def refused(edge: TargetEdge) -> RefusedEdge:
    return RefusedEdge.of(edge, CODE)


def test_pauses_grow_and_the_last_try_is_the_last(edges: RefusedEdges, clock: Clock) -> None:
    pauses = []
    for _ in range(MOST_TRIES - 1):
        (settled,) = edges.settle(NAMES, [refused(target())])
        assert settled.again_at is not None
        again = datetime.fromisoformat(settled.again_at).timestamp()
        pauses.append(again - clock.time)
        clock.time = again - 1
        assert edges.waiting([target()]) == {settled.key: settled}
        clock.time = again
        assert edges.waiting([target()]) == {}
    assert pauses == [PAUSE_SECONDS * number for number in range(1, MOST_TRIES)]
    (last,) = edges.settle(NAMES, [refused(target())])
    assert (last.tries, last.again_at) == (MOST_TRIES, None)
    clock.time += 1e9
    assert edges.waiting([target()]) == {last.key: last}


def test_what_only_waited_was_not_tried(edges: RefusedEdges, clock: Clock) -> None:
    settled = edges.settle(NAMES, [refused(target())])
    clock.time += 1
    assert edges.settle(NAMES, list(edges.waiting([target()]).values())) == settled
    assert edges.known() == {one.key: one for one in settled}


def test_what_went_well_is_struck_off_and_other_types_are_left(edges: RefusedEdges) -> None:
    edges.settle({"LIKES", "KNOWS"}, [refused(target()), refused(target(relation="KNOWS"))])
    edges.settle(NAMES, [refused(target("c"))])
    assert {(one.relation, one.tail) for one in edges.known().values()} == {("KNOWS", "b"), ("LIKES", "c")}


def test_what_another_version_says_is_tried_at_once(edges: RefusedEdges) -> None:
    edges.settle(NAMES, [refused(target())])
    newer = target(model="default@2")
    assert edges.waiting([newer]) == {}
    (settled,) = edges.settle(NAMES, [refused(newer)])
    assert settled.tries == 1


def test_all_can_be_tried_again_at_once(edges: RefusedEdges) -> None:
    assert edges.forgive() == 0
    edges.settle(NAMES, [refused(target()), refused(target("c"))])
    assert edges.forgive() == 2
    assert edges.waiting([target(), target("c")]) == {}


def test_nothing_refused_leaves_no_file(edges: RefusedEdges) -> None:
    assert edges.settle(NAMES, []) == ()
    assert not edges.file.exists()


@pytest.mark.parametrize("text", ["", "[", '{"key": 1}', '[{"key": "k"}]', "[1]", "null"])
def test_a_damaged_file_counts_as_empty(edges: RefusedEdges, text: str) -> None:
    edges.file.parent.mkdir()
    edges.file.write_text(text, encoding="utf-8")
    assert edges.known() == {}
    (settled,) = edges.settle(NAMES, [refused(target())])
    assert edges.known() == {settled.key: settled}


def test_its_name_is_for_people() -> None:
    assert replace(refused(target()), tail="c").name == "(a)-[LIKES]->(c)"
