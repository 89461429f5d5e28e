"""Target sets: one edge for each triple, sorted, verified."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.data.published import PublishedSets
from neo4j_relpred.data.target_set import TargetEdge, TargetSet
from neo4j_relpred.errors import RunNotFound, SnapshotCorrupt
from neo4j_relpred.triples import Evidence, ScoredTriple, Triple, edge_key


def edge(head: str, tail: str, probability: float = 0.5, run: str = "r1") -> TargetEdge:
    scored = ScoredTriple(Triple(head, "KNOWS", tail), 1.0, probability, 1, Evidence("because"))
    return TargetEdge.of(scored, "default", run)


EDGES = st.lists(st.builds(edge, st.sampled_from("abc"), st.sampled_from("abc"), st.floats(0, 1)), max_size=8)


def test_an_edge_says_what_the_scored_triple_says() -> None:
    made = edge("a", "b", 0.75)
    assert made.key == edge_key("a", "KNOWS", "b")
    assert (made.head, made.relation, made.tail, made.probability) == ("a", "KNOWS", "b", 0.75)
    assert (made.model, made.run, made.evidence) == ("default", "r1", "because")


@given(EDGES)
def test_a_set_holds_each_triple_once_in_a_fixed_order(edges: list[TargetEdge]) -> None:
    target = TargetSet.of(edges)
    assert len({e.key for e in target}) == len(target) == len({(e.head, e.tail) for e in edges})
    assert [(e.relation, e.head, e.tail) for e in target] == sorted((e.relation, e.head, e.tail) for e in target)
    assert all(next(e for e in edges if e.key == kept.key) == kept for kept in target)


@given(EDGES)
def test_the_order_of_edges_does_not_change_the_hash_but_a_value_does(edges: list[TargetEdge]) -> None:
    unique = list(TargetSet.of(edges))
    target = TargetSet.of(unique)
    assert TargetSet.of(reversed(unique)).content_hash == target.content_hash
    assert TargetSet.of([replace(e, run="r2") for e in unique]).content_hash == target.content_hash
    if unique:
        other = [replace(unique[0], probability=2.0), *unique[1:]]
        assert TargetSet.of(other).content_hash != target.content_hash


@pytest.mark.parametrize("size", [0, 2])
def test_a_set_read_back_is_the_same(size: int, tmp_path: Path) -> None:
    target = TargetSet.of([edge("a", "ü"), edge("b", "c")][:size])
    assert TargetSet.read(target.write(tmp_path / "r1", {"run": "r1"})) == target


def test_a_flipped_byte_is_noticed(tmp_path: Path) -> None:
    folder = TargetSet.of([edge("a", "b")]).write(tmp_path / "r1", {})
    data = bytearray((folder / "edges.parquet").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "edges.parquet").write_bytes(bytes(data))
    with pytest.raises(SnapshotCorrupt, match="relpred publish"):
        TargetSet.read(folder)


def test_the_relations_of_a_set_are_named_once() -> None:
    likes = replace(edge("a", "b"), relation="LIKES", key="k")
    assert TargetSet.of([likes, edge("a", "b"), edge("b", "a")]).relations == ("KNOWS", "LIKES")


def test_a_run_is_taken_back_to_what_stood_before_it(tmp_path: Path) -> None:
    sets = PublishedSets(tmp_path / "published", keep=3)
    first, second = TargetSet.of([edge("a", "b")]), TargetSet.of([edge("a", "b"), edge("b", "c")])
    assert sets.live("default") is None
    for run, target in (("r1", first), ("r2", second)):
        sets.add(run, target, "default")
        sets.settle(run, "default")
    assert sets.live("default") == "r2"
    assert sets.before("r2") == first
    assert sets.before("r1") == TargetSet(())
    assert sets.read("r2") == second


def test_a_run_that_was_never_settled_does_not_become_the_one_before(tmp_path: Path) -> None:
    sets = PublishedSets(tmp_path / "published", keep=3)
    sets.add("r1", TargetSet.of([edge("a", "b")]), "default")
    sets.add("r2", TargetSet.of([edge("b", "c")]), "default")
    assert sets.before("r2") == TargetSet(())


def test_the_oldest_sets_are_forgotten_and_said_to_be(tmp_path: Path) -> None:
    sets = PublishedSets(tmp_path / "published", keep=1)
    for run in ("r1", "r2"):
        sets.add(run, TargetSet.of([edge("a", "b")]), "default")
        sets.settle(run, "default")
    with pytest.raises(RunNotFound, match="no longer kept"):
        sets.before("r2")
    with pytest.raises(RunNotFound, match="Kept runs: r2"):
        sets.read("r1")
