"""The one place where a node becomes text. Neighbours never enter it: they would give the answer away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from neo4j_relpred.config import GraphSettings, template_parts

__all__ = ["display_name", "shown_properties", "verbalize"]

OPENING = dict(zip("([{<«“‘「『《〈【（［｛\"'", ")]}>»”’」』》〉】）］｝\"'", strict=True))  # noqa: RUF001
CLOSING = frozenset(OPENING.values())
ENDINGS = ".!?。！？…"  # noqa: RUF001 - what ends a sentence in the scripts that mark it
SEPARATORS = r"[\s.!?。！？…,;:，；：、·•|/–—-]*"  # noqa: RUF001 - the marks of Chinese and Japanese are meant
TRAILING, LEADING = re.compile(SEPARATORS + r"\Z"), re.compile(SEPARATORS)


def display_name(properties: Mapping[str, str], names: Iterable[str], fallback: str) -> str:
    """What a person calls the node: its first naming property, else its id."""
    return properties.get(_naming(properties, names), fallback)


def shown_properties(settings: GraphSettings) -> tuple[str, ...]:
    """Every property that a name or a text may need, each once: names, texts, then those of templates only."""
    filled = (name for template in settings.templates.values() for name in _parts(template)[1])
    return tuple(dict.fromkeys((*settings.names, *settings.texts, *filled)))


def verbalize(labels: Iterable[str], properties: Mapping[str, str], settings: GraphSettings) -> str:
    """A node in one text: by the template of the first label in graph.templates that it carries, else as below.

    The form 'name (label, label). text. text' is understood by encoders of any language. A node with neither name
    nor text is told by its labels; one with nothing at all gives ''. Only the property that names the node is not said
    again: the title of a person who has a name too may be one of graph.texts. A template none of whose properties the
    node has says nothing about it and is passed over.
    """
    carried = tuple(labels)
    for label, template in settings.templates.items():
        if label in carried and (told := _filled(template, properties)):
            return told
    naming = _naming(properties, settings.names)
    name = properties.get(naming, "").strip()
    kinds = _kinds(carried)
    text = f"{name} ({kinds})" if name and kinds else name or kinds
    for key in settings.texts:
        more = properties.get(key)
        if more and key != naming and (more := more.strip()):
            text = f"{text}{' ' if text[-1] in ENDINGS else '. '}{more}" if text else more
    return text


def _naming(properties: Mapping[str, str], names: Iterable[str]) -> str:
    return next((key for key in names if properties.get(key)), "")


@lru_cache(maxsize=4096)  # there are few sets of labels, however many nodes
def _kinds(labels: tuple[str, ...]) -> str:
    return ", ".join(sorted(map(_words, labels)))


def _words(label: str) -> str:
    """'SovereignState' and 'SOVEREIGN_STATE' as words; other scripts stay as they are."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", label).replace("_", " ").lower()


@lru_cache(maxsize=4096)
def _parts(template: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return template_parts(template)


def _filled(template: str, properties: Mapping[str, str]) -> str:
    """The template with its values; '' when it has places for values and none of them is there."""
    literals, names = _parts(template)
    if not names:
        return literals[0].strip()
    text, pending, told = "", literals[0], False
    for number, name in enumerate(names):
        value, after = (properties.get(name) or "").strip(), literals[number + 1]
        if value:
            text, pending, told = _said(text, pending) + value, after, True
        else:
            pending = _closed(pending, after, first=not told, last=number + 1 == len(names))
    return _said(text, pending).strip() if told else ""


def _said(text: str, literal: str) -> str:
    """No second full stop behind a value that brings its own."""
    return text + (literal[1:] if text and literal and text[-1] == literal[0] and literal[0] in ENDINGS else literal)


@lru_cache(maxsize=4096)
def _closed(before: str, after: str, *, first: bool, last: bool) -> str:
    """What stands where a value is missing: the words around it, and one mark between them instead of two."""
    left, right = before.rstrip(), after.lstrip()
    if left and right and OPENING.get(left[-1]) == right[0]:  # brackets around nothing
        before, after = left[:-1], right[1:]
    mark_before, mark_after = TRAILING.search(before), LEADING.match(after)
    assert mark_before is not None  # both patterns match nothing as well
    assert mark_after is not None
    words, more = before[: mark_before.start()], after[mark_after.end() :]
    if last and not more:
        end = mark_after.group().strip()
        return words + (end if end and end[0] in ENDINGS and not first else "")
    if (first and not words) or words[-1:] in OPENING or more[:1] in CLOSING:
        return words + more
    marks = (mark_before.group(), mark_after.group())
    return words + next((mark for mark in marks if mark.strip()), " " if any(marks) else "") + more
