"""Which settings `relpred tune` tries, and from where to where: the one place that says so. Knows no sampler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neo4j_relpred.config import ModelSettings, Settings, TrainingSettings

__all__ = ["SPACE", "Choice", "Span", "changed", "value_of", "with_values"]

DIGITS = 3  # that a number keeps: more of them would say nothing, and would be hard to read in a file


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    values: tuple[Any, ...]

    def around(self, value: Any) -> Choice:
        """The same with room for a value that is in force."""
        return self if value in self.values else Choice((*self.values, value))

    def nearest(self, value: Any) -> Any:
        """The value itself."""
        return value


@dataclass(frozen=True)
class Span:
    """A number from `low` to `high`; where `log`, each order of size is as likely as another."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def around(self, value: float) -> Span:
        """The same with room for a value that is in force."""
        if self.log and value <= 0:  # no order of size reaches 0
            return self
        return Span(min(self.low, value), max(self.high, value), self.log, self.whole)

    def nearest(self, value: float) -> float:
        """The value, or the end of the span on its side."""
        return min(max(value, self.low), self.high)


# Ranges lie around what was found good on graphs of 2,000 to 40,000 nodes: what is far worse there is left out.
SPACE: dict[str, Choice | Span] = {
    "model.gnn": Choice(("compgcn", "sage", "gat")),
    "model.gnn_layers": Choice((0, 1, 2)),
    "model.neighbors": Span(6, 24, whole=True),
    "model.hidden": Choice((96, 192, 288)),
    "model.entity_width": Choice((0, 32, 64)),
    "model.unknown_share": Span(0.1, 0.5),
    "model.structure_rank": Choice((64, 128, 256)),
    "model.reasoner": Choice(("mlp", "attention")),
    "model.candidates": Choice((75, 150, 250)),
    "training.structure_regularisation": Span(1e-3, 0.1, log=True),
    "training.relation_weight": Span(0.02, 8.0, log=True),
    "training.bce_weight": Span(0.05, 1.0, log=True),
    "training.contrast_weight": Span(0.1, 2.0, log=True),
    "training.selfsupervised_share": Span(0.0, 0.4),
}
SECTIONS = {"model": ModelSettings, "training": TrainingSettings}


def with_values(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """The settings with these values of the space ('section.key') over them, checked as if a file had them."""
    sections: dict[str, Any] = {}
    for name, kind in SECTIONS.items():
        own = {key.partition(".")[2]: _short(value) for key, value in values.items() if key.startswith(f"{name}.")}
        sections[name] = kind(**{**getattr(settings, name).model_dump(), **own})
    return settings.model_copy(update=sections)


def changed(settings: Settings, before: Settings) -> dict[str, Any]:
    """The values of the space that differ between two settings, by 'section.key'."""
    pairs = {name: (value_of(settings, name), value_of(before, name)) for name in SPACE}
    return {name: new for name, (new, old) in pairs.items() if new != old}


def value_of(settings: Settings, name: str) -> Any:
    """What the settings say, by 'section.key'."""
    section, _, key = name.partition(".")
    return getattr(getattr(settings, section), key)


def _short(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
