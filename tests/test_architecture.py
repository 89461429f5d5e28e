"""The shape of the house: floors, maxima, nothing at import, no door to foreign code."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "neo4j_relpred"
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 400
MOST_LINES_OF_FUNCTION = 60
MOST_PARAMETERS = 8
HEAVY = ("torch", "torch_geometric", "transformers", "numba", "neo4j", "pyarrow")
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "torch.load", "torch.save"}
WORK = {"load_settings", "Settings", "open", "print", "os.getenv", "logging.basicConfig", "os.environ", "sys.argv"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


@cache
def functions() -> list[tuple[str, Function]]:
    found = []
    for module in MODULES:
        nodes = [node for node in ast.walk(parsed(module)) if isinstance(node, Function)]
        found += [(f"{module.relative_to(ROOT)}:{node.lineno} {node.name}", node) for node in nodes]
    return found


def parameters(function: Function) -> int:
    """How many a caller sees: self and cls do not count."""
    arguments = function.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def is_compiled(function: Function) -> bool:
    return any("njit" in ast.dump(decorator) for decorator in function.decorator_list)


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def run_child(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("RELPRED_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**variables, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_rooms_know_only_the_rooms_below_them() -> None:
    # in a process of its own: the linter switches the loggers off that are there already
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    words = [sys.executable, "-c", lint, "--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


def test_every_room_that_learns_or_holds_data_is_named_in_the_import_contracts() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    by_id = {contract["id"]: contract for contract in contracts}
    there = {f"neo4j_relpred.{path.stem}" for path in PACKAGE.iterdir() if path.suffix == ".py" or _is_room(path)}
    learning = {f"neo4j_relpred.{room}" for room in ("data", "evaluation", "model", "scoring", "text", "training")}
    assert set(by_id["no-faces"]["source_modules"]) == learning & there
    assert set(by_id["no-tensors"]["source_modules"]) == {f"neo4j_relpred.{r}" for r in ("config", "data", "graph")}


def _is_room(path: Path) -> bool:
    return path.is_dir() and any(path.glob("*.py"))


def test_no_module_is_longer_than_the_maximum() -> None:
    lengths = {str(m.relative_to(ROOT)): len(m.read_text(encoding="utf-8").splitlines()) for m in MODULES}
    assert len(lengths) > 20
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_no_function_is_longer_than_the_maximum() -> None:
    lengths = {name: (node.end_lineno or node.lineno) - node.lineno + 1 for name, node in functions()}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_FUNCTION} == {}


def test_no_function_takes_more_parameters_than_the_maximum() -> None:
    """Compiled loops are let off: they take plain arrays, and an object would cost in them."""
    counts = {name: parameters(node) for name, node in functions() if not is_compiled(node)}
    assert {name: count for name, count in counts.items() if count > MOST_PARAMETERS} == {}


def test_the_package_opens_no_door_to_foreign_code() -> None:
    """Neither pickle nor eval nor torch.load; code that comes with a model is never trusted."""
    found = []
    for module in MODULES:
        for node in ast.walk(parsed(module)):
            if isinstance(node, ast.Import):
                bad = {alias.name.split(".")[0] for alias in node.names} & FORBIDDEN_MODULES
            elif isinstance(node, ast.ImportFrom):
                bad = {(node.module or "").split(".")[0]} & FORBIDDEN_MODULES
            elif isinstance(node, ast.Call):
                bad = {dotted(node.func)} & FORBIDDEN_CALLS
                for keyword in node.keywords:
                    trusted = keyword.arg == "trust_remote_code" or keyword.arg == "allow_pickle"
                    if trusted and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False):
                        bad = {f"{keyword.arg} not False"}
                    if keyword.arg == "shell" and not (
                        isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                    ):
                        bad = {"shell not False"}
            else:
                continue
            found += [f"{module.relative_to(ROOT)}:{node.lineno} {name}" for name in bad]
    assert found == []


def test_a_transformers_model_is_always_loaded_with_remote_code_switched_off() -> None:
    """Checkpoints and rules have loaders of their own; `from_pretrained` is the one that may run foreign code."""
    calls = [
        node
        for module in MODULES
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "from_pretrained"
    ]
    assert calls
    assert all(any(keyword.arg == "trust_remote_code" for keyword in call.keywords) for call in calls)


def test_importing_the_package_does_no_work() -> None:
    """Nonsense in the environment is not noticed, nothing heavy is loaded, nothing is printed or written."""
    code = (
        "import json, sys, neo4j_relpred, neo4j_relpred.config, neo4j_relpred.errors, neo4j_relpred.triples\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    done = run_child(code, RELPRED_TRAINING__MINUTES="nonsense", RELPRED_HOME="/nowhere", HOME="/nowhere")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
    assert done.stderr == ""


def test_no_module_reads_settings_or_changes_the_process_at_import() -> None:
    found = []
    for module in MODULES:
        for statement in at_import(parsed(module)):
            for node in ast.walk(statement):
                name = dotted(node.func) if isinstance(node, ast.Call) else ""
                if isinstance(node, ast.Attribute) and dotted(node) in {"os.environ", "sys.argv"}:
                    name = dotted(node)
                if name in WORK or name.startswith(("torch.set_", "torch.manual_seed", "np.random.")):
                    found.append(f"{module.relative_to(ROOT)} {name}")
    assert found == []


def at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """What runs when a module is imported: statements of the module and of its classes, without function bodies."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from (part for part in node.body if not isinstance(part, Function))
        elif not isinstance(node, Function | ast.If):  # `if __name__` and `if TYPE_CHECKING` do not count
            yield node


def test_rooms_without_tensors_load_no_torch() -> None:
    paths = [m for room in ("graph", "data") for m in (PACKAGE / room).glob("*.py") if m.stem != "__init__"]
    modules = [f"neo4j_relpred.{path.parent.name}.{path.stem}" for path in paths]
    code = (
        f"import importlib, json, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        "print(json.dumps([name for name in ('torch', 'transformers', 'torch_geometric') if name in sys.modules]))"
    )
    done = run_child(code)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_help_loads_neither_torch_nor_driver() -> None:
    code = (
        "import json, sys\n"
        "from neo4j_relpred.cli import main\n"
        "sys.argv = ['relpred', '--help']\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    done = run_child(code, RELPRED_TRAINING__MINUTES="nonsense")
    assert done.returncode == 0, done.stderr
    *shown, loaded = done.stdout.splitlines()
    assert any("Usage" in line for line in shown)
    assert json.loads(loaded) == []


def test_looking_at_what_there_is_loads_no_torch(tmp_path: Path) -> None:
    code = (
        "import json, sys\n"
        "from neo4j_relpred.cli import main\n"
        "loaded = {}\n"
        "for what in ('model', 'run', 'review'):\n"
        f"    sys.argv = ['relpred', '--home', {str(tmp_path)!r}, what, 'list']\n"
        "    try:\n        main()\n    except SystemExit:\n        pass\n"  # a graph that is away is no matter here
        "    loaded[what] = [name for name in ('torch', 'transformers', 'numba') if name in sys.modules]\n"
        "print(json.dumps(loaded))"
    )
    done = run_child(code, RELPRED_GRAPH__URI="bolt://127.0.0.1:1", RELPRED_GRAPH__TIMEOUT_SECONDS="0.1")
    assert json.loads(done.stdout.splitlines()[-1]) == {"model": [], "run": [], "review": []}, done.stderr
