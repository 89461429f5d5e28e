"""Settings held against the graph: names that it does not have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from neo4j_relpred.config import GraphSettings, template_parts
from neo4j_relpred.errors import InvalidSettings, did_you_mean
from neo4j_relpred.graph.facts import GraphSchema

__all__ = ["check_settings", "wrong_names"]


def check_settings(schema: GraphSchema, settings: GraphSettings) -> None:
    """Finds names in the settings that the graph does not have.

    Raises InvalidSettings for the first one, with the nearest known name. The default of graph.names is not checked:
    it is a guess that fits many graphs.
    """
    for wrong in wrong_names(schema, settings):
        raise wrong


def wrong_names(schema: GraphSchema, settings: GraphSettings) -> Iterator[InvalidSettings]:
    """What `check_settings` raises, one by one, for those who want to see all of it."""
    yield from _unknown(settings.labels, schema.label_names, "label", "graph.labels")
    for relation in settings.relations:
        if relation.startswith(settings.prefix):
            yield InvalidSettings(
                f"graph.relations names {relation!r}, which begins with the prefix of predicted edges.",
                hint="Predicted edges are never read; leave it out or choose another graph.prefix.",
            )
        else:
            yield from _unknown([relation], schema.relation_names, "relationship type", "graph.relations")
    yield from _unknown(settings.symmetric, schema.relation_names, "relationship type", "graph.symmetric")
    for label, name in settings.keys.items():
        unknown = list(_unknown([label], schema.label_names, "label", "graph.keys"))
        yield from unknown or _wrong_key(schema, label, name)
    for label, template in settings.templates.items():
        yield from _unknown([label], schema.label_names, "label", "graph.templates")
        yield from _unknown(
            template_parts(template, label)[1], schema.known_properties, "property", f"graph.templates of {label}"
        )
    for place in ("names", "texts", "edge_properties"):
        if place in settings.model_fields_set:
            yield from _unknown(getattr(settings, place), schema.known_properties, "property", f"graph.{place}")


def _unknown(words: Iterable[str], known: Iterable[str], what: str, place: str) -> Iterator[InvalidSettings]:
    names = tuple(known)
    for word in words:
        if word not in names:
            yield InvalidSettings(f"The graph has no {what} {word!r} ({place}).", hint=did_you_mean(word, names))


def _wrong_key(schema: GraphSchema, label: str, name: str) -> Iterator[InvalidSettings]:
    properties = schema.properties_of(label)
    if name not in properties:
        yield InvalidSettings(
            f"No node of label {label} that was looked at has the property {name!r} (graph.keys).",
            hint=did_you_mean(name, properties),
        )
    elif properties[name].kind in ("list", "date", "other"):
        yield InvalidSettings(
            f"The property {name!r} of label {label} holds values of kind {properties[name].kind} (graph.keys).",
            hint="A key is a string or a number.",
        )
