"""Writes relpred.toml: what fits the graph that was found, and every other setting as a comment with its default."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretStr

from neo4j_relpred.config import GraphSettings, Settings

if TYPE_CHECKING:
    from neo4j_relpred.graph.proposal import Proposal
    from neo4j_relpred.graph.schema import GraphSchema

__all__ = ["render"]

WIDTH = 110


def render(graph: GraphSettings, schema: GraphSchema, proposal: Proposal) -> str:
    """The text of a settings file. The password is not written: it belongs into the environment or a file."""
    lines = [
        "# Settings of relpred for the graph at " + graph.uri + ".",
        "# Lines that begin with '#' show defaults. The environment (RELPRED_...) and flags win over this file.",
        "",
        "[graph]",
        f"uri = {_toml(graph.uri)}",
        f"user = {_toml(graph.user)}",
        "# Give the password as RELPRED_GRAPH__PASSWORD, or name a file that holds it:",
        '# password_file = "/run/secrets/neo4j_password"',
        f"database = {_toml(graph.database)}",
        "",
        *_comment(Settings.model_fields["graph"], "labels"),
        *(f"#   {label.name}: {label.count} nodes" for label in schema.labels),
        f"labels = {_toml(list(proposal.labels))}",
        "",
        *_comment(Settings.model_fields["graph"], "relations"),
        *(f"#   {r.name}: {r.count}, {_ends(r.ends)}" for r in schema.relations),
        f"relations = {_toml(list(proposal.relations))}",
        "",
        *_comment(Settings.model_fields["graph"], "keys"),
        f"keys = {_toml(proposal.keys)}",
        "",
        *_comment(Settings.model_fields["graph"], "names"),
        f"names = {_toml(list(proposal.names))}",
        "",
        *_comment(Settings.model_fields["graph"], "texts"),
        f"texts = {_toml(list(proposal.texts))}",
        "",
    ]
    written = {"uri", "user", "database", "password", "password_file", "labels", "relations", "keys", "names", "texts"}
    lines += _defaults(GraphSettings, written)
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if name != "graph" and isinstance(section, type) and issubclass(section, BaseModel):
            lines += ["", f"[{name}]", *_defaults(section, set())]
    return "\n".join(lines) + "\n"


def _defaults(section: type[BaseModel], left_out: set[str]) -> Iterator[str]:
    for name, field in section.model_fields.items():
        if name not in left_out:
            yield from textwrap.wrap(field.description or "", WIDTH, initial_indent="# ", subsequent_indent="# ")
            value = "" if field.default is None else _toml(field.default)
            yield f"# {name} = {value}"


def _comment(field: Any, name: str) -> list[str]:
    description = field.annotation.model_fields[name].description
    return textwrap.wrap(description, WIDTH, initial_indent="# ", subsequent_indent="# ")


def _ends(ends: tuple[tuple[str, str], ...]) -> str:
    shown = ", ".join(f"(:{head})-->(:{tail})" for head, tail in ends[:3])
    return shown + (", ..." if len(ends) > 3 else "") if shown else "ends without labels"


def _toml(value: Any) -> str:
    """A value in TOML; JSON's strings, numbers and lists are TOML's as well."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        pairs = ", ".join(f"{json.dumps(key, ensure_ascii=False)} = {_toml(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, SecretStr):
        return '""'
    if isinstance(value, tuple | list):
        return json.dumps(list(value), ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, default=str)
