"""The report says which members a model has on its graph, what they count, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from neo4j_relpred.cli.show import show_report
from neo4j_relpred.evaluation.parts import Part, parts_of
from neo4j_relpred.evaluation.report import evaluate
from neo4j_relpred.model.members import Weights
from neo4j_relpred.model.trained import TrainedModel
from tests.synthetic import World

NAMES = ("PARENT", "CHILD", "GRANDPARENT", "SIBLING")


def part(trained: TrainedModel, name: str, **changes: object) -> Part:
    """Of the same members but for what changes."""
    (found,) = [part for part in parts_of(replace(trained.members, **changes)) if part.name == name]  # type: ignore[arg-type]  # any field
    return found


def test_every_member_has_its_weights(trained: TrainedModel) -> None:
    members = replace(trained.members, weights=Weights((1.5, 2.0, 0.5, 0.75), (0.0, 3.0, 0.25, 0.125)))
    assert [(part.name, part.weight, part.new_weight) for part in parts_of(members)] == [
        ("structure", 1.5, 0.0),
        ("tower", 2.0, 3.0),
        ("rules", 0.5, 0.25),
        ("walks", 0.75, 0.125),
    ]


def test_a_member_that_is_out_says_why(trained: TrainedModel) -> None:
    settings = trained.members.settings
    out = part(trained, "structure", structure=None, settings=settings.model_copy(update={"structure_rank": 0}))
    assert (out.weight, out.new_weight, out.why) == (None, None, "model.structure_rank is 0")
    moved = part(trained, "structure", structure=None)
    assert moved.why == "none for a graph of new nodes"
    rules = part(trained, "rules", settings=settings.model_copy(update={"rule_length": 0}))
    assert (rules.weight, rules.why) == (None, "model.rule_length is 0")
    walks = part(trained, "walks", settings=settings.model_copy(update={"walks": False}))
    assert (walks.weight, walks.why) == (None, "model.walks is false")


def test_the_tower_says_how_many_nodes_have_a_text(trained: TrainedModel) -> None:
    text = trained.members.text.clone()
    text[: len(text) // 2] = 0
    assert part(trained, "tower", text=text).why.startswith("50% of the nodes have a text")
    assert part(trained, "tower", text=torch.zeros(len(text), 0)).why.startswith("0% of the nodes have a text")


def test_a_report_keeps_and_prints_them(
    trained: TrainedModel, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    report = evaluate(trained, world.split.test, world.graph, NAMES)
    assert report.parts == parts_of(trained.members)
    assert report.from_json(report.to_json()).parts == report.parts
    show_report(replace(report, parts=(*report.parts, Part("fourth", None, None, "left out"))), "", as_json=False)
    rows = [line.replace("│", " ").split() for line in capsys.readouterr().out.splitlines()]
    assert ["structure", f"{trained.members.weights.known[0]:.2f}"] in [row[:2] for row in rows]
    assert ["fourth", "out", "out", "left", "out"] in rows
