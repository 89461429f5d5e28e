"""A settings file held against the graph as it is now: what of it no longer fits, and what is new."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from neo4j_relpred.config import GraphSettings, Settings
from neo4j_relpred.data.verbalize import shown_properties
from neo4j_relpred.errors import did_you_mean
from neo4j_relpred.graph.facts import GraphSchema
from neo4j_relpred.graph.predictable import why_not_predicted
from neo4j_relpred.graph.proposal import propose
from neo4j_relpred.graph.proposed_keys import KeyProbe
from neo4j_relpred.graph.settings_check import wrong_names

__all__ = ["Finding", "compare"]

Level = Literal["error", "warning", "note"]
WRITTEN_AS = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit: an error stops a snapshot or a publication, a note is only worth a look."""

    level: Level
    setting: str
    found: str
    hint: str = ""


def compare(
    schema: GraphSchema, settings: Settings, probe: KeyProbe, file: str = "", written_as: WRITTEN_AS = str
) -> list[Finding]:
    """Everything that does not fit, errors first.

    `file` is the text of the settings file: what it mentions, in a comment as well, is not new to its owner.
    `written_as` is how a name stands there.
    """
    found = [
        *_names(schema, settings),
        *_keys(schema, settings.graph, probe),
        *_types(schema, settings),
        *_new(schema, settings, lambda name: _mentions(file, written_as(name))),
    ]
    order: dict[Level, int] = {"error": 0, "warning": 1, "note": 2}
    return sorted(found, key=lambda finding: order[finding.level])


def _names(schema: GraphSchema, settings: Settings) -> Iterator[Finding]:
    for wrong in wrong_names(schema, settings.graph):
        place = re.search(r"\((graph\.\w+)", wrong.message)
        yield Finding("error", place.group(1) if place else "graph.relations", wrong.message, wrong.hint)
    for name in ("time_property", "watermark"):
        value = getattr(settings.graph, name)
        if value and value not in schema.known_properties:
            hint = did_you_mean(value, schema.known_properties)
            yield Finding("error", f"graph.{name}", f"The graph has no property {value!r}.", hint)
    read = settings.graph.relations or schema.relation_names
    for relation in settings.publishing.relations:
        if relation not in schema.relation_names:
            hint = did_you_mean(relation, schema.relation_names)
            yield Finding("error", "publishing.relations", f"The graph has no relationship type {relation!r}.", hint)
        elif relation not in read:
            hint = "Add it there, or leave it out here."
            yield Finding("error", "publishing.relations", f"{relation!r} is not read: graph.relations lacks it.", hint)


def _keys(schema: GraphSchema, settings: GraphSettings, probe: KeyProbe) -> Iterator[Finding]:
    for label, name in settings.keys.items():
        if label not in schema.label_names or name not in schema.known_properties:
            continue  # said already
        facts, what = probe.facts(label, name), f"{label}.{name}"
        if facts.different < facts.filled:
            found = f"{what} is not unique: {facts.filled} nodes have {facts.different} values."
            yield Finding("error", "graph.keys", found, "Correct the data, or choose another property.")
        if facts.filled < facts.nodes:
            found = f"{facts.nodes - facts.filled} of {facts.nodes} nodes of {label} have no {name}."
            # Where a constraint guards it, the rest was meant to be without.
            level: Level = "warning" if (label, name) in schema.unique and facts.filled else "error"
            yield Finding(level, "graph.keys", found, "They go by element id, which does not survive a reload.")
    keyed = settings.keys.keys()
    for several in schema.label_sets:
        read = not settings.labels or not set(settings.labels).isdisjoint(several.labels)
        if read and keyed.isdisjoint(several.labels):
            found = f"About {several.count} nodes ({':'.join(several.labels) or 'without a label'}) have no key."
            hint = "They go by element id, which does not survive a reload."
            yield Finding("note" if keyed else "warning", "graph.keys", found, hint)


def _types(schema: GraphSchema, settings: Settings) -> Iterator[Finding]:
    published = set(settings.publishing.relations)
    reasons = {info.name: reason for info in schema.relations if (reason := why_not_predicted(schema, info))}
    for name in sorted(published & reasons.keys()):
        hint = "Leave it out of publishing.relations: there is little to find."
        yield Finding("warning", "publishing.relations", f"{name}: {reasons[name]}.", hint)
    if not published and reasons:
        found = f"Every type is published, though of some nothing can be missing: {', '.join(sorted(reasons))}."
        yield Finding("note", "publishing.relations", found, "`relpred init` tells why, and names the others.")


def _new(schema: GraphSchema, settings: Settings, mentioned: Callable[[str], bool]) -> Iterator[Finding]:
    """What came after the file was written, as far as one can tell from what it does not mention."""
    graph = settings.graph
    read_all = "It is read, since the list is empty."
    yield from _unmentioned("label", schema.label_names, graph.labels, mentioned, read_all)
    yield from _unmentioned("relationship type", schema.relation_names, graph.relations, mentioned, read_all)
    known = set(shown_properties(graph))
    for name in propose(schema).texts:
        if name not in known and not mentioned(name):
            owners = ", ".join(sorted({info.label for info in schema.properties if info.name == name}))
            yield Finding(
                "note", "graph.texts", f"{name!r} of {owners} reads like a text.", "Add it, if it tells much."
            )


def _unmentioned(
    what: str, there: Iterable[str], listed: Iterable[str], mentioned: Callable[[str], bool], read_all: str
) -> Iterator[Finding]:
    chosen = tuple(listed)
    setting = "graph.labels" if what == "label" else "graph.relations"
    for name in there:
        if name not in chosen and not mentioned(name):
            hint = "It is not read: add it, if it should be." if chosen else read_all
            yield Finding("note", setting, f"The {what} {name!r} is new to the file.", hint)


def _mentions(file: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", file) is not None
