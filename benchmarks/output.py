"""What all benchmarks say, and where they write it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["json_option", "print_figures", "say", "write_json"]


def say(text: str) -> None:
    """What goes on, to standard error: figures alone go to standard output."""
    print(text, file=sys.stderr, flush=True)


def print_figures(figures: Mapping[str, float | str]) -> None:
    """One a line."""
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:<{width}}  {value if isinstance(value, str) else format(value, '.4f'):>10}")


def json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")


def write_json(figures: Mapping[str, float | str], file: Path | None) -> None:
    """One flat map, where a file was asked for."""
    if file is not None:
        file.write_text(json.dumps(dict(figures), indent=2) + "\n", encoding="utf-8")
