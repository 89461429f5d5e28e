"""What all bodies of requests have in common: nothing is converted, nothing unknown is let through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

__all__ = ["EmptyBody", "Name", "Strict", "one_of"]

Name = Annotated[str, Field(min_length=1, max_length=4_096)]


class Strict(BaseModel):
    """No conversions, no unknown keys."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class EmptyBody(Strict):
    """Nothing is to be said."""


def one_of(*groups: Sequence[str]) -> ConfigDict:
    """Says in the schema that the keys of exactly one group are given, as the validator of the body demands."""
    null: JsonValue = {"type": "null"}
    given: JsonValue = {"not": null}
    names = [name for group in groups for name in group]
    ways: list[JsonValue] = [
        {"required": list(group), "properties": {name: given if name in group else null for name in names}}
        for group in groups
    ]
    return ConfigDict(json_schema_extra={"oneOf": ways})
