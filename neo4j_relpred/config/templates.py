"""Texts with the names of properties in braces, as graph.templates has them."""

from __future__ import annotations

import re

from neo4j_relpred.errors import InvalidSettings

__all__ = ["template_parts"]

NOT_IN_TEMPLATES = frozenset(".:![\n\r")  # what str.format would take for an access, a conversion or a form


def template_parts(template: str, label: str = "") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The literal texts of a template and the properties between them; there is one more of the former.

    Only plain names of properties stand in braces: a template is data, and nothing in it is looked up or run. Raises
    InvalidSettings that names the label and the place.
    """
    literals, properties, start = [""], [], 0
    for brace in re.finditer(r"\{\{|\}\}|\{([^{}]*)\}|[{}]", template):
        literals[-1] += template[start : brace.start()]
        start = brace.end()
        name = brace.group(1)
        if brace.group() in ("{{", "}}"):
            literals[-1] += brace.group()[0]
        elif name is None or not name.strip() or name != name.strip() or set(name) & NOT_IN_TEMPLATES:
            wrong = f"{brace.group()!r} at character {brace.start() + 1} of {template!r}"
            raise InvalidSettings(
                f"graph.templates has for label {label!r} what is no template: {wrong}.",
                hint="Between braces stands nothing but the name of a property, {title}; {{ and }} are braces as text.",
            )
        else:
            properties.append(name)
            literals.append("")
    literals[-1] += template[start:]
    if not template.strip():
        raise InvalidSettings(
            f"graph.templates has an empty template for label {label!r}.",
            hint="Leave the label out, or give it a text.",
        )
    return tuple(literals), tuple(properties)
