"""Files of triples with a column for the decision: CSV, or one JSON object per line where the name ends in .jsonl."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neo4j_relpred.errors import InvalidQuery
from neo4j_relpred.triples import Triple

if TYPE_CHECKING:
    from neo4j_relpred.graph.decisions import Decision, Wish
    from neo4j_relpred.graph.pending import Pending

__all__ = ["REASONS", "pending_row", "read_wishes", "told_row", "write_rows"]

REASONS = ("duplicate", "contradiction", "less-specific", "unsupported", "wrong-kind", "other")
VERDICTS = {"accept": "accepted", "accepted": "accepted", "reject": "rejected", "rejected": "rejected"}
TRIPLE = ("head", "relation", "tail")
COLUMNS = (*TRIPLE, "head_name", "tail_name", "probability", "evidence", "decision", "reason", "note")
OUTSIDE = "'"  # what a spreadsheet must not take for a formula begins with this
FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def pending_row(one: Pending) -> dict[str, Any]:
    """A triple that waits for a decision."""
    triple = {name: getattr(one.triple, name) for name in TRIPLE}
    told = (one.head_name, one.tail_name, one.probability, one.evidence, "", "", "")
    return triple | dict(zip(COLUMNS[3:], told, strict=True))


def told_row(one: Decision) -> dict[str, Any]:
    """A triple that was decided about."""
    triple = {name: getattr(one.triple, name) for name in TRIPLE}
    told = ("", "", one.probability, "", one.verdict.removesuffix("ed"), one.reason, one.note)
    return triple | dict(zip(COLUMNS[3:], told, strict=True))


def write_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes what `pending_row` and `told_row` make."""
    with file.open("w", encoding="utf-8", newline="") as out:
        if file.suffix == ".jsonl":
            out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            return
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        writer.writerows({name: _shielded(value) for name, value in row.items()} for row in rows)


def read_wishes(file: Path) -> list[Wish]:
    """The decisions of a file; rows without one are passed over. Raises InvalidQuery when a row is not understood."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:  # spreadsheets put a mark before UTF-8
            return list(_wishes(file, map(json.loads, lines) if file.suffix == ".jsonl" else _csv_rows(lines)))
    except OSError as error:
        raise InvalidQuery(f"{file} cannot be read.", hint="Name a file that `relpred review export` wrote.") from error
    except (KeyError, ValueError, AttributeError, TypeError, csv.Error) as error:
        raise InvalidQuery(
            f"{file} is not a file of decisions.", hint=f"It needs the columns {', '.join(TRIPLE)} and decision."
        ) from error


def _wishes(file: Path, rows: Iterable[Mapping[str, Any]]) -> Iterator[Wish]:
    from neo4j_relpred.graph.decisions import Wish

    for number, row in enumerate(rows, start=1):
        triple = Triple(*(str(row[name]) for name in TRIPLE))
        said, reason = (row["decision"] or "").strip().lower(), (row.get("reason") or "").strip()
        if not said:
            continue
        verdict = VERDICTS.get(said)
        if verdict is None or (reason and reason not in REASONS):
            raise InvalidQuery(
                f"Triple {number} of {file}: decision {said!r}, reason {reason!r}.",
                hint=f"The decision is accept or reject, the reason empty or one of {', '.join(REASONS)}.",
            )
        yield Wish(triple, verdict, reason, row.get("note") or "")  # type: ignore[arg-type]  # both were looked at


def _csv_rows(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    for row in csv.DictReader(lines):
        yield {name: _plain(value) for name, value in row.items() if isinstance(value, str)}


def _shielded(value: Any) -> Any:
    """Texts of the graph that a spreadsheet would run, as texts."""
    return OUTSIDE + value if isinstance(value, str) and value.startswith((*FORMULAS, OUTSIDE)) else value


def _plain(value: str) -> str:
    return value[1:] if value.startswith(tuple(OUTSIDE + mark for mark in (*FORMULAS, OUTSIDE))) else value
