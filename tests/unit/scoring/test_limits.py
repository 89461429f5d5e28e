"""What of a sweep is published: as many as the settings leave room for, the most probable first."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.config import PublishingSettings
from neo4j_relpred.scoring.limits import limit
from neo4j_relpred.triples import ScoredTriple, Triple

triples = st.builds(Triple, st.sampled_from("abcde"), st.sampled_from("RS"), st.sampled_from("vwxyz"))
candidates = st.lists(st.tuples(triples, st.floats(0.05, 1)), unique_by=lambda pair: pair[0], max_size=40).map(
    lambda pairs: [ScoredTriple(triple, 0.0, probability, 1) for triple, probability in pairs]
)
bounds = st.one_of(st.none(), st.integers(1, 4))


@given(candidates, bounds, bounds, bounds, st.integers(1, 30))
def test_no_bound_is_passed_and_nothing_that_fits_is_left_out(
    found: list[ScoredTriple], per_type: int | None, per_tail: int | None, per_node: int | None, most: int
) -> None:
    settings = PublishingSettings(per_type=per_type, per_tail=per_tail, per_node=per_node, max_edges=most)
    kept = limit(found, settings).triples
    types = Counter(one.triple.relation for one in kept)
    tails = Counter((one.triple.relation, one.triple.tail) for one in kept)
    nodes = Counter(node for one in kept for node in {one.triple.head, one.triple.tail})
    for counts, bound in ((types, per_type), (tails, per_tail), (nodes, per_node), (Counter(kept=len(kept)), most)):
        assert bound is None or max(counts.values(), default=0) <= bound
    assert [one.probability for one in kept] == sorted((one.probability for one in kept), reverse=True)
    for other in found:
        if other not in kept:
            h, r, t = other.triple.head, other.triple.relation, other.triple.tail
            assert len(kept) == most or any(
                bound is not None and count >= bound
                for count, bound in ((types[r], per_type), (tails[r, t], per_tail), (max(nodes[h], nodes[t]), per_node))
            )


@given(candidates, st.floats(0.1, 1))
def test_a_type_keeps_as_many_as_a_precision_allows(found: list[ScoredTriple], precision: float) -> None:
    limited = limit(found, PublishingSettings(precision=precision))
    for relation in "RS":
        every = sorted((one.probability for one in found if one.triple.relation == relation), reverse=True)
        means = np.cumsum(every) / np.arange(1, len(every) + 1)
        expected = int((means >= precision - 1e-12).sum())
        kept = [one for one in limited.triples if one.triple.relation == relation]
        assert abs(len(kept) - expected) <= Counter(every).most_common(1)[0][1] if every else not kept
        assert not kept or min(one.probability for one in kept) == pytest.approx(limited.thresholds[relation])


@given(candidates)
def test_of_twins_the_more_probable_one_stays(found: list[ScoredTriple]) -> None:
    mine = [one for one in found if one.triple.relation == "R"]
    turned = [replace(one, triple=Triple(one.triple.tail, "R", one.triple.head)) for one in mine]
    kept = limit([*found, *turned], PublishingSettings(), symmetric={"R"}).triples
    pairs = [frozenset((one.triple.head, one.triple.tail)) for one in kept if one.triple.relation == "R"]
    assert len(pairs) == len(set(pairs))
    best = dict[frozenset[str], float]()
    for one in (*mine, *turned):
        ends = frozenset((one.triple.head, one.triple.tail))
        best[ends] = max(best.get(ends, 0.0), one.probability)
    left = [one for one in kept if one.triple.relation == "R"]
    assert best == {frozenset((one.triple.head, one.triple.tail)): one.probability for one in left}
