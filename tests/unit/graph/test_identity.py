"""The rule between nodes and entity ids, without a server."""

from __future__ import annotations

from typing import Any

import pytest

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.errors import InvalidSettings
from neo4j_relpred.graph.client import Counters, Row
from neo4j_relpred.graph.identity import Identity


class Nodes:
    """A client that knows one label's nodes by the values that are asked for, and keeps what was asked."""

    def __init__(self, stored: dict[Any, str]) -> None:
        self.stored = stored
        self.asked: list[list[Any]] = []

    def read(self, query: str, /, **parameters: Any) -> list[Row]:
        if "values" not in parameters:
            return [{"elements": []}]
        self.asked.append(parameters["values"])
        found = {
            value: element
            for value, element in self.stored.items()
            if any(
                value == asked and isinstance(value, str) == isinstance(asked, str) for asked in parameters["values"]
            )
        }
        return [{"elements": list(found.values()), "key_values": list(found)}]

    def write(self, query: str, /, **parameters: Any) -> Counters:
        raise AssertionError("to look nodes up is only to read")

    def schema(self, query: str, /) -> None:
        raise AssertionError("to look nodes up is only to read")

    def close(self) -> None:
        return


ONE = Identity(GraphSettings(keys={"Thing": "id"}))
TWO = Identity(GraphSettings(keys={"Person": "id", "Thing": "code"}))


def test_one_key_gives_plain_ids() -> None:
    assert ONE.entity_id(["Thing"], {"id": 7}, "4:x:1") == "7"


def test_several_keys_give_ids_with_their_label() -> None:
    assert TWO.entity_id(["Thing"], {"id": "unused", "code": "c"}, "4:x:1") == "Thing:c"


def test_the_order_of_the_settings_decides_between_two_labels() -> None:
    assert TWO.entity_id(["Thing", "Person"], {"id": 1, "code": "c"}, "4:x:1") == "Person:1"
    assert TWO.entity_id(["Thing", "Person"], {"id": None, "code": "c"}, "4:x:1") == "Thing:c"


def test_a_node_without_a_key_goes_by_its_element_id() -> None:
    assert ONE.entity_id(["Other"], {"id": 7}, "4:x:1") == "4:x:1"
    assert ONE.entity_id(["Thing"], {}, "4:x:1") == "4:x:1"


def test_a_list_cannot_identify_a_node() -> None:
    with pytest.raises(InvalidSettings, match="list"):
        ONE.entity_id(["Thing"], {"id": [1]}, "4:x:1")


def test_ids_are_looked_up_as_strings_and_as_the_numbers_that_print_like_them() -> None:
    client = Nodes({7: "4:x:7", "007": "4:x:8"})
    found = ONE.resolve(client, ["7", "007"]).found
    assert {entity: node.element_id for entity, node in found.items()} == {"7": "4:x:7", "007": "4:x:8"}
    assert client.asked == [["007", "7", 7]]


def test_a_number_and_a_string_that_print_alike_are_ambiguous() -> None:
    answer = ONE.resolve(Nodes({7: "4:x:7", "7": "4:x:8"}), ["7"])
    assert answer.ambiguous == {"7"}
    assert not answer.found


def test_a_number_that_only_equals_the_wanted_one_is_another_node() -> None:
    assert ONE.resolve(Nodes({1.0: "4:x:1"}), ["1"]).found == {}


def test_numbers_beyond_the_range_of_the_server_are_not_sent() -> None:
    client = Nodes({})
    ONE.resolve(client, [str(2**63)])
    assert client.asked == [[str(2**63)]]


def test_what_somebody_else_sees_identifies_a_node_as_it_would_here_or_not_at_all() -> None:
    identity = Identity(GraphSettings(keys={"Person": "uid", "Thing": "code"}))
    labels, values = ["Thing", "Person"], {"uid": None, "code": 7}
    assert identity.seen(labels, values) == identity.entity_id(labels, values, "4:x:1") == "Thing:7"
    assert identity.seen(labels, {"uid": "ada"}) == "Person:ada"  # the first that is set counts
    assert identity.seen(labels, {"code": 7}) is None  # the first was not told
    assert identity.seen(labels, {"uid": None, "code": None}) is None  # it goes by its element id: is it still there?
    assert identity.seen(["Other"], values) is None
    with pytest.raises(InvalidSettings):
        identity.seen(["Person"], {"uid": ["a", "b"]})
