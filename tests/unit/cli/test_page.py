"""The page of a version: whole, by itself, and safe whatever the graph's names are."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from neo4j_relpred.api.versions import Drift
from neo4j_relpred.cli.charts import Interval, Series, intervals, lines
from neo4j_relpred.cli.page import Shown, page
from neo4j_relpred.data.profile import shift_of
from neo4j_relpred.evaluation.calibration import measure
from neo4j_relpred.evaluation.ranking import Ranks, summarize
from neo4j_relpred.evaluation.report import Calibrated, Report, Scores
from neo4j_relpred.model.registry import ModelVersion

EVIL = "</td><script>alert(1)</script>\"'&"
VOID = {"meta"}


class Reader(HTMLParser):
    """Follows the tags, and keeps the words and what could lead elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def report_of(ranks: list[float]) -> Report:
    found = np.array(ranks)
    summary = summarize(Ranks(found, found, found, np.full(len(found), 9)))
    measured = measure(np.array([0.2, 0.9]), np.array([0.0, 1.0]))
    return Report(
        summary,
        summary,
        Calibrated(measured, measured),
        {"frequency": Scores(None, summary)},
        {EVIL: 0.5},
        2,
        0.1,
        warnings=(EVIL,),
        slices={"half_link": {EVIL: summary}},
    )


def version_of(number: int, ranks: list[float], **about: Any) -> ModelVersion:
    report = report_of(ranks).to_json()
    report["relations"]["hits"] = {str(k): v for k, v in report["relations"]["hits"].items()}
    said = {"report": report, "trainedAt": "2026-11-30T09:00:00+00:00", "seed": 0, **about}
    return ModelVersion("default", number, number == 2, said)


def gate() -> dict[str, Any]:
    one = {"candidate": 0.4, "live": 0.5, "difference": -0.1, "low": -0.2, "high": -0.05, "tolerance": 0.02, "count": 9}
    measures = [{"name": "Entity MRR", **one}, {"name": "Entity ECE", **one, "low": float("nan")}]
    told = {"passed": False, "code": "worse-entity-mrr", "reason": EVIL, "against": EVIL, "caveats": [EVIL]}
    return {**told, "measures": measures, "relations": [{"name": EVIL, **one}]}


@pytest.fixture
def shown() -> Shown:
    versions = [version_of(1, [1.0, 2.0]), version_of(2, [1.0, 1.0], gate=gate()), version_of(3, [])]
    drift = Drift("default@2", "2026", (shift_of(EVIL, {EVIL: 9}, {"b": 9}),), (EVIL,))
    curves = {EVIL: [[0, 0.1, 3.0], [1, 0.2, 2.0]]}
    return Shown(versions[1], report_of([1.0, 1.0]), versions, curves, drift)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_a_page_needs_nothing_from_elsewhere_and_runs_nothing(shown: Shown) -> None:
    text = page(shown)
    reader = read(text)
    assert not reader.tags & {"script", "link", "img", "iframe", "object", "base", "form", "a", "use", "image"}
    assert not {name for name in reader.attributes if name in ("src", "href") or name.startswith("on")}
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import|https?:", text)


def test_names_stand_there_as_they_are_and_never_as_marks(shown: Shown) -> None:
    reader = read(page(shown))
    said = "".join(reader.words)
    assert said.count(EVIL) >= 10  # a type, a slice, a stage, a warning, the gate's reason, ..., what moved
    assert "script" not in reader.tags


def test_every_section_is_there_and_those_without_anything_to_say_are_not(shown: Shown) -> None:
    full = page(shown)
    sections = re.findall(r"<h2>(.*?)</h2>", full)
    assert sections == [
        "Beside the version that was live", "Versions", "Ranks", "Reliability", "Losses of the training",
        "Relationship types", "What moved since"]  # fmt: skip
    old = replace(shown.version, about={**shown.version.about, "gate": None})
    bare = replace(shown, version=old, versions=[old], curves={}, drift=None)
    assert re.findall(r"<h2>(.*?)</h2>", page(bare)) == ["Ranks", "Reliability", "Relationship types"]


def test_charts_are_whole_and_put_points_where_they_belong(shown: Shown) -> None:
    charts = re.findall(r"<svg.*?</svg>", page(shown), re.DOTALL)
    assert len(charts) == 1 + 3 + 2 + 1
    for chart in charts:
        ElementTree.fromstring(chart)
    chart = lines("x", [Series("y", [(0, 0.0), (0.5, 1.0), (1, 0.5)])], "p", limits=(0, 1), diagonal=True)
    (path,) = re.findall(r'points="([^"]+)"', chart)
    (x1, y1), (x2, y2), (x3, y3) = (map(float, pair.split(",")) for pair in path.split())
    assert x2 - x1 == pytest.approx(x3 - x2)
    assert y1 - y2 == pytest.approx(2 * (y3 - y2))
    assert y2 < y3 < y1  # down is large


def test_numbers_that_are_none_leave_gaps(shown: Shown) -> None:
    chart = lines("x", [Series("y", [(0, 0.1), (1, float("nan")), (2, 0.3)], [(0, 1), (0, 1), (0, 1)])], "v", "abc")
    assert len(re.findall("<circle", chart)) == 2
    assert "nan" not in page(shown).partition("<h2>Ranks")[0].partition("<h2>Versions")[2]
    assert lines("x", [Series("y", [])], "v") == ""
    assert intervals("x", [Interval("y", float("nan"), 0, 0, 0)]) == ""


@pytest.mark.parametrize("values", [[5.0], [0.0, 0.0], [1e-9, 2e-9], [1e6, 2e6], [-1.0, 1.0]])
def test_any_range_has_a_few_round_ticks(values: list[float]) -> None:
    chart = lines("x", [Series("y", list(enumerate(values)))], "v")
    ticks = re.findall(r'text-anchor="end">([^<]+)<', chart)
    assert 2 <= len(ticks) <= 9
