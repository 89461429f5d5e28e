"""The demo as a benchmark: its figures as a table, and as one flat JSON map.

    python -m benchmarks.demo [--minutes 4] [--line 5] [--json FILE]

CoDEx-S on an embedded Neo4j, from the empty server to the published edges; filtered ranking over all candidates on the
test triples of the data set, beside the best of the cheap baselines of the same run.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.output import json_option, say, write_json
from neo4j_relpred.demo.run import DemoOptions, Show, run_demo

FIGURES = (
    "relation_hits_at_1",
    "entity_mrr",
    "ece",
    "edges_published",
    "best_baseline_relation_hits_at_1",
    "best_baseline_entity_mrr",
    "seconds",
)


def measure(minutes: float, line: str | None) -> dict[str, float]:
    """Runs the demo; what it says goes to standard error."""

    def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """The benchmark prints a table of its own."""

    show = Show(say=say, table=table, report=lambda report, title: None)
    with tempfile.TemporaryDirectory(prefix="relpred-benchmark-") as folder:
        file = Path(folder) / "figures.json"
        cache = Path(__file__).parents[1] / ".build"
        run_demo(DemoOptions(minutes, line, cache, file, stay=False), show, _Stages())
        found: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))
    return {name: found[name] for name in FIGURES}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo", description="The demo as a benchmark.")
    parser.add_argument("--minutes", type=float, default=4.0, help="time budget of the training (default: 4)")
    parser.add_argument("--line", choices=["5", "2026"], help="server line (default: what the JDK at hand runs)")
    json_option(parser)
    options = parser.parse_args(words)
    figures = measure(options.minutes, options.line)
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:<{width}}  {value:>10,.0f}" if abs(value) >= 10 else f"{name:<{width}}  {value:>10.4f}")
    write_json(figures, options.json)


class _Stages:
    """One line when a stage begins."""

    def __init__(self) -> None:
        self._stage = ""

    def __call__(self, stage: str, share: float) -> None:
        if stage != self._stage:
            self._stage = stage
            say(f"{stage} ...")


if __name__ == "__main__":
    main()
