"""Charts as inline SVG: lines with points, and intervals. Every word in them is escaped here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

__all__ = ["Interval", "Series", "intervals", "lines"]

# Okabe and Ito's colours, which the colour-blind can tell apart; the stylesheet of the page gives them to the classes.
CLASSES = ("first", "second", "third")
WIDTH, HEIGHT = 320, 190
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 12, 34
TICKS = 4
MOST_WORDS = 8  # below a chart whose steps have names
ROW, NAMES = 22, 190  # of intervals: the height of each, the width of what they are called


class Series(NamedTuple):
    """A line. points: x, y; spread: low and high of y, or none."""

    name: str
    points: Sequence[tuple[float, float]]
    spread: Sequence[tuple[float, float]] = ()


class Interval(NamedTuple):
    """A figure with what it may be, and how far below zero it is allowed to lie."""

    name: str
    value: float
    low: float
    high: float
    tolerance: float


@dataclass(frozen=True)
class _Scale:
    """From numbers to places."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Round numbers within it."""
        rough = (self.high - self.low) / TICKS
        size = 10 ** math.floor(math.log10(rough))
        step = min((factor * size for factor in (1, 2, 5, 10)), key=lambda one: abs(one - rough))
        first = math.ceil(self.low / step - 1e-9)
        return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def lines(
    title: str,
    series: Sequence[Series],
    across: str,
    names: Sequence[str] = (),
    *,
    limits: tuple[float, float] | None = None,
    diagonal: bool = False,
) -> str:
    """A chart of lines; `across` says what x is, `names` what its steps from 0 on are called.

    limits: of both axes where x and y are the same thing; diagonal: a line where they are equal.
    """
    series = [_finite(one) for one in series]
    points = [point for one in series for point in one.points]
    if not points:
        return ""
    heights = [y for _, y in points] + [y for one in series for pair in one.spread for y in pair]
    x = _Scale(*(limits or _room([at for at, _ in points], padded=bool(names))), LEFT, WIDTH - RIGHT)
    y = _Scale(*(limits or _room(heights, padded=True)), HEIGHT - BOTTOM, TOP)
    parts = [_grid(x, y, across, names)]
    if diagonal:
        parts.append(_line("even", x(x.low), y(y.low), x(x.high), y(y.high)))
    for one, style in zip(series, CLASSES, strict=False):
        for (at, _), (low, high) in zip(one.points, one.spread, strict=False):
            parts.append(_line(f"{style} spread", x(at), y(low), x(at), y(high)))
        path = " ".join(f"{x(at)},{y(value)}" for at, value in one.points)
        parts.append(f'<polyline class="{style}" points="{path}"/>')
        if names or diagonal:
            parts += [
                f'<circle class="{style}" cx="{x(at)}" cy="{y(value)}" r="3"><title>'
                f"{escape(_said(at, names))}: {_number(value)}</title></circle>"
                for at, value in one.points
            ]
    return _figure(title, "".join(parts), [one.name for one in series] if len(series) > 1 else [])


def intervals(title: str, rows: Sequence[Interval]) -> str:
    """A row for each figure: its interval, zero, and the tolerance below it."""
    rows = [row for row in rows if all(map(math.isfinite, row[1:]))]
    if not rows:
        return ""
    every = [number for row in rows for number in (row.low, row.high, -row.tolerance, 0.0)]
    width, height = 2 * WIDTH, TOP + ROW * len(rows) + BOTTOM
    x = _Scale(*_room(every, padded=True), NAMES, width - RIGHT)
    parts = [_line("axis", x(0), TOP, x(0), height - BOTTOM)]
    for number, row in enumerate(rows):
        middle = TOP + ROW * number + ROW / 2
        style = "second" if row.high < 0 and row.value < -row.tolerance else "first"
        parts.append(f'<text x="{NAMES - 8}" y="{middle + 4}" text-anchor="end">{escape(row.name)}</text>')
        parts.append(_line("even", x(-row.tolerance), middle - 8, x(-row.tolerance), middle + 8))
        parts.append(_line(f"{style} spread", x(row.low), middle, x(row.high), middle))
        told = f"{row.value:+.3f}, {row.low:+.3f} to {row.high:+.3f}"
        parts.append(f'<circle class="{style}" cx="{x(row.value)}" cy="{middle}" r="4"><title>{told}</title></circle>')
    for tick in x.ticks():
        parts.append(_text(x(tick), height - BOTTOM + 16, _number(tick)))
    parts.append(_text((NAMES + width) / 2, height - 4, "difference; below zero: worse than the live version"))
    return _figure(title, "".join(parts), [], (width, height))


def _grid(x: _Scale, y: _Scale, across: str, names: Sequence[str]) -> str:
    parts = []
    for tick in y.ticks():
        parts.append(_line("grid", LEFT, y(tick), WIDTH - RIGHT, y(tick)))
        parts.append(f'<text x="{LEFT - 6}" y="{y(tick) + 4}" text-anchor="end">{_number(tick)}</text>')
    step = -(-len(names) // MOST_WORDS) if names else 1
    places = range(0, len(names), step) if names else x.ticks()
    parts += [_text(x(at), HEIGHT - BOTTOM + 15, _said(at, names)) for at in places]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, across))
    parts.append(_line("axis", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM))
    return "".join(parts)


def _figure(title: str, inside: str, legend: Sequence[str], size: tuple[float, float] = (WIDTH, HEIGHT)) -> str:
    name = escape(title)
    told = "".join(f'<li class="{style}">{escape(one)}</li>' for one, style in zip(legend, CLASSES, strict=False))
    return (
        f'<figure><figcaption>{name}</figcaption><svg role="img" aria-label="{name}" viewBox="0 0 {size[0]} {size[1]}" '
        f'width="{size[0]}" height="{size[1]}">{inside}</svg>{f"<ul>{told}</ul>" if told else ""}</figure>'
    )


def _finite(series: Series) -> Series:
    """Without the points that have no place: figures of a report without questions are no numbers."""
    there = [at for at, point in enumerate(series.points) if all(map(math.isfinite, point))]
    spread = [series.spread[at] for at in there if at < len(series.spread)]
    return Series(series.name, [series.points[at] for at in there], spread)


def _room(values: Sequence[float], *, padded: bool) -> tuple[float, float]:
    """Limits around numbers, with some air where they are padded."""
    low, high = min(values), max(values)
    air = (high - low) * 0.08 if high > low else max(abs(high), 1.0) * 0.1
    return (low - air, high + air) if padded or high == low else (low, high)


def _line(style: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{style}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="middle">{escape(words)}</text>'


def _said(at: float, names: Sequence[str]) -> str:
    return names[int(at)] if names else _number(at)


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
