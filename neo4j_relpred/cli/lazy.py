"""What keeps the command line quick: commands are imported when they run, settings are read when they are used."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neo4j_relpred.errors import did_you_mean

if TYPE_CHECKING:
    from neo4j_relpred.api import RelationPredictor
    from neo4j_relpred.config import Settings

__all__ = ["LazyGroup", "Opened"]


class LazyGroup(click.Group):
    """A group whose commands live in modules of this room, named as 'module:command'."""

    def __init__(self, *args: Any, commands_at: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        self._places = dict(commands_at or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which people meet them."""
        return [*self._places, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the module of a command."""
        if cmd_name not in self._places:
            return super().get_command(ctx, cmd_name)
        module, name = self._places[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(f"neo4j_relpred.cli.{module}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As usual, with a hint for a word that is nearly a command."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            hint = did_you_mean(args[0], self.list_commands(ctx))
            raise click.UsageError(f"{error.message} {hint}", ctx) from error


@dataclass
class Opened:
    """The settings file and the flags over it; nothing is read before it is asked for."""

    file: Path | None
    overrides: dict[str, Any] = field(default_factory=dict)
    read_default: bool = True  # whether relpred.toml of the working folder counts

    def settings(self, **sections: Mapping[str, Any]) -> Settings:
        """The settings, with flags of a command over them; flags that were not given are None and do not count."""
        from neo4j_relpred.config import load_settings

        given = {
            name: {key: value for key, value in values.items() if value is not None}
            for name, values in sections.items()
        }
        overrides = {**self.overrides, **{name: values for name, values in given.items() if values}}
        return load_settings(self.file, overrides, read_default=self.read_default)

    @contextmanager
    def predictor(self, **sections: Mapping[str, Any]) -> Iterator[RelationPredictor]:
        """The facade over the settings; loads torch, once they are known to be right."""
        settings = self.settings(**sections)
        from neo4j_relpred.api import RelationPredictor

        with RelationPredictor.open(settings) as predictor:
            yield predictor
