"""Writes docs/reference/settings.md, cli.md and errors.md from the code that they describe.

`python docs/generate.py` writes them; `--check` changes nothing and ends with 1 when one of them is stale.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import click
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

import neo4j_relpred
from neo4j_relpred.cli import cli
from neo4j_relpred.config import Settings
from neo4j_relpred.errors import RelpredError

REFERENCE = Path(__file__).parent / "reference"
PACKAGE = Path(neo4j_relpred.__file__).parent
MARK = "<!-- Written by docs/generate.py. Change the code that it describes, then run it again. -->\n\n"
STOPPED = 130  # by Ctrl-C

SETTINGS_INTRO = """# Settings

One file, `relpred.toml`, holds them; [`relpred init`](cli.md#relpred-init) writes it for your graph, with every default
as a comment. What wins, from the weakest: the default, the file, the environment, a flag of the command.

- The file is `relpred.toml` in the working folder, or the one that `relpred --config FILE` names.
- The environment variable of `section.key` is `RELPRED_SECTION__KEY`, with **two** underscores between section and key.
  Lists and tables are JSON there: `RELPRED_GRAPH__LABELS='["Person", "Company"]'`.
- An unknown key is an error that names the nearest known one. An environment variable without the two underscores is
  not recognised as ours, and is passed over.
- Settings are read once, when a command starts. A change needs a new start of service and daemon.

The jar has settings of its own, in `relpred.conf`: see [procedures](procedures.md#relpredconf).
"""

CLI_INTRO = """# Command line

    relpred [--config FILE] [--home FOLDER] [--verbose] COMMAND ...

Options of `relpred` itself come before the command. Nodes are named by their key property (see
[your graph](../guide/your-graph.md#identity)). Tables and progress are for people: with `--json` a command prints JSON
on standard output instead; progress, warnings and errors go to standard error.
"""

ERRORS_INTRO = """# Errors

Every error has a code that does not change, a message, and a hint that says what to do next. On the command line the
code decides the exit code; over HTTP it decides the status and stands in the body; a procedure puts message and hint
into the error of the query. *Retry* says whether the same request may succeed later without anybody's doing.

What to do at length, with the usual causes: [troubleshooting](../guide/troubleshooting.md).
"""

# What to do about each code, in a line. The hint of the error itself knows more of the case at hand.
ADVICE = {
    "internal": "A fault of the program. Report it, with what `--verbose` or the service's log says.",
    "invalid-settings": "Correct the key or value that the message names; see [settings](settings.md).",
    "invalid-query": "Correct the question; see [command line](cli.md) or [HTTP](http.md).",
    "unknown-entity": "Name nodes by their key property. The hint names the nearest known ids.",
    "unknown-relation": "Use a type that the model was trained on, or train again.",
    "model-not-found": "Train with `relpred train`, or choose a version of `relpred model list`.",
    "version-not-found": "See `relpred model list`; `relpred model drop` removes versions for good.",
    "job-not-found": "`CALL relpred.job.list()` shows them. A service that ends forgets its jobs, not what they did.",
    "run-not-found": "See `relpred run list`. Only the last `publishing.keep_sets` sets can be brought back.",
    "graph-too-new": "Install the version of neo4j_relpred that wrote into the graph, or a newer one.",
    "lease-not-found": "See `relpred admin lease list`.",
    "busy": "Wait until the other training or publication ends; `relpred admin lease list` says who publishes.",
    "empty-graph": "Check `graph.database`, `graph.labels` and `graph.relations`, or load data.",
    "too-little-data": "Read more labels or types; some dozens of relationships are the least.",
    "not-finite": "See what the message names: often an encoder in half precision, or a setting far from its default.",
    "too-little-memory": "Lower what the hint names first, or train where more memory is free.",
    "snapshot-corrupt": "Read the graph again with `relpred snapshot`, or publish again.",
    "storage-failed": "Free space on the disk of `home`, or correct its rights; nothing that stood there is lost.",
    "checkpoint-corrupt": "Choose another version with `relpred model promote`, or train again.",
    "text-cache-corrupt": "Delete the file that the message names; texts are then encoded again.",
    "encoder-not-found": "Set `text.encoder` to a folder, install the extra `demo`, or set it to `''`.",
    "dependency-missing": "Install what the message names.",
    "server-not-started": "Read the last words of the server in the hint; often memory, or a port in use.",
    "graph-unavailable": "Start Neo4j or correct `graph.uri`; otherwise try again.",
    "login-refused": "Correct user and password, or ask for the rights that the message names.",
    "database-not-found": "Correct `graph.database`.",
    "graph-query-failed": "Read the code of Neo4j in the message; for time-outs raise `graph.timeout_seconds`.",
    "publication-stopped": "Read which guard it was; confirm with the flag that belongs to it, or change the set.",
    "overloaded": "Ask again in a moment, or raise `service.queue_size`.",
    "token-refused": "Send a token of `service.token_file` as `Authorization: Bearer ...`.",
    "host-refused": "Ask by the address that the service is bound to, or set `service.token_file`.",
    "wire-version": "Use jar and service of the same version.",
    "body-too-large": "Send less at once, or raise `service.max_body_bytes`.",
    "request-too-slow": "Send the body without delay.",
    "no-such-route": "Correct path or method; see [HTTP](http.md).",
    "not-ready": "Wait until `/readyz` answers 200.",
    "service-unavailable": "Start the service with `relpred serve`, or correct the address.",
    "service-refused": "Correct the address: another program, or a proxy, answers there.",
    "deadline-passed": "Ask for less, or ask again later. A decision or an undo may have been carried out: look first.",
}


def pages() -> dict[str, str]:
    """Every generated page by its file name."""
    return {"settings.md": MARK + settings_page(), "cli.md": MARK + cli_page(), "errors.md": MARK + errors_page()}


def stale() -> list[str]:
    """The pages that are not on disk as the code would have them."""
    current = {name: REFERENCE / name for name in pages()}
    return [name for name, text in pages().items() if not current[name].is_file() or current[name].read_text() != text]


# settings


def settings_page() -> str:
    """All settings, section by section."""
    parts = [SETTINGS_INTRO, "\n## Top level\n\n", _settings_table("", _plain_fields(Settings))]
    for name, section in sections().items():
        parts.append(f"\n## {name}\n\n{inspect.cleandoc(section.__doc__ or '')}\n\n")
        parts.append(_settings_table(f"{name}.", section.model_fields))
    return "".join(parts)


def sections() -> dict[str, type[BaseModel]]:
    """The sections of the settings by name."""
    found = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: kind for name, kind in found.items() if isinstance(kind, type) and issubclass(kind, BaseModel)}


def setting_names() -> list[str]:
    """Every setting as it is written in words: 'section.key'."""
    nested = [f"{name}.{key}" for name, section in sections().items() for key in section.model_fields]
    return [*_plain_fields(Settings), *nested]


def _plain_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {name: field for name, field in model.model_fields.items() if name not in sections()}


def _settings_table(prefix: str, fields: dict[str, FieldInfo]) -> str:
    rows = []
    for key, field in fields.items():
        name = prefix + key
        variable = "RELPRED_" + name.upper().replace(".", "__")
        value = field.get_default(call_default_factory=True)
        default = "" if value is None else f"`{json.dumps(value, ensure_ascii=False, default=str)}`"
        rows.append((f"`{name}`", default, _allowed(field), f"`{variable}`", field.description or ""))
    return table(("setting", "default", "what it takes", "environment", "meaning"), rows)


def _allowed(field: FieldInfo) -> str:
    """'whole number, at least 1'."""
    limits: dict[str, Any] = {}
    for rule in field.metadata:
        limits |= {name: getattr(rule, name) for name in ("gt", "ge", "lt", "le", "pattern") if hasattr(rule, name)}
    words = [_kind(field.annotation)]
    if limits.get("pattern"):
        words.append(f"`{limits['pattern']}`")
    signs = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
    words += [f"{sign} {limits[name]:,}" for name, sign in signs.items() if limits.get(name) is not None]
    return ", ".join(words)


def _kind(annotation: Any) -> str:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_kind(one) for one in inner if one is not type(None))
    if origin is Literal:
        return " or ".join(f"`{word}`" for word in inner)
    if origin is tuple:
        return "list of strings"
    if origin is dict:
        return "table of strings"
    words = {bool: "true or false", int: "whole number", float: "number", Path: "path", SecretStr: "string"}
    return words.get(annotation, "string")


# command line


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command by its full name, groups before what is in them."""
    yield from _commands(cli, click.Context(cli, info_name="relpred"))


def _commands(command: click.Command, context: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    yield context.command_path, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _commands(inner, click.Context(inner, info_name=name, parent=context))


def cli_page() -> str:
    """All commands with their help, their options and an example."""
    found = list(commands())
    rows = [
        (f"[`{name}`](#{name.replace(' ', '-')})", _paragraphs(command)[0])
        for name, command, _ in found
        if not isinstance(command, click.Group)
    ]
    parts = [CLI_INTRO, "\n", table(("command", "what it does"), rows), "\n## Exit codes\n\n", _exit_codes()]
    for name, command, context in found:
        parts.append(f"\n## {name}\n\n" + "\n\n".join(_paragraphs(command)) + "\n")
        if not isinstance(command, click.Group):
            parts.append(f"\n    {_usage(context, command)}\n")
        records = [record for p in command.get_params(context) if (record := p.get_help_record(context))]
        own = [(f"`{n}`", " ".join(text.split())) for n, text in records if n.startswith("-") and "--help" not in n]
        if own:
            parts.append("\n" + table(("option", "meaning"), own))
        if example := _example(command):
            parts.append(f"\nExample:\n\n    {example}\n")
    return "".join(parts)


def _usage(context: click.Context, command: click.Command) -> str:
    return " ".join((context.command_path, *command.collect_usage_pieces(context)))


def _paragraphs(command: click.Command) -> list[str]:
    """The help text without its example, each paragraph in one line."""
    blocks = re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))
    return [" ".join(block.split()) for block in blocks if not block.startswith("Example: ")]


def _example(command: click.Command) -> str:
    blocks = re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))
    examples = [" ".join(block.split()) for block in blocks if block.startswith("Example: ")]
    return examples[0].removeprefix("Example: ") if examples else ""


def _exit_codes() -> str:
    by_code: dict[int, list[str]] = {}
    for error in errors():
        if not _is_of_service(error):
            by_code.setdefault(error.exit_code, []).append(f"[`{error.code}`](errors.md#{error.code})")
    rows = [("0", "done")]
    for number, names in sorted(by_code.items()):
        also = "; a command or option that does not exist" if number == click.UsageError.exit_code else ""
        rows.append((str(number), ", ".join(names) + also))
    rows.append((str(STOPPED), "stopped by Ctrl-C"))
    return table(("exit code", "meaning"), rows)


# errors


def errors() -> list[type[RelpredError]]:
    """Every class with a code of its own: the tree of the package in the order in which it is written, then others."""
    found = [getattr(importlib.import_module(module), name) for module, name in _classes_with_codes()]
    return [error for error in found if issubclass(error, RelpredError)]


def _classes_with_codes() -> Iterator[tuple[str, str]]:
    """Module and name of the classes that state a `code`. Only these are imported, since many others load torch."""
    files = sorted(PACKAGE.rglob("*.py"), key=lambda file: (file.name != "errors.py", file))
    for file in files:
        module = ".".join((PACKAGE.name, *file.relative_to(PACKAGE).with_suffix("").parts))
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and any(_names_code(part) for part in node.body):
                yield module, node.name


def _names_code(statement: ast.stmt) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return any(isinstance(target, ast.Name) and target.id == "code" for target in targets)


def _is_of_service(error: type[RelpredError]) -> bool:
    return error.__module__ == "neo4j_relpred.wire"


def errors_page() -> str:
    """All codes in a table, then one by one."""
    found = errors()
    codes = {error.code for error in found}
    if codes != set(ADVICE):
        raise SystemExit(f"docs/generate.py: ADVICE and the error tree differ in {sorted(codes ^ set(ADVICE))}.")
    rows = [(f"[`{e.code}`](#{e.code})", _exit(e), str(e.http_status), "yes" if e.retryable else "no") for e in found]
    parts = [ERRORS_INTRO, "\n", table(("code", "exit code", "HTTP status", "retry"), rows)]
    parts.append("\nCodes without an exit code come from the service alone.\n")
    for error in found:
        meaning = " ".join(inspect.cleandoc(error.__doc__ or "").split())
        if error is RelpredError:
            meaning = "Something that no other code covers."
        parts.append(f"\n## {error.code}\n\n{meaning}\n\n**What to do.** {ADVICE[error.code]}\n")
    return "".join(parts)


def _exit(error: type[RelpredError]) -> str:
    return "" if _is_of_service(error) else str(error.exit_code)


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    head = tuple(columns)
    lines = [head, ("---",) * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


@click.command()
@click.option("--check/--no-check", default=False, help="Change nothing; end with 1 when a page is stale.")
def generate(check: bool) -> None:
    """Write the generated pages of docs/reference."""
    wrong = stale()
    if check:
        for name in wrong:
            click.echo(f"docs/reference/{name} is stale: run python docs/generate.py", err=True)
        raise click.exceptions.Exit(1 if wrong else 0)
    for name in wrong:
        (REFERENCE / name).write_text(pages()[name], encoding="utf-8")
        click.echo(f"wrote docs/reference/{name}")


if __name__ == "__main__":
    generate()
