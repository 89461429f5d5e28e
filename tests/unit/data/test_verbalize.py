"""How a node becomes text."""

from __future__ import annotations

import pytest

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.data.verbalize import display_name, verbalize

SETTINGS = GraphSettings(names=("name", "title"), texts=("about", "name", "more"))


@pytest.mark.parametrize(
    ("labels", "properties", "text"),
    [
        (["Person"], {"name": "Ada"}, "Ada (person)"),
        (["SovereignState", "OLD_STATE"], {"title": "Rome"}, "Rome (old state, sovereign state)"),
        (
            ["Person"],
            {"name": "Ada", "about": " Wrote programs ", "more": "First"},
            "Ada (person). Wrote programs. First",
        ),
        (["Person"], {}, "person"),
        ([], {"name": "Ada"}, "Ada"),
        ([], {"about": "Something"}, "Something"),
        ([], {}, ""),
        (["Person"], {"name": "", "title": "Countess"}, "Countess (person)"),
        (["Ort"], {"name": "Zürich", "other": "not chosen"}, "Zürich (ort)"),
    ],
)
def test_a_node_is_told_by_name_labels_and_chosen_texts(
    labels: list[str], properties: dict[str, str], text: str
) -> None:
    assert verbalize(labels, properties, SETTINGS) == text


def test_the_order_of_labels_does_not_change_the_text() -> None:
    assert verbalize(["B", "A"], {"name": "x"}, SETTINGS) == verbalize(["A", "B"], {"name": "x"}, SETTINGS)


def test_a_node_without_a_name_is_shown_by_its_id() -> None:
    assert display_name({"name": "", "about": "x"}, ("name", "title"), "id-1") == "id-1"
