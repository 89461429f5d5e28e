"""Writes relpred.toml: what fits the graph that was found and why, and every other setting as a comment."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pydantic import BaseModel

from neo4j_relpred.cli.toml import toml_key, toml_value
from neo4j_relpred.config import GraphSettings, Settings
from neo4j_relpred.graph.names import quoted

if TYPE_CHECKING:
    from neo4j_relpred.graph.facts import GraphSchema, RelationInfo
    from neo4j_relpred.graph.proposal import Proposal

__all__ = ["render", "shown"]

WIDTH = 110
MOST_LISTED = 300
LONGEST_INLINE_TABLE = 3  # entries; a longer table reads better with a line for each
IMPLIED = 0.95  # of the edges of a type come with one of another


def render(graph: GraphSettings, schema: GraphSchema, proposal: Proposal) -> str:
    """The text of a settings file. The password is not written: it belongs into the environment or a file."""
    keys_apart = len(proposal.keys) > LONGEST_INLINE_TABLE
    lines = [
        "# Settings of relpred for the graph at " + shown(graph.uri) + ", as `relpred init` found it.",
        "# It can be trained on as it stands. Lines that begin with '#' tell why, or show defaults. The environment",
        "# (RELPRED_...) and flags win over this file. `relpred init --check` compares it with the graph later on.",
        "",
        "[graph]",
        f"uri = {toml_value(graph.uri)}",
        f"user = {toml_value(graph.user)}",
        "# Give the password as RELPRED_GRAPH__PASSWORD, or name a file that holds it:",
        '# password_file = "/run/secrets/neo4j_password"',
        f"database = {toml_value(graph.database)}",
        "",
        *_about(GraphSettings, "labels", _labels(schema, proposal)),
        _line("labels", proposal.labels),
        "",
        *_about(GraphSettings, "relations", _listed(map(_relation, schema.relations))),
        _line("relations", proposal.relations),
        "",
        *_about(GraphSettings, "keys", _keys(schema, proposal)),
        *([] if keys_apart else [f"keys = {toml_value(proposal.keys)}"]),
        *(["# They stand in a table of their own, at the end of this section."] if keys_apart else []),
        "",
        *_about(GraphSettings, "names", _names(proposal)),
        _line("names", proposal.names),
        "",
        *_about(GraphSettings, "texts", _texts(schema, proposal)),
        _line("texts", proposal.texts),
        "",
        *_about(GraphSettings, "edge_properties", _edge_properties(proposal)),
        _line("edge_properties", [p.name for p in proposal.edge_properties if p.kind != "string"]),
        "",
        *_time_property(proposal),
        "",
    ]
    written = {"uri", "user", "database", "password", "password_file", "labels", "relations", "keys", "names", "texts"}
    lines += _defaults(GraphSettings, written | {"edge_properties", "time_property"})
    if keys_apart:
        lines += [
            "",
            "[graph.keys]",
            *(f"{toml_key(label)} = {toml_value(name)}" for label, name in proposal.keys.items()),
        ]
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if name != "graph" and isinstance(section, type) and issubclass(section, BaseModel):
            lines += ["", f"[{name}]"]
            lines += _publishing(section, schema, proposal) if name == "publishing" else _defaults(section, set())
    return "\n".join(lines) + "\n"


def shown(name: str) -> str:
    """A name as it stands in a comment: as it is, unless a character in it would end the line or break the file."""
    return name if name.isprintable() else toml_value(name)


def _labels(schema: GraphSchema, proposal: Proposal) -> Iterator[str]:
    yield from _listed(f"{shown(label.name)}: {label.count} node{'s' * (label.count != 1)}" for label in schema.labels)
    together = [several for several in schema.label_sets if len(several.labels) > 1]
    if together:
        yield "On the same nodes:"
        for several in sorted(together, key=lambda s: -s.count)[:20]:
            yield f"  {_pattern(several.labels)}: about {several.count}"
    if proposal.bookkeeping:
        yield "Left out, as notes that tools keep in the graph: " + ", ".join(map(shown, proposal.bookkeeping))


def _relation(info: RelationInfo) -> str:
    ends = ", ".join(
        f"(:{shown(head)})-->(:{shown(tail)})" + (f" {_share(share)}" if len(info.ends) > 1 else "")
        for (head, tail), share in zip(info.ends[:3], info.shares[:3] or (0.0, 0.0, 0.0), strict=False)
    )
    ends += ", ..." if len(info.ends) > 3 else ""
    return f"{shown(info.name)}: {info.count}, {ends or 'ends without labels'}"


def _share(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "<1%"


def _keys(schema: GraphSchema, proposal: Proposal) -> Iterator[str]:
    for label, note in proposal.key_choice.notes.items():
        yield f"{shown(label)}.{shown(proposal.keys[label])}: {note}"
    if proposal.key_choice.unguarded:
        yield "A constraint keeps keys unique, and makes publishing quick:"
        for label in proposal.key_choice.unguarded:
            name = proposal.keys[label]
            yield shown(f"  CREATE CONSTRAINT IF NOT EXISTS FOR (n:{quoted(label)}) REQUIRE n.{quoted(name)} IS UNIQUE")
    without = proposal.key_choice.without
    if without:
        yield "WARNING: no property identifies the nodes of"
        for several in sorted(without, key=lambda s: (-s.count, s.labels))[:MOST_LISTED]:
            yield f"  {_pattern(several.labels)}: about {several.count}"
        yield "They go by element id: what is predicted for them does not survive a dump and load of the store."
    covered = [name for name in schema.label_names if name not in proposal.keys]
    covered = [name for name in covered if all(name not in several.labels for several in without)]
    if covered and proposal.keys:
        yield "Identified by another label of theirs: " + ", ".join(map(shown, covered[:MOST_LISTED]))


def _names(proposal: Proposal) -> Iterator[str]:
    by_name: dict[str, list[str]] = {}
    for label, name in proposal.naming.items():
        by_name.setdefault(name, []).append(label)
    for name in proposal.names:
        yield f"{shown(name)}: {_some(by_name[name])}"


def _texts(schema: GraphSchema, proposal: Proposal) -> Iterator[str]:
    for name in proposal.texts:
        # No values: what nodes say is nobody's business but that of those who may read the graph.
        owners = schema.owners_of(name)
        length = max(info.text_length for info in owners)
        fill = max(info.fill for info in owners)
        yield f"{shown(name)}: {_some(info.label for info in owners)}; {length:.0f} characters, on {fill:.0%}"
    if not proposal.texts:
        yield "Nothing here reads like a text: the model learns from names, labels and relationships."
    reasons: dict[str, list[str]] = {}
    for name, reason in proposal.text_choice.left_out.items():
        reasons.setdefault(reason, []).append(name)
    if reasons:
        yield "Strings that are left out:"
        for reason, names in sorted(reasons.items()):
            yield f"  {', '.join(map(shown, names))}: {reason}"


def _edge_properties(proposal: Proposal) -> Iterator[str]:
    for found in proposal.edge_properties:
        what = "a time" if found.is_time else "a number"
        note = " as text, which cannot be compared: left out" if found.kind == "string" else ""
        yield f"{shown(found.name)}: {_some(found.relations)}; {what}{note}, on {found.fill:.0%}"


def _time_property(proposal: Proposal) -> Iterator[str]:
    """A default, unless something dates the edges: then how to use it, as a choice for people to make."""
    dating = [found for found in proposal.time_properties if found.kind != "string"]
    notes = [
        f"{shown(found.name)} dates the edges of {_some(found.relations)}: set it to test on the newest ones, as for "
        "forecasts."
        for found in dating
    ]
    yield from _about(GraphSettings, "time_property", notes)
    yield f"# time_property = {toml_value(dating[0].name if dating else '')}"


def _publishing(section: type[BaseModel], schema: GraphSchema, proposal: Proposal) -> Iterator[str]:
    yield from _about(section, "relations", _types(schema, proposal))
    yield _line("relations", proposal.types.relations if proposal.types.left_out else ())
    yield from _defaults(section, {"relations"})


def _types(schema: GraphSchema, proposal: Proposal) -> Iterator[str]:
    choice = proposal.types
    if choice.least_bad:
        yield "WARNING: nothing can be missing of any type; the least bad one is taken."
    for info in schema.relations:
        implied = sorted(name for name, share in info.same.items() if share >= IMPLIED)
        if info.name in choice.relations and implied:
            yield f"{shown(info.name)}: nearly each of its edges has one of {_some(implied)} beside it."
    if choice.left_out:
        yield "Read and learned from, but not predicted:"
        for name, reason in choice.left_out.items():
            yield f"  {shown(name)}: {reason}"
    if any(reason.startswith("derived") for reason in choice.left_out.values()):
        yield "A derived type gives its twin away: leave it out of graph.relations for an honest report."


def _about(section: type[BaseModel], name: str, notes: Iterable[str]) -> Iterator[str]:
    """The description of a setting, and what was found, as comments."""
    description = section.model_fields[name].description or ""
    yield from textwrap.wrap(description, WIDTH, initial_indent="# ", subsequent_indent="# ")
    for note in notes:
        indent = "#   " + " " * (len(note) - len(note.lstrip()))
        # A statement to copy stays on one line, and so does a name with a space.
        if "CREATE CONSTRAINT" in note or len(note) <= WIDTH:
            yield "#   " + note
        else:
            yield from textwrap.wrap(
                note.lstrip(), WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_long_words=False
            )


def _defaults(section: type[BaseModel], left_out: set[str]) -> Iterator[str]:
    for name, field in section.model_fields.items():
        if name not in left_out:
            yield from textwrap.wrap(field.description or "", WIDTH, initial_indent="# ", subsequent_indent="# ")
            value = field.get_default(call_default_factory=True)
            yield f"# {name} = {'' if value is None else toml_value(value)}"


def _listed(lines: Iterable[str]) -> Iterator[str]:
    every = list(lines)
    yield from every[:MOST_LISTED]
    if len(every) > MOST_LISTED:
        yield f"... and {len(every) - MOST_LISTED} more"


def _some(names: Iterable[str], most: int = 12) -> str:
    every = list(names)
    return ", ".join(map(shown, every[:most])) + (f" and {len(every) - most} more" if len(every) > most else "")


def _pattern(labels: Iterable[str]) -> str:
    return "(" + "".join(f":{shown(label)}" for label in labels) + ")" if labels else "() without a label"


def _line(name: str, values: Iterable[str]) -> str:
    """A setting that is a list: in one line, or with a line for each of its values."""
    every = list(values)
    line = f"{name} = {toml_value(every)}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{name} = [", *(f"    {toml_value(value)}," for value in every), "]"])
