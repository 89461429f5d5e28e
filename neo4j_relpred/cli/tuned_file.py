"""The settings file that `relpred tune` writes: those in force with the better values, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretStr

from neo4j_relpred.cli.toml import toml_key, toml_value
from neo4j_relpred.config import Settings

if TYPE_CHECKING:
    from neo4j_relpred.api.tuning import Judged, Tuning

__all__ = ["figures", "render_tuned"]


def render_tuned(settings: Settings, tuning: Tuning) -> str:
    """All that differs from the defaults, so that `--config` needs no other file; the password is not written."""
    values = dict(tuning.values)
    sections: dict[str, dict[str, Any]] = {name: _different(getattr(settings, name)) for name in _sections()}
    for name, value in values.items():
        section, _, key = name.partition(".")
        sections[section][key] = value
        if value == _sections()[section].model_fields[key].get_default(call_default_factory=True):
            del sections[section][key]
    plain = {name: value for name, value in _different(settings).items() if name not in sections}
    lines = list(_why(tuning))
    if plain:
        lines += ["", *(f"{name} = {toml_value(value)}" for name, value in plain.items())]
    for name, own in sections.items():
        if own:
            lines += ["", f"[{name}]"]
            for key, value in own.items():
                tuned = "  # tuned" if f"{name}.{key}" in values else ""
                lines.append(f"{toml_key(key)} = {toml_value(value)}{tuned}")
    return "\n".join(lines) + "\n"


def figures(judged: Judged) -> str:
    """In words, for a line."""
    return f"{judged.figure:.4f} (entity MRR {judged.entity_mrr:.4f}, relation Hits@1 {judged.relation_hits:.4f})"


def _why(tuning: Tuning) -> Iterator[str]:
    when = datetime.now(UTC).isoformat(timespec="seconds")
    yield f"# Settings of relpred, tuned on {when}. Read them with `relpred --config FILE`."
    yield f"# Snapshot {tuning.snapshot}, seed {tuning.seed}."
    yield f"# {len(tuning.trials)} trials of {tuning.plan.seconds:.0f} s each, over {len(tuning.before.hits)} triples."
    how = f"trained again with seed {tuning.seed + 1}" if tuning.confirmed else "not confirmed with another seed"
    yield f"# Before: {figures(tuning.before)}"
    yield f"# After:  {figures(tuning.after)}, both {how}"
    yield "# All that differs from the defaults is here. A password is not: give RELPRED_GRAPH__PASSWORD."


def _sections() -> Mapping[str, type[BaseModel]]:
    found = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: kind for name, kind in found.items() if isinstance(kind, type) and issubclass(kind, BaseModel)}


def _different(section: BaseModel) -> dict[str, Any]:
    """The fields that are not at their defaults, without secrets and what TOML cannot say (None)."""
    found = {}
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        unsaid = value is None or isinstance(value, SecretStr)
        if not unsaid and value != field.get_default(call_default_factory=True):
            found[name] = value
    return found
