"""The difference between present and wanted edges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.data.target_set import TargetEdge
from neo4j_relpred.graph.difference import PresentEdges, difference

TOLERANCE = 0.005
EDGE = TargetEdge("k", "a", "KNOWS", "b", 1.0, 0.5, 1, "default", "r1", "because")


def pages_of(edges: Iterable[TargetEdge]) -> list[PresentEdges]:
    """As a graph gives them: by key, here three at a time."""
    known = sorted(edges, key=lambda edge: edge.key)
    pages = [known[first : first + 3] for first in range(0, len(known), 3)] or [[]]
    return [
        PresentEdges(
            [e.key for e in page], [e.probability for e in page], [e.rank for e in page], [e.model for e in page]
        )
        for page in pages
    ]


EDGES = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.tuples(st.floats(0, 1), st.integers(1, 3), st.sampled_from(["m", "n"]), st.sampled_from(["x", "y"])),
).map(
    lambda found: [
        replace(EDGE, key=key, probability=p, rank=rank, model=model, evidence=evidence)
        for key, (p, rank, model, evidence) in found.items()
    ]
)


@given(EDGES, EDGES)
def test_doing_the_difference_leaves_no_difference(before: list[TargetEdge], after: list[TargetEdge]) -> None:
    found = difference(pages_of(before), after, TOLERANCE)
    graph = {edge.key: edge for edge in before if edge.key not in found.gone}
    graph |= {edge.key: edge for edge in (*found.new, *found.changed)}

    again = difference(pages_of(graph.values()), after, TOLERANCE)
    assert again.writes == 0
    assert again.unchanged == len(after) == len(graph)


@given(EDGES, EDGES)
def test_every_edge_is_counted_once(before: list[TargetEdge], after: list[TargetEdge]) -> None:
    found = difference(pages_of(before), after, TOLERANCE)
    assert len(found.new) + len(found.changed) + found.unchanged == len(after)
    assert len(found.gone) + len(found.changed) + found.unchanged == len(before)


def test_probabilities_within_the_tolerance_are_left_alone() -> None:
    near, far = replace(EDGE, probability=0.504), replace(EDGE, probability=0.506)
    assert difference(pages_of([EDGE]), [near], TOLERANCE).changed == ()
    assert difference(pages_of([EDGE]), [far], TOLERANCE).changed == (far,)


def test_rank_and_model_count_whatever_the_probability() -> None:
    for other in (replace(EDGE, rank=2), replace(EDGE, model="other")):
        assert difference(pages_of([EDGE]), [other], TOLERANCE).changed == (other,)


def test_the_raw_score_the_run_and_the_wording_of_evidence_alone_change_nothing() -> None:
    other = replace(EDGE, score=9.0, run="r2", evidence="other")
    assert difference(pages_of([EDGE]), [other], TOLERANCE).unchanged == 1


def test_an_edge_that_is_due_is_written_again_whatever_it_says_and_once() -> None:
    (page,) = pages_of([EDGE])
    assert difference([page._replace(due=["k"])], [EDGE], TOLERANCE).changed == (EDGE,)
    gone = difference([page._replace(due=["k"])], [], TOLERANCE)
    assert (gone.changed, gone.gone, gone.unchanged) == ((), ("k",), 0)


def test_an_edge_without_a_number_for_probability_is_written_again() -> None:
    broken = replace(EDGE, probability=float("nan"))
    assert difference(pages_of([broken]), [EDGE], TOLERANCE).changed == (EDGE,)
