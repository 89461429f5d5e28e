"""Snapshots: the same data is the same snapshot, and damage is noticed."""

from __future__ import annotations

import random
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.data.changes import Changes, compare
from neo4j_relpred.data.kept import KeptSnapshots
from neo4j_relpred.data.snapshot import Node, Snapshot, property_column, sorted_rows
from neo4j_relpred.errors import SnapshotCorrupt, StorageFailed
from neo4j_relpred.triples import Triple

NODES = [
    Node("ada", "4:x:1", ("Person", "Mathematician"), {"name": "Ada", "born": "1815"}),
    Node("bab", "4:x:2", ("Person",), {"name": "Babbage"}),
    Node("eng", "4:x:3", (), {}),
]
TRIPLES = [Triple("ada", "KNOWS", "bab"), Triple("bab", "BUILT", "eng"), Triple("ada", "KNOWS", "ada")]


@st.composite
def rows(draw: st.DrawFn) -> tuple[list[Node], list[Triple]]:
    ids = draw(st.lists(st.text(max_size=3), min_size=1, max_size=5, unique=True))
    words = st.dictionaries(st.sampled_from(["name", "about"]), st.text(max_size=3))
    labels = st.lists(st.sampled_from("ABC"), unique=True).map(tuple)
    nodes = [Node(i, f"4:{n}", draw(labels), draw(words)) for n, i in enumerate(ids)]
    ends = st.sampled_from(ids)
    triples = draw(st.lists(st.builds(Triple, ends, st.sampled_from(["R", "S"]), ends), max_size=8))
    return nodes, triples


@given(rows(), st.randoms(use_true_random=False))
def test_the_order_of_rows_is_nothing(data: tuple[list[Node], list[Triple]], order: random.Random) -> None:
    nodes, triples = data
    snapshot = Snapshot.of(nodes, triples)
    mixed = [
        replace(
            node,
            labels=tuple(order.sample(node.labels, len(node.labels))),
            properties=dict(order.sample(list(node.properties.items()), len(node.properties))),
        )
        for node in order.sample(nodes, len(nodes))
    ]
    again = Snapshot.of(mixed, order.sample([*triples, *triples[:2]], len(triples) + len(triples[:2])))
    assert again.content_hash == snapshot.content_hash
    assert again.ids == sorted(snapshot.ids)
    np.testing.assert_array_equal(again.triples, snapshot.triples)


@given(rows())
def test_element_ids_do_not_count_but_everything_else_does(data: tuple[list[Node], list[Triple]]) -> None:
    nodes, triples = data
    snapshot = Snapshot.of(nodes, triples)
    reloaded = [replace(node, element_id=f"5:{node.element_id}") for node in nodes]
    assert Snapshot.of(reloaded, triples).content_hash == snapshot.content_hash
    relabelled = [replace(nodes[0], labels=(*nodes[0].labels, "New")), *nodes[1:]]
    retold = [replace(nodes[0], properties={**nodes[0].properties, "other": "x"}), *nodes[1:]]
    extra = Triple(nodes[0].id, "NEW", nodes[0].id)
    others = [
        Snapshot.of(relabelled, triples),
        Snapshot.of(retold, triples),
        Snapshot.of(nodes, [*triples, extra]),
        Snapshot.of([*nodes, Node("a new node", "4:new", (), {})], triples),
    ]
    assert len({snapshot.content_hash, *(other.content_hash for other in others)}) == 5


def test_an_edge_that_changes_only_its_type_changes_the_hash() -> None:
    types = [[Triple("ada", name, "bab")] for name in ("KNOWS", "LIKES")]
    assert len({Snapshot.of(NODES, triples).content_hash for triples in types}) == 2


@pytest.mark.parametrize("triples", [TRIPLES, []], ids=["edges", "no edges"])
@pytest.mark.parametrize("nodes", [NODES, [*NODES[:2], replace(NODES[2], properties={"name": "Ünïcode \x00"})]])
def test_a_snapshot_read_back_is_the_same(nodes: list[Node], triples: list[Triple], tmp_path: Path) -> None:
    snapshot = Snapshot.of(nodes, triples)
    again = Snapshot.read(snapshot.write(tmp_path / "s"))
    assert again.content_hash == snapshot.content_hash
    assert again.ids == snapshot.ids
    assert again.element_ids == snapshot.element_ids
    assert again.labels == snapshot.labels
    assert again.properties() == snapshot.properties()
    assert again.relations == snapshot.relations
    np.testing.assert_array_equal(again.triples, snapshot.triples)


def test_an_empty_snapshot_can_be_kept(tmp_path: Path) -> None:
    again = Snapshot.read(Snapshot.of([], []).write(tmp_path / "s"))
    assert again.ids == []
    assert again.triples.shape == (0, 3)


def test_rows_of_indices_become_words() -> None:
    snapshot = Snapshot.of(NODES, TRIPLES)
    assert {snapshot.triple(row) for row in snapshot.triples} == set(TRIPLES)
    assert snapshot.index == {"ada": 0, "bab": 1, "eng": 2}
    assert snapshot.relation_index == {"BUILT": 0, "KNOWS": 1}
    assert snapshot.labels[0] == ("Mathematician", "Person")


def test_an_edge_to_nowhere_is_an_error() -> None:
    with pytest.raises(KeyError):
        Snapshot.of(NODES, [Triple("ada", "KNOWS", "nobody")])


