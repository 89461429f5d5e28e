"""What people can use is documented, and what the documents say can be used: links, commands, settings, examples."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import click
import pytest

from neo4j_relpred.cli import cli
from neo4j_relpred.config import ServiceSettings, Settings

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "neo4j_relpred"
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "docker").glob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"^\s*(?:\$ )?(?:[A-Z_]+=\S+ +)*relpred +(.+)$")
VARIABLE = re.compile(r"\bRELPRED_[A-Z]+__[A-Z_]+\b")
PLACEHOLDERS = {"RELPRED_SECTION__KEY"}


def loaded(path: Path) -> Any:
    """A script that is no part of a package, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generate() -> Any:
    return loaded(ROOT / "docs" / "generate.py")


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@cache
def headings(page: Path) -> frozenset[str]:
    """The headings of a page, without the lines of code that begin like one."""
    plain = FENCE.sub("", text_of(page))
    return frozenset(re.findall(r"^#{1,6} +(.+?) *$", plain, re.MULTILINE))


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def blocks(language: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for found in FENCE.finditer(text_of(page)):
            if found[1] == language:
                yield f"{page.relative_to(ROOT)}:{text_of(page)[: found.start()].count(chr(10)) + 1}", found[2]


def spans(page: Path) -> list[str]:
    """Code within lines of prose."""
    return SPAN.findall(FENCE.sub("", text_of(page)))


# what is generated


def test_generated_pages_are_fresh(generate: Any) -> None:
    assert generate.stale() == [], "run python docs/generate.py"


# what there is, is documented


def test_every_command_is_documented(generate: Any) -> None:
    names = {name for name, _, _ in generate.commands()}
    assert len(names) > 15
    assert names - headings(REFERENCE / "cli.md") == set()


def test_every_command_has_a_help_text_and_an_example_of_itself(generate: Any) -> None:
    for name, command, _ in generate.commands():
        assert command.help, name
        if not isinstance(command, click.Group):
            assert f"relpred {name.removeprefix('relpred ')}" in command.help.partition("Example: ")[2], name


def test_every_setting_is_described_and_documented(generate: Any) -> None:
    documented = set(spans(REFERENCE / "settings.md"))
    names = generate.setting_names()
    assert len(names) > 40
    assert set(names) - documented == set()
    fields = [
        *Settings.model_fields.values(),
        *(f for s in generate.sections().values() for f in s.model_fields.values()),
    ]
    sections = list(generate.sections().values())
    assert [field for field in fields if not field.description and field.annotation not in sections] == []


def test_every_error_code_is_documented_and_has_a_way_out(generate: Any) -> None:
    codes = {error.code for error in generate.errors()}
    assert len(codes) > 20
    assert codes - headings(REFERENCE / "errors.md") == set()
    assert codes - headings(ROOT / "docs" / "guide" / "troubleshooting.md") == set()


def test_every_procedure_is_documented() -> None:
    sources = (ROOT / "procedures" / "src" / "main").rglob("*.java")
    declared = re.compile(r"@(?:Procedure|UserFunction)\(\s*(?:name\s*=\s*)?\"([\w.]+)\"")
    names = {name for source in sources for name in declared.findall(source.read_text(encoding="utf-8"))}
    assert len(names) > 3
    assert names - headings(REFERENCE / "procedures.md") == set()


def test_every_route_is_documented_and_no_other() -> None:
    from neo4j_relpred.service.app import create_app
    from neo4j_relpred.service.facade import Predictor

    paths = create_app(cast(Predictor, object()), ServiceSettings()).openapi()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert len(routes) > 5
    known = {span for span in spans(REFERENCE / "http.md") if re.fullmatch(r"(GET|POST) /\S+", span)}
    assert known == {*routes, "GET /openapi.json"}


def test_every_column_on_disk_is_documented() -> None:
    from neo4j_relpred.data.snapshot import EDGE_SCHEMA, NODE_SCHEMA
    from neo4j_relpred.data.target_set import SCHEMA

    documented = {word for span in spans(REFERENCE / "checkpoint.md") for word in re.split(r"[,\s]+", span)}
    assert {*NODE_SCHEMA.names, *EDGE_SCHEMA.names, *SCHEMA.names} - documented == set()


def test_every_key_of_the_file_of_the_daemon_is_documented() -> None:
    from neo4j_relpred.data.daemon_state import DaemonState

    page = text_of(ROOT / "docs" / "guide" / "operations.md")
    table = page[page.index("\n### How it is\n") : page.index("\n## A training that was interrupted\n")]
    told = {key for keys in re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE) for key in re.findall("`(.+?)`", keys)}
    assert told == {field.name for field in fields(DaemonState)}


