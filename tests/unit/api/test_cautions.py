"""What a graph cannot teach is said in the report, as it stands in the registry and as it is given back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from neo4j_relpred.api import RelationPredictor
from neo4j_relpred.api.cautions import cautions
from neo4j_relpred.api.training import split_snapshot
from neo4j_relpred.api.workspace import Workspace
from neo4j_relpred.config import EvaluationSettings, GraphSettings, Settings, TextSettings
from neo4j_relpred.data.snapshot import Node, Snapshot, sorted_rows
from neo4j_relpred.errors import NotFinite
from neo4j_relpred.triples import Triple
from tests.synthetic import BRIEF_TRAINING, TINY_MODEL

COUNT = 40
NODES = [Node(f"n{number:02}", f"4:{number}", ("Thing",), {"name": "same"}) for number in range(COUNT)]
Row = tuple[int, str, int]


def snapshot_of(rows: Iterable[Row]) -> Snapshot:
    return Snapshot.of(NODES, [Triple(f"n{head:02}", relation, f"n{tail:02}") for head, relation, tail in rows])


def random_rows(types: str = "AB", edges: int = 150) -> list[Row]:
    rng = np.random.default_rng(0)
    return [(int(rng.integers(COUNT)), str(rng.choice(list(types))), int(rng.integers(COUNT))) for _ in range(edges)]


RARE = [*random_rows(), (1, "RARE", 2), (3, "ODD", 4)]
HUB = [(0, "A", other) for other in range(1, COUNT)] + [(other, "B", 0) for other in range(1, COUNT)]
LOOPS = [(node, relation, node) for node in range(COUNT) for relation in "AB"]
CASES = {
    "2 of 4 types have one relationship each, so none to test on: ODD, RARE.": RARE,
    "100% of the relationships touch the node n00.": HUB,
    "Every relationship leads from a node back to itself": LOOPS,
    "There is one relationship type": random_rows("A"),
    "No node has a text": random_rows(),
}


def trained(place: Path, data: Snapshot, monkeypatch: pytest.MonkeyPatch, text: np.ndarray | None = None) -> list[str]:
    """The warnings of a real training, as `relpred evaluate` would show them later."""
    settings = Settings(
        home=place,
        text=TextSettings(encoder=""),
        model=TINY_MODEL,
        training=BRIEF_TRAINING,
        evaluation=EvaluationSettings(test_share=0.1, baseline_minutes=0),
    )
    if text is not None:
        monkeypatch.setattr(Workspace, "encode", lambda *_: text.astype(np.float32))
    predictor = RelationPredictor(settings)
    _, report = predictor.fit(data)
    assert predictor.report()[1].warnings == report.warnings
    return list(report.warnings)


@pytest.mark.parametrize("caution", CASES)
def test_an_odd_graph_is_trained_on_with_a_warning_in_the_report(
    caution: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings = trained(tmp_path, snapshot_of(CASES[caution]), monkeypatch)
    assert [warning for warning in warnings if warning.startswith(caution)], warnings


def test_texts_that_are_all_equal_are_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings = trained(tmp_path, snapshot_of(random_rows()), monkeypatch, np.ones((COUNT, 4)) / 2)
    assert "All texts are equal: they tell no node from another." in warnings


def test_a_vector_that_is_no_number_stops_a_training_and_leaves_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = np.ones((COUNT, 4))
    text[7, 1] = np.nan
    with pytest.raises(NotFinite, match="1 of 40 nodes"):
        trained(tmp_path, snapshot_of(random_rows()), monkeypatch, text)
    assert list((tmp_path / "models").rglob("model.json")) == []


def test_parallel_relationships_count_once_and_are_told() -> None:
    data = snapshot_of(random_rows())
    twice = Snapshot(data.nodes, data.relations, sorted_rows(data.edges.take([*range(data.edges.num_rows), 0, 0, 5])))
    found = list(cautions(twice, np.zeros((COUNT, 0), np.float32)))
    assert found[0].startswith("3 relationships repeat others")
    np.testing.assert_array_equal(twice.triples, data.triples)


def test_a_plain_graph_is_warned_of_nothing() -> None:
    text = np.eye(COUNT, dtype=np.float32)
    assert list(cautions(snapshot_of(random_rows()), text)) == []


def test_a_type_that_is_stored_both_ways_is_told_unless_it_is_known_to_be_symmetric() -> None:
    rows = [*random_rows("A"), *((head, "FRIEND", (head + step) % COUNT) for head in range(COUNT) for step in (1, 39))]
    data, text = snapshot_of(rows), np.eye(COUNT, dtype=np.float32)
    (found,) = cautions(data, text)
    assert "FRIEND stands there the other way round" in found
    assert list(cautions(data, text, ("FRIEND",))) == []


def test_twins_of_a_symmetric_type_are_never_in_two_parts(tmp_path: Path) -> None:
    """However they are stored."""
    ring = [(node, "FRIEND", (node + step) % COUNT) for node in range(COUNT) for step in (1, 2, 3)]
    data = snapshot_of([*random_rows("A"), *ring, *((tail, "FRIEND", head) for head, _, tail in ring[::2])])
    settings = Settings(home=tmp_path, graph=GraphSettings(symmetric=("FRIEND",)))
    split, _ = split_snapshot(Workspace(settings), data)
    friend = data.relation_index["FRIEND"]
    known = {frozenset((h, t)) for part in (split.train, split.holdout) for h, r, t in part.tolist() if r == friend}
    tested = {frozenset((h, t)) for h, r, t in split.test.tolist() if r == friend}
    assert tested
    assert not tested & known
    graph = Workspace(settings).graph(data, data.triples)
    held = {(h, t) for h, r, t in graph.triples.tolist() if r == friend}
    assert held == {(t, h) for h, t in held}