@pytest.mark.parametrize("name", ["nodes.parquet", "edges.parquet"])
def test_a_flipped_byte_is_noticed(name: str, tmp_path: Path) -> None:
    folder = Snapshot.of(NODES, TRIPLES).write(tmp_path / "s")
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(SnapshotCorrupt, match="relpred snapshot"):
        Snapshot.read(folder)


def test_a_snapshot_of_another_format_is_refused(tmp_path: Path) -> None:
    folder = Snapshot.of(NODES, TRIPLES).write(tmp_path / "s")
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 2', '"format": 99'))
    with pytest.raises(SnapshotCorrupt, match="another format"):
        Snapshot.read(folder)


@given(rows(), rows())
def test_changes_are_counted_and_none_means_the_same_snapshot(
    before: tuple[list[Node], list[Triple]], after: tuple[list[Node], list[Triple]]
) -> None:
    first, second = Snapshot.of(*before), Snapshot.of(*after)
    there, back = compare(first, second), compare(second, first)
    assert not compare(first, first)
    assert (there.new, there.gone, there.new_edges) == (back.gone, back.new, back.gone_edges)
    assert (there.text, there.neighborhood) == (back.text, back.neighborhood)
    assert (not there) == (first.content_hash == second.content_hash)


def test_a_first_snapshot_is_all_change() -> None:
    assert compare(None, Snapshot.of(NODES, TRIPLES)) == Changes(new=("ada", "bab", "eng"), new_edges=3)


def test_changes_name_the_nodes_whose_text_and_whose_neighbourhood_changed() -> None:
    before = Snapshot.of(NODES, TRIPLES)
    retold = [replace(NODES[0], properties={"name": "Ada Lovelace"}), *NODES[1:], Node("new", "4:x:9", (), {})]
    after = Snapshot.of(retold, [*TRIPLES[:2], Triple("eng", "MADE_FOR", "ada")])
    assert compare(before, after) == Changes(
        new=("new",), text=("ada",), neighborhood=("ada", "eng"), new_edges=1, gone_edges=1
    )


def with_property(snapshot: Snapshot, name: str, values: list[Any]) -> Snapshot:
    return replace(snapshot, edges=sorted_rows(snapshot.edges.append_column(property_column(name), pa.array(values))))


def test_properties_of_edges_are_content_and_the_smallest_one_dates_a_triple() -> None:
    plain = Snapshot.of(NODES[:2], [Triple("ada", "KNOWS", "bab")])
    twice = replace(plain, edges=pa.concat_tables([plain.edges, plain.edges]))
    old, new = (with_property(twice, "since", values) for values in ([1840.0, 1833.0], [1840.0, None]))
    assert len(old.triples) == 1
    np.testing.assert_array_equal(old.edge_property("since"), [1833.0])
    np.testing.assert_array_equal(new.edge_property("since"), [1840.0])
    assert with_property(twice, "since", ["b", None]).edge_property("since") == ["b"]
    assert old.edge_property("until") is None
    assert old.edge_property_names == ("since",)
    assert len({plain.content_hash, twice.content_hash, old.content_hash, new.content_hash}) == 4
    assert compare(old, new).neighborhood == ("ada", "bab")
    assert compare(old, new).edges == 0


def test_a_property_that_no_node_has_is_as_if_nobody_had_asked_for_it() -> None:
    plain = Snapshot.of(NODES, TRIPLES)
    nothing = pa.nulls(3, pa.large_string())
    asked = replace(plain, nodes=plain.nodes.append_column(property_column("title"), nothing))
    assert asked.content_hash == plain.content_hash
    assert asked.properties() == plain.properties()


def test_kept_snapshots_make_way_for_newer_ones(tmp_path: Path) -> None:
    kept = KeptSnapshots(tmp_path / "snapshots", keep=2)
    with pytest.raises(SnapshotCorrupt, match="no snapshot"):
        kept.read()
    for number in range(1, 4):
        assert kept.add(Snapshot.of(NODES[:number], [])) == number
    assert kept.numbers() == [2, 3]
    assert (len(kept.read().ids), len(kept.read(2).ids), kept.stamp) == (3, 2, 3)
    with pytest.raises(SnapshotCorrupt, match="There are 2, 3"):
        kept.read(1)


def test_a_snapshot_that_somebody_goes_on_from_stays(tmp_path: Path) -> None:
    snapshots = [Snapshot.of(NODES[:number], []) for number in range(1, 4)]
    used = {snapshots[0].content_hash}
    kept = KeptSnapshots(tmp_path / "snapshots", 1, lambda: used)
    for snapshot in snapshots:
        kept.add(snapshot)
    assert kept.numbers() == [1, 3]
    used.clear()
    (tmp_path / "snapshots" / "000001" / "manifest.json").write_text("{}")
    kept.add(snapshots[1])
    assert kept.numbers() == [4]


def test_a_disk_that_is_full_costs_nothing_that_stood_there(tmp_path: Path) -> None:
    kept = KeptSnapshots(tmp_path, keep=1)
    kept.add(Snapshot.of(NODES, TRIPLES))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))  # bytes of a file, where a full disk would stop it
    try:
        with pytest.raises(StorageFailed, match=r"cannot be written.*Free some space"):
            kept.add(Snapshot.of(NODES[:1], []))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert kept.numbers() == [1]
    assert len(kept.read().ids) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"000001", "lock"}