def test_every_decision_is_in_the_list() -> None:
    folder = ROOT / "docs" / "decisions"
    linked = set(LINK.findall(text_of(folder / "README.md")))
    assert {page.name for page in folder.glob("[0-9]*.md")} == linked


# what is said, is so


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_internal_links_resolve(page: Path) -> None:
    broken = []
    for link in LINK.findall(FENCE.sub("", text_of(page))):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, fragment = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        if not target.exists():
            broken.append(link)
        elif fragment and fragment not in {anchor(heading) for heading in headings(target)}:
            broken.append(link)
    assert broken == []


class Line(NamedTuple):
    place: str
    words: str
    whole: bool  # whether it is a command to type, and not the mention of one


def command_lines() -> Iterator[Line]:
    for page in PAGES:
        in_fence = False
        for number, line in enumerate(text_of(page).splitlines(), start=1):
            place = f"{page.relative_to(ROOT)}:{number}"
            if line.startswith("```"):
                in_fence = not in_fence
            elif in_fence or line.startswith("    "):
                if found := COMMAND.match(line):
                    yield Line(place, found[1], True)
            else:
                for span in SPAN.findall(line):
                    if found := COMMAND.match(span):
                        yield Line(place, found[1], False)


def arguments(line: Line) -> list[str]:
    """The words after `relpred`, with something that can be parsed where a page has a placeholder."""
    without_options = re.sub(r"\[[^\]]*\]", "", line.words)
    return ["1" if word == "VERSION" else word for word in shlex.split(without_options, comments=True)]


def parse(command: click.Command, context: click.Context, words: list[str]) -> None:
    """Parses as click would, and runs nothing."""
    if not isinstance(command, click.Group):
        command.make_context(context.info_name, words, parent=context.parent)
        return
    _, rest, _ = command.make_parser(context).parse_args(args=words)
    if rest:
        name, inner, more = command.resolve_command(context, rest)
        assert inner is not None
        parse(inner, click.Context(inner, info_name=name, parent=context), more)


def test_every_command_line_parses() -> None:
    lines = [line for line in command_lines() if "COMMAND" not in line.words]
    assert sum(line.whole for line in lines) > 30
    wrong = []
    for line in lines:
        try:
            parse(cli, click.Context(cli, info_name="relpred"), arguments(line))
        except click.MissingParameter as error:
            if line.whole:
                wrong.append(f"{line.place} relpred {line.words}: {error.format_message()}")
        except click.UsageError as error:
            wrong.append(f"{line.place} relpred {line.words}: {error.format_message()}")
    assert wrong == []


@pytest.mark.parametrize(
    "words", ["retrain", "train --hours 3", "predict edges", "model promote one", "train extra", "--quiet doctor"]
)
def test_a_wrong_command_line_would_be_found(words: str) -> None:
    with pytest.raises(click.UsageError):
        parse(cli, click.Context(cli, info_name="relpred"), words.split())


def test_every_setting_that_a_page_names_exists(generate: Any) -> None:
    sections = "|".join(generate.sections())
    of_the_jar = {span for span in spans(REFERENCE / "procedures.md") if span.startswith("service.")}
    known = {*generate.setting_names(), *of_the_jar}
    named = {
        (page.name, span)
        for page in PAGES
        if page.name != "checkpoint.md"  # its tensors and files have names of that kind
        for span in spans(page)
        if re.fullmatch(rf"(?:{sections})\.(?!json$)[a-z_]+", span)
    }
    assert len(named) > 40
    assert {(page, name) for page, name in named if name not in known} == set()


def test_every_variable_that_a_page_names_exists(generate: Any) -> None:
    known = {"RELPRED_" + name.upper().replace(".", "__") for name in generate.setting_names()} | PLACEHOLDERS
    named = {variable for page in PAGES for variable in VARIABLE.findall(text_of(page))}
    assert named - known == set()


def test_settings_in_examples_are_accepted() -> None:
    examples = dict(blocks("toml"))
    assert examples
    for place, example in examples.items():
        assert Settings.model_validate(tomllib.loads(example)), place


def test_python_in_examples_compiles_and_names_what_there_is() -> None:
    examples = dict(blocks("python"))
    assert examples
    for place, example in examples.items():
        compile(example, place, "exec")
        for node in ast.walk(ast.parse(example)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("neo4j_relpred"):
                assert {alias.name for alias in node.names} <= public_names(str(node.module)), place
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "predictor":
                assert node.attr in methods_of_the_facade(), f"{place} predictor.{node.attr}"


def public_names(module: str) -> set[str]:
    """`__all__` of a module, read and not imported: the facade loads torch."""
    file = ROOT.joinpath(*module.split("."))
    source = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def methods_of_the_facade() -> set[str]:
    tree = ast.parse((PACKAGE / "api" / "predictor.py").read_text(encoding="utf-8"))
    facade = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "RelationPredictor")
    return {node.name for node in facade.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")}
