"""What commands print for reading."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from neo4j_relpred.cli.show import show_publication, show_slices, show_versions
from neo4j_relpred.data.refused import RefusedEdge
from neo4j_relpred.evaluation.calibration import measure
from neo4j_relpred.evaluation.ranking import Ranks, summarize
from neo4j_relpred.evaluation.report import Calibrated, Report
from neo4j_relpred.graph.writer import PublicationReport
from neo4j_relpred.model.registry import ModelVersion


@pytest.fixture
def report() -> Report:
    ranks = np.array([1.0, 2.0])
    summary = summarize(Ranks(ranks, ranks, ranks, np.array([9, 9])))
    calibration = measure(np.array([0.5, 0.5]), np.array([0.0, 1.0]))
    slices = {"half_link": {"unseen": summary}}
    return Report(summary, summary, Calibrated(calibration, calibration), {}, {}, 1, 0.1, slices=slices)


def test_a_slice_is_a_row_with_its_number_of_queries(report: Report, capsys: pytest.CaptureFixture[str]) -> None:
    show_slices(report)
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "half link" in line]
    assert row.replace("│", " ").split() == ["half", "link", "unseen", "2", "0.750", "0.500", "1.000"]


def test_a_report_without_slices_prints_no_table(report: Report, capsys: pytest.CaptureFixture[str]) -> None:
    show_slices(replace(report, slices={}))
    assert capsys.readouterr().out == ""


def test_versions_are_bars_of_their_figures_with_a_mark_at_the_live_one(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    def version(number: int, mrr: float) -> ModelVersion:
        plain = {"entities": {"mrr": mrr}, "relations": {"hits": {"1": float("nan")}}}
        errors = {kind: {"ece": 0.1} for kind in ("entities", "relations")}
        return ModelVersion("default", number, number == 2, {"report": {**plain, "calibration": errors}})

    show_versions([version(1, 0.2), version(2, 0.4)])
    lines = capsys.readouterr().out.splitlines()
    (half,), (whole,) = ([line for line in lines if label in line] for label in ("default@1", "default@2 *"))
    assert half.count("█") == whole.count("█") - 8
    assert "0.200" in half
    assert "nan" in half
    show_versions([version(1, 0.2)])
    assert capsys.readouterr().out == ""


def test_a_publication_names_the_edges_that_the_database_refused(capsys: pytest.CaptureFixture[str]) -> None:
    edges = tuple(RefusedEdge(str(n), "ada", "LIKES", f"film {n}", "default@1", "Neo.Code", 1) for n in range(12))
    report = PublicationReport("r1", 3, 0, 0, 0, {"refused by the database": 12}, refused=edges)
    show_publication(report, as_json=False)
    shown = capsys.readouterr().out
    assert "12 skipped: refused by the database." in shown
    assert "(ada)-[LIKES]->(film 9): Neo.Code" in shown
    assert "film 10" not in shown
    assert "SHOW CONSTRAINTS" in shown
    show_publication(report, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [row["tail"] for row in told["refused"]] == [f"film {n}" for n in range(12)]
