"""The one place where a node becomes text. Neighbours never enter it: they would give the answer away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from neo4j_relpred.config import GraphSettings

__all__ = ["display_name", "verbalize"]


def display_name(properties: Mapping[str, str], names: Iterable[str], fallback: str) -> str:
    """What a person calls the node: its first naming property, else its id."""
    return next((properties[key] for key in names if properties.get(key)), fallback)


def verbalize(labels: Iterable[str], properties: Mapping[str, str], settings: GraphSettings) -> str:
    """Name, labels and describing properties of a node in one text.

    The form 'name (label, label). text text' is understood by encoders of any language. A node with neither name
    nor text is told by its labels; one with nothing at all gives ''.
    """
    name = display_name(properties, settings.names, "")
    kinds = ", ".join(sorted(_words(label) for label in labels))
    head = f"{name} ({kinds})" if name and kinds else name or kinds
    rest = [properties[key].strip() for key in settings.texts if key not in settings.names and properties.get(key)]
    return ". ".join(part for part in (head, *rest) if part)


def _words(label: str) -> str:
    """'SovereignState' and 'SOVEREIGN_STATE' as words; other scripts stay as they are."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", label).replace("_", " ").lower()
