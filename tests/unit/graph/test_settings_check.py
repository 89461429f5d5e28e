"""Settings held against a schema."""

from __future__ import annotations

from typing import Any

import pytest

from neo4j_relpred.config import GraphSettings, Settings
from neo4j_relpred.errors import InvalidSettings
from neo4j_relpred.graph.drift import Finding, compare
from neo4j_relpred.graph.facts import GraphSchema
from neo4j_relpred.graph.proposed_keys import KeyFacts, SampleProbe
from neo4j_relpred.graph.schema import check_settings
from tests.unit.graph.schemas import prop, relation, schema

PLOTS = ("A policeman hunts a thief through the city.", "A crew meets something on its way home.")
KNOWN = schema(prop("title", "Heat", "Alien"), prop("plot", *PLOTS), prop("tags", kind="list"))


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"labels": ("film",)}, "Did you mean Film"),
        ({"relations": ("DIRECTD",)}, "Did you mean DIRECTED"),
        ({"relations": ("PREDICTED_X",)}, "never read"),
        ({"keys": {"Flim": "title"}}, "Did you mean Film"),
        ({"keys": {"Film": "titel"}}, "Did you mean title"),
        ({"keys": {"Film": "tags"}}, "string or a number"),
        ({"texts": ("plott",)}, "Did you mean plot"),
        ({"names": ("titl",)}, "Did you mean title"),
        ({"templates": {"Flim": "{title}"}}, "Did you mean Film"),
        ({"templates": {"Film": "{title}: {plod}"}}, r"'plod' \(graph.templates of Film\).*Did you mean plot"),
        ({"edge_properties": ("titel",)}, "Did you mean title"),
    ],
)
def test_unknown_names_in_the_settings_are_refused_with_the_nearest_known_one(wrong: dict[str, Any], hint: str) -> None:
    with pytest.raises(InvalidSettings, match=hint):
        check_settings(KNOWN, GraphSettings(**wrong))
    (found,) = [f for f in drift(KNOWN, graph=wrong) if f.level == "error"]
    assert found.setting in (f"graph.{name}" for name in wrong)


def test_the_default_names_need_not_exist() -> None:
    check_settings(KNOWN, GraphSettings(labels=("Film",), relations=("DIRECTED",), keys={"Film": "title"}))


def drift(found: GraphSchema, probe: Any = None, file: str = "", **sections: Any) -> list[Finding]:
    return compare(found, Settings(**sections), probe or SampleProbe(found), file)


def lines(found: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.found) for finding in found]


FILE = "Film DIRECTED title plot tags"
FITTING: dict[str, Any] = {"keys": {"Film": "title"}, "names": ("title",), "texts": ("plot",)}


def test_a_file_that_fits_is_told_nothing() -> None:
    assert drift(KNOWN, file=FILE, graph=FITTING) == []


def test_a_key_that_identifies_no_longer_is_an_error() -> None:
    class Probe:
        def facts(self, label: str, name: str) -> KeyFacts:
            return KeyFacts(100, 90, 88)

    found = drift(KNOWN, Probe(), FILE, graph=FITTING)
    assert lines(found) == [
        ("error", "Film.title is not unique: 90 nodes have 88 values."),
        ("error", "10 of 100 nodes of Film have no title."),
    ]
    guarded = schema(*KNOWN.properties, unique=frozenset({("Film", "title")}))
    assert [f.level for f in drift(guarded, Probe(), FILE, graph=FITTING)] == ["error", "warning"]


def test_what_is_new_is_noted_unless_the_file_mentions_it() -> None:
    now = schema(
        *KNOWN.properties,
        prop("review", *PLOTS),
        prop("id", label="Robot"),
        relations=(relation("DIRECTED"), relation("REMAKE OF")),
    )
    found = drift(now, file=FILE, graph=FITTING | {"labels": ("Film",)})
    assert lines(found) == [
        ("note", "The label 'Robot' is new to the file."),
        ("note", "The relationship type 'REMAKE OF' is new to the file."),
        ("note", "'review' of Film reads like a text."),
    ]
    mentioned = FILE + "\n# Robot: 3\n# REMAKE OF: 5\n# left out: review, x"
    assert drift(now, file=mentioned, graph=FITTING | {"labels": ("Film",)}) == []


def test_a_type_to_publish_that_went_bad_is_a_warning_and_one_that_is_gone_an_error() -> None:
    now = schema(*KNOWN.properties, relations=(relation("DIRECTED", 4), relation("MADE", 70)))
    found = drift(
        now,
        file=FILE + " MADE",
        graph=FITTING | {"relations": ("DIRECTED",)},
        publishing={"relations": ("DIRECTED", "DIRECTS", "MADE")},
    )
    assert lines(found) == [
        ("error", "The graph has no relationship type 'DIRECTS'."),
        ("error", "'MADE' is not read: graph.relations lacks it."),
        ("warning", "DIRECTED: too few edges to learn from: 4."),
    ]
    assert found[0].hint == "Did you mean DIRECTED?"


def test_properties_of_edges_and_of_time_are_looked_for() -> None:
    found = drift(KNOWN, file=FILE, graph=FITTING | {"time_property": "titles", "watermark": "updated"})
    assert [(f.level, f.setting) for f in found] == [("error", "graph.time_property"), ("error", "graph.watermark")]
    assert found[0].hint == "Did you mean title?"


def test_nodes_without_any_key_are_told() -> None:
    found = drift(KNOWN, file=FILE, graph=FITTING | {"keys": {}})
    assert lines(found) == [("warning", "About 100 nodes (Film) have no key.")]
