"""Settings guessed from a schema."""

from __future__ import annotations

from typing import Any

import pytest

from neo4j_relpred.graph.facts import PropertyInfo
from neo4j_relpred.graph.proposal import propose
from neo4j_relpred.graph.proposed_keys import KeyFacts
from tests.unit.graph.schemas import prop, relation, schema

TITLES = ("Heat", "Alien", "Brazil", "The Third Man")
PLOTS = ("A policeman hunts a thief through the city.", "A crew meets something on its way home.")
NAMES = ("Ada Lovelace", "Grace Hopper")


class Probe:
    """Finds duplicates in the properties that it is told of."""

    def __init__(self, *twice: tuple[str, str]) -> None:
        self.twice = twice

    def facts(self, label: str, name: str) -> KeyFacts:
        return KeyFacts(100, 100, 99 if (label, name) in self.twice else 100)


# keys


def test_a_constrained_property_is_the_key_even_beside_an_id() -> None:
    found = propose(schema(prop("id"), prop("slug"), unique=frozenset({("Film", "slug")})))
    assert found.keys == {"Film": "slug"}
    assert found.key_choice.notes == {"Film": "unique by a constraint"}


def test_a_unique_filled_property_that_looks_like_an_id_is_the_key() -> None:
    found = propose(schema(prop("imdbId"), prop("filmId", kind="integer"), prop("title", *TITLES)))
    assert found.keys == {"Film": "filmId"}
    assert "no constraint" in found.key_choice.notes["Film"]
    assert found.key_choice.unguarded == ("Film",)


def test_what_only_looks_unique_in_the_sample_is_no_key() -> None:
    properties = (prop("id", kind="integer"), prop("code", "A1", "B2"), prop("title", *TITLES))
    assert propose(schema(*properties), Probe(("Film", "id"))).keys == {"Film": "code"}
    assert propose(schema(*properties), Probe(("Film", "id"), ("Film", "code"))).keys == {"Film": "title"}


@pytest.mark.parametrize("changes", [{"fill": 0.9}, {"distinct": 0.9}, {"kind": "list"}, {"kind": "float"}])
def test_what_does_not_identify_is_no_key(changes: dict[str, Any]) -> None:
    found = propose(schema(prop("id", **changes)))
    assert found.keys == {}
    assert [several.labels for several in found.key_choice.without] == [("Film",)]


def test_a_label_whose_nodes_have_a_key_by_another_label_needs_none() -> None:
    properties = (
        prop("id", label="Person"),
        prop("id", label="Actor"),
        prop("id", label="Robot"),
        prop("id", label="Machine", distinct=0.5),
    )
    sets = {("Actor", "Person"): 20, ("Person",): 80, ("Machine", "Robot"): 10, ("Machine",): 20}
    labels = {"Person": 100, "Actor": 20, "Robot": 10, "Machine": 30}
    found = propose(schema(*properties, labels=labels, sets=sets))
    assert found.keys == {"Person": "id", "Robot": "id"}
    assert [several.labels for several in found.key_choice.without] == [("Machine",)]


# names


def named(label: str, name: str, *values: str, **changes: Any) -> PropertyInfo:
    return prop(name, *(values or TITLES), label=label, **changes)


def test_each_label_is_named_by_what_fits_it() -> None:
    found = propose(
        schema(
            named("Product", "productName"),
            named("Product", "fileName"),
            named("Supplier", "companyName"),
            named("Supplier", "contactName"),
            named("人物", "姓名", "林黛玉", "贾宝玉"),
            named("Vehicle", "reg", "RY52 APF", "AB12 CDE"),
            named("Vehicle", "make", "Toyota", "Ford", distinct=0.1),
            named("Crime", "digest", "10305fdb9613b698a9fe8a26468564eb"),
            prop("port", kind="integer", label="Port"),
        )
    )
    assert found.naming == {
        "Product": "productName",
        "Supplier": "companyName",
        "人物": "姓名",
        "Vehicle": "reg",
        "Port": "port",
    }


def test_a_name_comes_before_a_title_where_nodes_have_both() -> None:
    found = propose(
        schema(
            named("Book", "title"),
            named("Person", "name", *NAMES),
            named("Person", "title", "Dr", "Mrs", distinct=0.1),
        )
    )
    assert found.names == ("name", "title")
    assert found.texts == ()


def test_the_order_of_names_suits_every_label() -> None:
    """The title of a job comes behind the surname, the title of a book is its name."""
    found = propose(
        schema(
            named("Book", "title"),
            named("Employee", "lastName", "Davolio", "Fuller"),
            named("Employee", "title", "Sales Representative", "Vice President of Sales", distinct=0.3),
        )
    )
    assert found.names == ("lastName", "title")
    assert found.texts == ("title",)  # of employees; a book is not told its title twice


# texts


def test_texts_are_what_tells_an_encoder_something() -> None:
    found = propose(
        schema(
            prop("id", "a1", "b2"),
            prop("title", *TITLES),
            prop("plot", *PLOTS),
            prop("genre", "Science Fiction", "Crime", distinct=0.1),
            prop("poster", "https://example.org/a.png", "https://example.org/b.png"),
            prop("imdbId", "tt0113277", "tt0078748", fill=0.5),
            prop("premiere", "1995-12-15", "1979-05-25"),
            prop("digest", "10305fdb9613b698a9fe8a26468564eb", "20305fdb9613b698a9fe8a26468564eb"),
            prop("contact", "ada@example.org", "grace@example.org"),
            prop("phone", "0161 496 0000", "0161 496 0001"),
            prop("password", "correct horse battery", "staple of all things"),
            prop("address", "12 Long Street, Leeds", "7 Short Street, Hull"),
            prop("producerName", *NAMES),
            prop("status", "released", "released", distinct=0.01),
            prop("remark", "NULL", "NULL", "seen twice", distinct=0.1),
            prop("keywords", "bank robbery, police, los angeles", "space, android, survival", kind="list"),
            prop("year", kind="integer"),
        )
    )
    assert found.texts == ("genre", "keywords", "plot")
    left_out = found.text_choice.left_out
    assert left_out["password"] == "may be secret"
    assert left_out["premiere"] == "dates"
    assert {"poster", "phone", "address", "status", "remark", "producerName", "imdbId"} <= left_out.keys()


