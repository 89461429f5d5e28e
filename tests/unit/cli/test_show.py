"""What commands print for reading."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neo4j_relpred.cli.show import show_slices, show_versions
from neo4j_relpred.evaluation.calibration import measure
from neo4j_relpred.evaluation.ranking import Ranks, summarize
from neo4j_relpred.evaluation.report import Calibrated, Report
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
