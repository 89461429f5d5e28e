"""Triples that a person wants to have judged, from a file with the columns head, relation, tail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from neo4j_relpred.errors import InvalidQuery
from neo4j_relpred.triples import Triple

__all__ = ["COLUMNS", "read_candidates"]

COLUMNS = ("head", "relation", "tail")


def read_candidates(file: Path) -> list[Triple]:
    """Triples of a Parquet file (.parquet), or of a text with commas or tabs (.tsv) between, maybe gzipped.

    Nodes go by their keys, as the rest of the commands names them; other columns are passed over. Raises InvalidQuery.
    """
    hint = f"It needs a header row with the columns {', '.join(COLUMNS)}; nodes are named by their key."
    try:
        columns = [_texts(_table(file).column(name)) for name in COLUMNS]
    except (OSError, KeyError, pa.ArrowException) as error:
        raise InvalidQuery(f"{file} cannot be read as a list of triples.", hint=hint) from error
    rows = list(zip(*columns, strict=True))
    for number, row in enumerate(rows, start=1):
        if None in row or "" in row:
            raise InvalidQuery(f"Triple {number} of {file} lacks a part.", hint=hint)
    return [Triple(*row) for row in rows]


def _table(file: Path) -> pa.Table:
    if file.suffix == ".parquet":
        return pa.parquet.read_table(file, columns=list(COLUMNS))
    tabs = ".tsv" in file.suffixes
    every = pa.csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()), strings_can_be_null=False)
    return pa.csv.read_csv(
        file, parse_options=pa.csv.ParseOptions(delimiter="\t" if tabs else ","), convert_options=every
    )


def _texts(column: Any) -> list[str | None]:
    found: list[str | None] = column.cast(pa.string()).to_pylist()
    return found