def test_chinese_texts_are_texts() -> None:
    found = propose(
        schema(
            named("人物", "姓名", "林黛玉", "贾宝玉"),
            named("人物", "简介", "寄居贾府的才女，性情孤高", "荣国府的公子，厌恶功名"),  # noqa: RUF001
            named("人物", "家族", "林家", "贾家", distinct=0.1),
            named("人物", "编号", "A001", "A002"),
            named("人物", "出生日期", "1715年4月26日", "1716年2月12日"),
        )
    )
    assert (found.keys, found.names, found.texts) == ({"人物": "编号"}, ("姓名",), ("家族", "简介"))


def test_a_part_of_a_name_is_a_text_since_it_tells_families() -> None:
    found = propose(schema(named("Person", "name", *NAMES), named("Person", "surname", "Hamilton", "Brown")))
    assert found.texts == ("surname",)


def test_what_another_text_says_too_and_what_an_edge_says_is_no_text() -> None:
    found = propose(
        schema(
            prop("title", *TITLES),
            prop("short", "A policeman hunts a thief", "A crew meets something", repeated_in="plot"),
            prop("plot", *PLOTS),
            prop("city", "Los Angeles", "New York", distinct=0.3),
            copies={("Film", "city"): "SET_IN"},
        )
    )
    assert found.texts == ("plot",)
    assert found.text_choice.left_out == {"city": "says what SET_IN says", "short": "plot says the same and more"}


# types


def test_types_of_which_nothing_can_be_missing_are_not_predicted() -> None:
    types = (
        relation("ACTED_IN", 500),
        relation("FOLLOWS", 3),
        relation("IN_UNIVERSE", 80, only_tail=True),
        relation("CONTAINS", 80, only_head=True),
        relation("BORN_IN", 100, complete_head="Person"),
        relation("OWNS", 100, complete_tail="Car, Bike"),
        relation("PARENT_OF", 60, inverse={"CHILD_OF": 1.0}),
        relation("CHILD_OF", 60, inverse={"PARENT_OF": 0.97}),
        relation("KNOWS", 90, same={"FRIEND_OF": 1.0}),
        relation("FRIEND_OF", 40, same={"KNOWS": 1.0}),
        relation("LIKES", 90, same={"ACTED_IN": 1.0}),
    )
    found = propose(schema(prop("id"), relations=types)).types
    assert found.relations == ("ACTED_IN", "CHILD_OF", "KNOWS", "LIKES")
    assert found.left_out == {
        "FOLLOWS": "too few edges to learn from: 3",
        "IN_UNIVERSE": "one-sided: all 80 edges end in one node",
        "CONTAINS": "one-sided: all 80 edges start from one node",
        "BORN_IN": "complete: every Person node has exactly one already",
        "OWNS": "complete: every Car and Bike node is at the end of exactly one already",
        "PARENT_OF": "derived: CHILD_OF holds on the same pairs, the other way round",
        "FRIEND_OF": "derived: KNOWS holds on the same pairs",
    }
    assert not found.least_bad


@pytest.mark.parametrize(
    ("types", "taken"),
    [
        ((relation("A", 3), relation("B", 7)), "B"),
        ((relation("A", 3), relation("B", 70, complete_head="Film")), "B"),
        ((relation("A", 3), relation("B", 70, only_head=True)), "A"),
    ],
)
def test_where_all_are_left_out_the_least_bad_is_taken(types: tuple[Any, ...], taken: str) -> None:
    found = propose(schema(prop("id"), relations=types)).types
    assert (found.relations, found.least_bad) == ((taken,), True)


# edges, and the notes of tools


def test_numbers_and_times_on_edges_are_kept_and_ids_are_not() -> None:
    on_edges = (
        prop("rating", label="RATED", kind="integer", span=(1.0, 5.0)),
        prop("userId", label="RATED", kind="integer", span=(1.0, 900.0)),
        prop("always", label="RATED", kind="integer", span=(1.0, 1.0)),
        prop("at", label="RATED", kind="integer", span=(1.5e9, 1.6e9)),
        prop("since", label="RATED", kind="integer", span=(1990.0, 2020.0), fill=0.6),
        prop("on", label="RATED", kind="date", fill=0.9),
        prop("note", "fine", "so so", label="RATED"),
        prop("rare", label="RATED", kind="float", span=(0.0, 1.0), fill=0.1),
    )
    found = propose(schema(prop("id"), relations=(relation("RATED", properties=on_edges),)))
    assert {p.name for p in found.edge_properties} == {"rating", "at", "since", "on"}
    assert [p.name for p in found.time_properties] == ["at", "on", "since"]


def test_every_label_and_type_is_read_unless_a_tool_keeps_its_notes_in_the_graph() -> None:
    assert propose(schema(prop("id"))).labels == ()
    notes = relation("_NEXT", ends=(("_Migration", "_Migration"),))
    found = propose(schema(prop("id"), prop("id", label="_Migration"), relations=(relation("DIRECTED"), notes)))
    assert (found.labels, found.relations, found.bookkeeping) == (("Film",), (), ("_Migration",))
    used = relation("ABOUT", ends=(("_Migration", "Film"),))
    assert propose(schema(prop("id"), prop("id", label="_Migration"), relations=(used,))).labels == ()
