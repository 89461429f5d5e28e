"""Reads the settings: default < relpred.toml < environment (RELPRED_...) < flag."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from neo4j_relpred.config.section import Section
from neo4j_relpred.config.sections import Settings
from neo4j_relpred.errors import InvalidSettings, did_you_mean

__all__ = ["as_overrides", "load_settings"]

DEFAULT_FILE = Path("relpred.toml")


def load_settings(
    file: Path | None = None, overrides: Mapping[str, Any] | None = None, *, read_default: bool = True
) -> Settings:
    """Reads the settings once.

    `file` must exist when it is given; without it relpred.toml of the working folder is read where there is one,
    unless `read_default` is False.
    `overrides` are nested as the settings are (flags). Raises InvalidSettings.
    """
    if file is not None and not file.is_file():
        raise InvalidSettings(f"There is no settings file {file}.", hint="`relpred init` writes one.")
    path = file or (DEFAULT_FILE if read_default and DEFAULT_FILE.is_file() else None)

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=path)

    try:
        return FromFile(**(dict(overrides) if overrides else {}))
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettings(f"{path} is not valid TOML: {error}.", hint="Correct that line.") from error
    except ValidationError as error:
        raise _explained(error, path) from error


def as_overrides(settings: Settings) -> dict[str, Any]:
    """What was set, as JSON that `load_settings` takes back as overrides; with the passwords, so only for our own."""
    plain: dict[str, Any] = _plain(settings.model_dump(exclude_unset=True))  # what was never set is checked less hard
    return plain


def _plain(value: object) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _explained(error: ValidationError, path: Path | None) -> InvalidSettings:
    """The first fault in words, with the nearest known key where a key is unknown."""
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"])
    where = f" in {path}" if path else ""
    if fault["type"] == "extra_forbidden":
        return InvalidSettings(f"There is no setting {place}{where}.", hint=_nearest_setting(fault["loc"]))
    return InvalidSettings(
        f"The setting {place}{where} cannot be used: {fault['msg']}.", hint="See docs/reference/settings.md."
    )


def _nearest_setting(location: tuple[int | str, ...]) -> str:
    sections = {name: field.annotation for name, field in Settings.model_fields.items()}
    section = sections.get(str(location[0]))
    if len(location) > 1 and isinstance(section, type) and issubclass(section, Section):
        return did_you_mean(str(location[-1]), section.model_fields)
    wrong = str(location[0])
    nested = {
        f"{name}.{key}"
        for name, annotation in sections.items()
        if isinstance(annotation, type) and issubclass(annotation, Section)
        for key in annotation.model_fields
    }
    owners = [name for name in nested if name.split(".")[1] == wrong]
    if owners:
        return f"Did you mean {' or '.join(sorted(owners))}?"
    return did_you_mean(wrong, sections) if difflib.get_close_matches(wrong, sections) else did_you_mean(wrong, nested)
