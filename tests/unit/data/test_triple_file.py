"""Triples that a person wrote down."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from neo4j_relpred.data.triple_file import read_triple_file
from neo4j_relpred.errors import InvalidSettings

ENTITIES = {"ada": 0, "bab": 1, "zoë": 2}
RELATIONS = {"KNOWS": 0}
TEXT = "head\trelation\ttail\nada\tKNOWS\tbab\nzoë\tKNOWS\tada\nada\tKNOWS\tbab\nada\tLIKES\tbab\nbob\tKNOWS\tada\n"


@pytest.mark.parametrize("name", ["t.tsv", "t.tsv.gz"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_known_triples_are_read_once_and_unknown_ones_counted(name: str, newline: str, tmp_path: Path) -> None:
    data = TEXT.replace("\n", newline).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    triples, unknown = read_triple_file(tmp_path / name, ENTITIES, RELATIONS)
    assert triples.tolist() == [[0, 0, 1], [2, 0, 0]]
    assert unknown == 2


def test_lines_of_another_shape_and_missing_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="no file"):
        read_triple_file(tmp_path / "t.tsv", ENTITIES, RELATIONS)
    (tmp_path / "t.tsv").write_text("head,relation,tail\nada,KNOWS,bab\n")
    with pytest.raises(InvalidSettings, match="three columns"):
        read_triple_file(tmp_path / "t.tsv", ENTITIES, RELATIONS)


def test_a_file_of_nothing_but_its_header_holds_no_triples(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("head\trelation\ttail\n")
    triples, unknown = read_triple_file(tmp_path / "t.tsv", ENTITIES, RELATIONS)
    assert (triples.shape, unknown) == ((0, 3), 0)
