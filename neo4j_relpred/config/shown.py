"""The settings for others to read: every one of them, and of a secret only whether it is set."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from neo4j_relpred.config.section import Section

__all__ = ["shown_settings"]

SECRETS = ("password", "password_file", "token_file")  # what the names of secrets end with


def shown_settings(settings: BaseModel, prefix: str = "") -> dict[str, Any]:
    """Values as JSON has them by name (`section.key`), in the order of the list; of secrets 'set' or 'unset'."""
    shown: dict[str, Any] = {}
    plain = settings.model_dump(mode="json")
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Section):
            shown |= shown_settings(value, f"{name}.")
        elif name.endswith(SECRETS):
            shown[prefix + name] = "unset" if value is None else "set"
        else:
            shown[prefix + name] = plain[name]
    return shown
