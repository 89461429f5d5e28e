"""Templates: what they may hold, and what becomes of them when a value is missing."""

# ruff: noqa: RUF001 - Chinese marks are meant

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.config import GraphSettings, template_parts
from neo4j_relpred.data.verbalize import shown_properties, verbalize
from neo4j_relpred.errors import InvalidSettings

NAMES = st.text(st.characters(exclude_characters=".:![]{}\n\r", exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: name == name.strip() and bool(name.strip())
)


def told(template: str, *labels: str, **properties: str) -> str:
    return verbalize(labels or ("Film",), properties, GraphSettings(templates={"Film": template}))


@pytest.mark.parametrize(
    ("template", "properties", "text"),
    [
        ("{title}: {tagline}", {"title": "Heat", "tagline": "A crime saga"}, "Heat: A crime saga"),
        ("{title}: {tagline}", {"title": "Heat"}, "Heat"),
        ("{title}: {tagline}", {"tagline": "A crime saga"}, "A crime saga"),
        ("{title} ({year})", {"title": "Heat"}, "Heat"),
        ("{title} ({year}), {place}", {"title": "Heat", "place": "LA"}, "Heat, LA"),
        ("{a}, {b}, {c}", {"a": "A", "c": "C"}, "A, C"),
        ("{a} - {b} - {c}", {"b": "B"}, "B"),
        ("({a}, {b})", {"a": "A"}, "(A)"),
        ("({a}, {b})", {"b": "B"}, "(B)"),
        ("{a}, {b}.", {"a": "Acme Ltd."}, "Acme Ltd."),
        ("{a}. {b}", {"a": "It ends.", "b": "It goes on"}, "It ends. It goes on"),
        ('{a} "{b}" by {c}', {"a": "A", "c": "C"}, "A by C"),
        ("{姓名}（{字}）：{描述}。", {"姓名": "林黛玉", "描述": "寄居贾府"}, "林黛玉：寄居贾府。"),
        ("{{{a}}} of {b}", {"a": "x"}, "{x} of"),
        ("always the same", {}, "always the same"),
        ("{a}", {"a": "  "}, "film"),
        ("a film called {title}", {}, "film"),
    ],
)
def test_a_missing_value_leaves_no_dangling_marks(template: str, properties: dict[str, str], text: str) -> None:
    assert told(template, **properties) == text


@pytest.mark.parametrize(
    ("template", "place"),
    [
        ("{a.b}", 1),
        ("by {a!r}", 4),
        ("{a:>3}", 1),
        ("{a[0]}", 1),
        ("{", 1),
        ("a } b", 3),
        ("{}", 1),
        ("{ a}", 1),
        ("{a}}", 4),
        ("{a{b}}", 1),
    ],
)
def test_what_is_no_template_is_refused_by_label_and_place(template: str, place: int) -> None:
    with pytest.raises(InvalidSettings, match=rf"'Film'.*character {place} of .*name of a property"):
        GraphSettings(templates={"Film": template})


def test_an_empty_template_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="empty template for label 'Film'"):
        GraphSettings(templates={"Film": " "})


def test_the_first_label_of_the_settings_counts_and_others_are_told_as_ever() -> None:
    settings = GraphSettings(templates={"B": "b {name}", "A": "a {name}"})
    assert verbalize(["A", "B"], {"name": "x"}, settings) == "b x"
    assert verbalize(["A"], {"name": "x"}, settings) == "a x"
    assert verbalize(["C"], {"name": "x"}, settings) == "x (c)"


def test_all_that_a_text_may_need_is_asked_for_once() -> None:
    settings = GraphSettings(
        names=("name", "title"), texts=("plot", "name"), templates={"Film": "{plot} {year} {year}"}
    )
    assert shown_properties(settings) == ("name", "title", "plot", "year")


@given(st.lists(NAMES, min_size=1, max_size=5), st.data())
def test_any_name_without_marks_can_stand_in_a_template(names: list[str], data: st.DataObject) -> None:
    literal = st.text(string.ascii_letters + " ,.:()[]-", max_size=5)
    literals = [data.draw(literal) for _ in range(len(names) + 1)]
    template = literals[0] + "".join(f"{{{name}}}{after}" for name, after in zip(names, literals[1:], strict=True))
    assert template_parts(template) == (tuple(literals), tuple(names))
    values = {name: f"<{number}>" for number, name in enumerate(dict.fromkeys(names))}
    text = verbalize(["L"], values, GraphSettings(templates={"L": template}))
    assert text == (literals[0] + "".join(values[n] + a for n, a in zip(names, literals[1:], strict=True))).strip()


@given(st.text("ab {}.:!", max_size=12))
def test_a_text_with_braces_is_a_template_or_an_error_and_nothing_else(template: str) -> None:
    try:
        literals, names = template_parts(template)
    except InvalidSettings:
        return
    written = "".join(
        part.replace("{", "{{").replace("}", "}}") + name
        for part, name in zip(literals, [*(f"{{{n}}}" for n in names), ""], strict=True)
    )
    assert written == template


@given(st.sets(st.sampled_from("abc")), st.text("x ,.:;-()", max_size=4), st.text("x ,.:;-()", max_size=4))
def test_values_are_never_changed_by_what_is_missing(there: set[str], first: str, second: str) -> None:
    values = {name: f"V{name}." for name in there}
    text = verbalize(["L"], values, GraphSettings(templates={"L": f"{{a}}{first}{{b}}{second}{{c}}"}))
    place = 0
    for name in sorted(there):
        place = text.index(f"V{name}.", place) + 1
    assert not there or "None" not in text


def test_a_text_that_ends_its_sentence_gets_no_second_full_stop() -> None:
    settings = GraphSettings(texts=("short", "long"))
    found = verbalize(["包"], {"name": "甲", "short": "短句。", "long": "长文"}, settings)
    assert found == "甲 (包). 短句。 长文"
