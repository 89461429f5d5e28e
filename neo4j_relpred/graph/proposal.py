"""Settings that fit a graph, guessed from its schema. People correct them; nothing here is binding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from neo4j_relpred.graph.schema import GraphSchema, PropertyInfo

__all__ = ["Proposal", "propose"]

NAME_WORDS = ("name", "title", "label", "displayname", "fullname", "preferredname", "caption", "headline")
ID_WORDS = ("id", "uuid", "key", "uid", "guid", "identifier", "iri", "uri", "url", "code", "isbn", "doi", "email")
TEXT_WORDS = ("description", "summary", "abstract", "text", "content", "body", "comment", "bio", "biography", "plot")
NOT_TEXT_WORDS = ("url", "uri", "iri", "href", "link", "image", "hash", "password", "token", "path")
KEY_KINDS = ("string", "integer")
TEXT_MEAN_LENGTH = 12
KEY_FILL = 0.999  # of the sample: a key that is often missing identifies nothing
NAME_FILL = 0.3


@dataclass(frozen=True, slots=True)
class Proposal:
    """Values for the settings of the same names."""

    labels: tuple[str, ...]
    relations: tuple[str, ...]
    keys: dict[str, str]
    names: tuple[str, ...]
    texts: tuple[str, ...]


def propose(schema: GraphSchema) -> Proposal:
    """Keys from constraints, else from properties that look like ids; names and texts from what strings look like."""
    keys = {label: key for label in schema.label_names if (key := _key(schema, label))}
    names = _names(schema.properties)
    texts = _texts(schema.properties, {*keys.values(), *names})
    return Proposal(schema.label_names, schema.relation_names, keys, names, texts)


def _key(schema: GraphSchema, label: str) -> str | None:
    """A constrained property wins over one that only looks like an id; among equals the word that says id most."""
    properties = schema.properties_of(label).values()
    able = [p for p in properties if p.kind in KEY_KINDS and p.fill >= KEY_FILL and p.distinct >= 1.0]
    constrained = [p for p in able if (label, p.name) in schema.unique]
    likely = constrained or [p for p in able if _id_rank(p.name) < len(ID_WORDS)]
    return min(likely, key=lambda p: (_id_rank(p.name), p.name)).name if likely else None


def _id_rank(name: str) -> int:
    """How far a name is from being called id; len(ID_WORDS) when it does not look like one."""
    plain = _plain(name)
    if plain in ID_WORDS:
        return ID_WORDS.index(plain)
    ends_like_id = name.endswith(("Id", "ID", "_id", "Uuid", "_uuid", "Key", "_key", "Code", "_code"))
    return len(ID_WORDS) - 1 if ends_like_id else len(ID_WORDS)


def _names(properties: Iterable[PropertyInfo]) -> tuple[str, ...]:
    found = {p.name for p in properties if p.kind == "string" and p.fill >= NAME_FILL and _plain(p.name) in NAME_WORDS}
    return tuple(sorted(found, key=lambda name: (NAME_WORDS.index(_plain(name)), name)))


def _texts(properties: Iterable[PropertyInfo], taken: set[str]) -> tuple[str, ...]:
    found = {
        p.name
        for p in properties
        if p.kind == "string"
        and p.name not in taken
        and (_plain(p.name) in TEXT_WORDS or (p.mean_length > TEXT_MEAN_LENGTH and not _is_reference(p.name)))
    }
    return tuple(sorted(found, key=lambda name: (_plain(name) not in TEXT_WORDS, name)))


def _is_reference(name: str) -> bool:
    """Addresses, digests and identifiers are long strings too, but tell an encoder nothing."""
    return _id_rank(name) < len(ID_WORDS) or any(word in _plain(name) for word in NOT_TEXT_WORDS)


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").casefold()
