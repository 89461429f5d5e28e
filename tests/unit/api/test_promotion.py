"""A new version beside the live one, from two trainings to the verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neo4j_relpred.api import training
from neo4j_relpred.api.predictor import RelationPredictor
from neo4j_relpred.config import Settings
from neo4j_relpred.data.rejections import KeptTriples
from neo4j_relpred.data.snapshot import Node, Snapshot
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.training.fit import fit
from neo4j_relpred.training.lesson import Lesson
from neo4j_relpred.triples import Triple
from tests.synthetic import ENDLESS, TINY_MODEL, World, family

TYPES = ("PARENT", "CHILD", "GRANDPARENT", "SIBLING")


def snapshot_of(world: World, people: int, types: tuple[str, ...] = TYPES) -> Snapshot:
    """The first so many of a family, whose nodes then stand in another order than those of a larger one."""
    nodes = [
        Node(f"{97 * person % 101:03}", f"4:{person}", ("Person",), {"name": f"p{person}"}) for person in range(people)
    ]
    facts = [(h, r, t) for h, r, t in world.graph.triples.tolist() if max(h, t) < people]
    return Snapshot.of(nodes, [Triple(nodes[h].id, types[r], nodes[t].id) for h, r, t in facts])


@pytest.fixture(scope="module")
def big() -> World:
    return family(100)


def opened(home: Path, epochs: int = 6, **promotion: float) -> RelationPredictor:
    sections: dict[str, Any] = {
        "model": TINY_MODEL.model_dump(),
        "training": {"minutes": ENDLESS, "max_epochs": epochs, "batch_size": 256},
        "evaluation": {"baseline_minutes": 0, "test_share": 0.2},
        "promotion": promotion,
    }
    return RelationPredictor(Settings.model_validate({"home": home, "text": {"encoder": ""}, **sections}))


def shuffled(lesson: Lesson, *rest: Any, **more: Any) -> TrainedModel:
    """Learns from edges whose types were dealt out anew."""
    triples = lesson.train.triples.copy()
    triples[:, 1] = np.random.default_rng(0).permutation(triples[:, 1])
    return fit(replace(lesson, train=replace(lesson.train, triples=np.unique(triples, axis=0))), *rest, **more)


@pytest.mark.slow
@pytest.mark.parametrize("learn", [fit, shuffled])
def test_an_equal_version_takes_over_and_one_that_learnt_nonsense_stays_a_candidate_with_the_reason(
    learn: Callable[..., TrainedModel], big: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = snapshot_of(big, 100)
    first, _ = opened(tmp_path).fit(data, gate=True)
    assert first.live
    assert first.about["gate"]["code"] == "no-live-version"
    monkeypatch.setattr(training, "fit", learn)
    version, report = opened(tmp_path).fit(data, gate=True)
    gate = version.about["gate"]
    assert gate["against"] == "default@1"
    assert gate["caveats"] == []
    assert gate["triples"] == gate["of"] > 50
    assert version.live == gate["passed"] == (learn is fit)
    if learn is fit:
        assert {one["difference"] for one in gate["measures"]} == {0.0}
        return
    assert gate["code"] == "worse-entity-mrr"
    assert f"{gate['measures'][0]['candidate']:.3f} against {gate['measures'][0]['live']:.3f}" in gate["reason"]
    assert not any("Worse than" in warning for warning in report.warnings)
    asked, report = opened(tmp_path).fit(data)  # a person wants it
    assert asked.live
    assert any(warning.startswith("Worse than default@1: Entity MRR") for warning in report.warnings)


@pytest.mark.slow
def test_a_grown_graph_is_the_same_test_for_the_version_that_does_not_know_all_of_it(
    big: World, tmp_path: Path
) -> None:
    opened(tmp_path).fit(snapshot_of(big, 80), gate=True)
    grown = snapshot_of(big, 100, ("PARENT", "CHILD", "GRANDPARENT", "AUNT"))
    version, _ = opened(tmp_path, mrr_tolerance=1, hits_tolerance=1, ece_tolerance=1).fit(grown, gate=True)
    gate = version.about["gate"]
    assert version.live
    assert [line.partition(":")[0] for line in gate["caveats"]] == [
        "Types that default@1 does not know were left out",
        "Types that the graph has no more were left out",
    ]
    assert 0 < gate["triples"] == gate["of"] < 0.2 * len(grown.triples)


@pytest.mark.slow
def test_decisions_of_people_count_where_there_are_enough(big: World, tmp_path: Path) -> None:
    data = snapshot_of(big, 60)
    people = data.ids
    accepted = [data.triple(row) for row in data.triples[:40]]
    rejected = [Triple(one, "PARENT", one) for one in people[:40]]
    unknown = [Triple("nobody", "PARENT", people[0]), Triple(people[0], "AUNT", people[1])]
    KeptTriples(tmp_path / "accepted.json").write([*accepted, *unknown])
    KeptTriples(tmp_path / "rejected.json").write(rejected)
    opened(tmp_path).fit(data)
    version, _ = opened(tmp_path).fit(data, gate=True)
    gate = version.about["gate"]
    counts = {one["name"]: one["count"] for one in gate["measures"]}
    assert (counts["Brier score of decisions"], counts["ECE of decisions"]) == (80, 80)
    assert 30 <= counts["Entity MRR of accepted triples"] == counts["Relation Hits@1 of accepted triples"] <= 40
    assert "may have learnt from the decisions" in gate["caveats"][-1]
    KeptTriples(tmp_path / "accepted.json").write(accepted[:1])
    KeptTriples(tmp_path / "rejected.json").write([])
    version, _ = opened(tmp_path).fit(data, gate=True)
    assert "1 decisions are too few" in version.about["gate"]["caveats"][-1]
    assert "Brier score of decisions" not in {one["name"] for one in version.about["gate"]["measures"]}


@pytest.mark.slow
def test_a_version_that_held_out_other_edges_is_compared_with_a_caveat(big: World, tmp_path: Path) -> None:
    data, predictor = snapshot_of(big, 60), opened(tmp_path)
    predictor.fit(data)
    settings = predictor.settings
    other = settings.model_copy(update={"training": settings.training.model_copy(update={"seed": 1})})
    version, _ = RelationPredictor(other).fit(data, gate=True)
    assert "held out other edges" in version.about["gate"]["caveats"][0]


def test_nothing_speaks_against_a_version_where_the_live_one_cannot_be_read(big: World, tmp_path: Path) -> None:
    data = snapshot_of(big, 60)
    opened(tmp_path, epochs=1).fit(data)
    (tmp_path / "models" / "default" / "1" / "weights.safetensors").write_bytes(b"")
    version, _ = opened(tmp_path, epochs=1).fit(data, gate=True)
    assert version.live
    assert version.about["gate"]["code"] == "live-unreadable"
