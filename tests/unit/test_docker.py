"""No container and no unit runs here: what the files of docker/ name must exist, and what they repeat must agree."""

from __future__ import annotations

import configparser
import importlib
import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest

import neo4j_relpred
from neo4j_relpred.config import Settings, load_settings
from neo4j_relpred.data.daemon_state import BEAT_SECONDS as DAEMON_BEAT_SECONDS
from neo4j_relpred.errors import DependencyMissing, GraphUnavailable, InvalidSettings, ModelNotFound, SnapshotCorrupt
from neo4j_relpred.service.run import BEAT_SECONDS

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"


def load_compose() -> dict[str, Any]:
    yaml: Any = importlib.import_module("yaml")
    content: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return load_compose()


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(DOCKER / "relpred.toml")


@pytest.fixture(scope="module")
def conf() -> dict[str, str]:
    lines = (DOCKER / "relpred.conf").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def units() -> dict[str, configparser.ConfigParser]:
    """The units of systemd, by name."""
    found = {}
    for file in sorted((DOCKER / "systemd").iterdir()):
        found[file.name] = configparser.ConfigParser(interpolation=None)
        found[file.name].optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep case
        found[file.name].read_string(file.read_text(encoding="utf-8"))
    return found


def commands() -> list[list[str]]:
    found = []
    for service in load_compose()["services"].values():
        found += [service["command"]] if "command" in service else []
        kind, *words = service["healthcheck"]["test"]
        found += [words] if kind == "CMD" else []
    dockerfile = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    found += [re.findall(r'"([^"]*)"', line) for line in re.findall(r"^\s*CMD (\[.*\])$", dockerfile, re.MULTILINE)]
    found += [["relpred", *shlex.split(unit["Service"]["ExecStart"])[1:]] for unit in units().values()]
    readme = (DOCKER / "README.md").read_text(encoding="utf-8")
    found += [
        shlex.split(line)[line.split().index("relpred") :] for line in readme.splitlines() if " relpred --" in line
    ]
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_is_there(words: list[str]) -> None:
    if words[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(words[2]) is not None
        return
    assert words[0] == "relpred"
    from neo4j_relpred.cli import cli

    with click.Context(cli) as context:
        words = cli.make_parser(context).parse_args(args=words[1:])[1]
        command = cli.get_command(context, words[0])
        assert command is not None
        assert command.make_parser(context).parse_args(args=words[1:])[1] == []


def test_there_are_as_many_commands_as_we_think() -> None:
    assert len(commands()) == 9  # two services and their probes, two of the image, two units, one of the README


def test_ports_and_names_agree(compose: dict[str, Any], settings: Settings, conf: dict[str, str]) -> None:
    services = compose["services"]
    assert set(services) == {"neo4j", "service", "daemon"}
    port = settings.service.port
    address = urlsplit(conf["service.address"])
    assert (address.hostname, address.port) == ("service", port)
    assert services["service"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert services["service"]["healthcheck"]["test"][-1] == f"http://127.0.0.1:{port}/readyz"
    graph = urlsplit(settings.graph.uri)
    assert graph.hostname in services
    assert f"127.0.0.1:{graph.port}:{graph.port}" in services["neo4j"]["ports"]
    dockerfile = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    assert f"EXPOSE {port}\n" in dockerfile
    assert f"http://127.0.0.1:{port}/readyz" in dockerfile


def test_paths_agree(compose: dict[str, Any], settings: Settings, conf: dict[str, str]) -> None:
    services = compose["services"]
    home = str(settings.home)
    for name in ("service", "daemon"):
        assert f"relpred_home:{home}" in services[name]["volumes"]
        assert "./relpred.toml:/etc/relpred/relpred.toml:ro" in services[name]["volumes"]
        assert services[name]["command"][3] == "/etc/relpred/relpred.toml"
        assert services[name]["read_only"] is True
        assert services[name]["depends_on"] == {"neo4j": {"condition": "service_healthy"}}
    assert services["daemon"]["healthcheck"]["test"][-1] == home
    dockerfile = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    assert f"VOLUME {home}\n" in dockerfile
    assert f"NUMBA_CACHE_DIR={home}/" in dockerfile
    neo4j = services["neo4j"]
    assert f"./relpred.conf:{neo4j['environment']['RELPRED_CONF']}:ro" in neo4j["volumes"]
    jar = next(volume for volume in neo4j["volumes"] if ".jar" in volume)
    assert f"/target/relpred-procedures-{neo4j_relpred.__version__}.jar}}:/plugins/" in jar
    assert set(compose["volumes"]) == {"neo4j_data", "relpred_home"}


def test_every_secret_is_a_file_that_is_given_to_whom_it_needs(
    compose: dict[str, Any], settings: Settings, conf: dict[str, str]
) -> None:
    used = {
        "neo4j": [compose["services"]["neo4j"]["environment"]["NEO4J_AUTH_PATH"], conf["service.token_file"]],
        "service": [str(settings.graph.password_file), str(settings.service.token_file)],
        "daemon": [str(settings.graph.password_file)],
    }
    for name, paths in used.items():
        for path in paths:
            assert path.removeprefix("/run/secrets/") in compose["services"][name]["secrets"]
    assert conf["service.token_file"] == str(settings.service.token_file)
    readme = (DOCKER / "README.md").read_text(encoding="utf-8")
    for secret in compose["secrets"].values():
        assert secret["file"].startswith("./secrets/")
        assert f"> {secret['file'].removeprefix('./')}" in readme
    assert "secrets/\n" in (DOCKER / ".gitignore").read_text(encoding="utf-8")


def test_neo4j_is_well_when_the_jar_answers(compose: dict[str, Any]) -> None:
    kind, line = compose["services"]["neo4j"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    words = shlex.split(line.replace("$$", "$"))
    assert words[2:] == ["cypher-shell", "--format", "plain", "RETURN relpred.version()"]
    assert words[1] == "NEO4J_PASSWORD=$(cat /run/secrets/neo4j_password)"


def test_the_image_is_built_from_files_that_are_there() -> None:
    dockerfile = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    copied = [
        line.split()[1:-1] for line in dockerfile.splitlines() if line.startswith("COPY ") and "--from" not in line
    ]
    let_through = re.findall(r"^!(.+)$", (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for names in copied for name in names} == set(let_through)
    for name in let_through:
        assert (ROOT / name).exists()
    assert "USER relpred\n" in dockerfile
    assert "UV_TORCH_BACKEND=${TORCH_BACKEND}" in dockerfile


def test_units_differ_in_what_they_run_and_in_how_long_a_stop_may_take() -> None:
    service, daemon = (units()[f"relpred-{name}.service"] for name in ("service", "daemon"))
    differing = {
        key
        for section in service.sections()
        for key in service[section]
        if service[section][key] != daemon[section][key]
    }
    assert differing == {"Description", "ExecStart", "TimeoutStopSec"}
    for unit in (service, daemon):
        assert unit["Service"]["Type"] == "notify"
        assert float(unit["Service"]["WatchdogSec"]) > 2 * max(BEAT_SECONDS, DAEMON_BEAT_SECONDS)


def test_what_units_and_containers_say_twice_agrees(compose: dict[str, Any]) -> None:
    for name in ("service", "daemon"):
        unit, container = units()[f"relpred-{name}.service"]["Service"], compose["services"][name]
        assert shlex.split(unit["ExecStart"])[1:] == container["command"][1:]
        assert unit["TimeoutStopSec"] == container["stop_grace_period"]
        assert f"/var/lib/{unit['StateDirectory']}" == str(load_settings(DOCKER / "relpred.toml").home)


def test_exit_codes_that_need_a_person_are_those_of_errors_that_no_restart_helps() -> None:
    codes = {int(code) for code in units()["relpred-daemon.service"]["Service"]["RestartPreventExitStatus"].split()}
    errors_of_a_person = (InvalidSettings, SnapshotCorrupt, DependencyMissing)
    assert codes == {error.exit_code for error in errors_of_a_person}
    assert GraphUnavailable.exit_code not in codes
    assert ModelNotFound.exit_code not in codes


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd on this machine")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for file in (DOCKER / "systemd").iterdir():
        text = file.read_text(encoding="utf-8").replace("/opt/relpred/bin/relpred", sys.executable)
        (tmp_path / file.name).write_text(text, encoding="utf-8")
    files = sorted(map(str, tmp_path.iterdir()))
    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", *files], capture_output=True, text=True)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
