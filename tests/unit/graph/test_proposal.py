"""Settings guessed from a schema, and settings checked against one."""

from __future__ import annotations

from typing import Any

import pytest

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.errors import InvalidSettings
from neo4j_relpred.graph.proposal import propose
from neo4j_relpred.graph.schema import GraphSchema, LabelInfo, PropertyInfo, RelationInfo, check_settings


def prop(name: str, kind: str = "string", **changes: Any) -> PropertyInfo:
    values: dict[str, Any] = {"label": "Film", "fill": 1.0, "mean_length": 8.0, "distinct": 1.0} | changes
    return PropertyInfo(name=name, kind=kind, **values)


def schema(*properties: PropertyInfo, unique: frozenset[tuple[str, str]] = frozenset()) -> GraphSchema:
    return GraphSchema(
        nodes=10,
        labels=(LabelInfo("Film", 10),),
        relations=(RelationInfo("DIRECTED", 5, (("Film", "Film"),)),),
        properties=properties,
        unique=unique,
        known_properties=frozenset(p.name for p in properties),
    )


def test_a_constrained_property_is_the_key_even_beside_an_id() -> None:
    found = propose(schema(prop("id"), prop("slug"), unique=frozenset({("Film", "slug")})))
    assert found.keys == {"Film": "slug"}


def test_a_unique_filled_property_that_looks_like_an_id_is_the_key() -> None:
    assert propose(schema(prop("filmId", "integer"), prop("title"))).keys == {"Film": "filmId"}


@pytest.mark.parametrize("changes", [{"fill": 0.9}, {"distinct": 0.9}, {"kind": "list"}])
def test_what_does_not_identify_is_no_key(changes: dict[str, Any]) -> None:
    assert propose(schema(prop("id", **changes))).keys == {}


def test_names_and_texts_are_told_apart_and_references_are_neither() -> None:
    found = propose(
        schema(
            prop("id"),
            prop("title", mean_length=20),
            prop("plot", mean_length=3),
            prop("review", mean_length=80),
            prop("poster_url", mean_length=60),
            prop("imdbId", mean_length=20, fill=0.5),
            prop("country", mean_length=5),
            prop("year", "integer"),
        )
    )
    assert (found.names, found.texts) == (("title",), ("plot", "review"))


KNOWN = schema(prop("title"), prop("plot"), prop("tags", "list"))


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
    ],
)
def test_unknown_names_in_the_settings_are_refused_with_the_nearest_known_one(wrong: dict[str, Any], hint: str) -> None:
    with pytest.raises(InvalidSettings, match=hint):
        check_settings(KNOWN, GraphSettings(**wrong))


def test_the_default_names_need_not_exist() -> None:
    check_settings(KNOWN, GraphSettings(labels=("Film",), relations=("DIRECTED",), keys={"Film": "title"}))
