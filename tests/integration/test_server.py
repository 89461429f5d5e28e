"""The embedded Neo4j server starts, answers, keeps or throws away its data, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from neo4j import Driver, GraphDatabase
from neo4j.exceptions import AuthError

from neo4j_relpred.demo import artifacts
from neo4j_relpred.demo.server import LINES, EmbeddedNeo4j, Line, choose_line, prepare_lib
from neo4j_relpred.errors import DependencyMissing, InvalidSettings, ServerNotStarted

REPOSITORY = Path(__file__).parents[2]
CACHE = REPOSITORY / ".build"
SMALL = {"heap": "512m", "page_cache": "64m"}

PARENT = """
import sys, time
from pathlib import Path
from neo4j_relpred.demo.server import EmbeddedNeo4j, choose_line

line, cache, home = choose_line(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
with EmbeddedNeo4j(line, home=home, cache=cache, heap="512m", page_cache="64m") as server:
    print(server.bolt_uri, flush=True)
    time.sleep(120)
"""


def count(driver: Driver) -> int:
    return int(driver.execute_query("MATCH (n) RETURN count(n) AS n").records[0]["n"])


def servers_in(home: Path) -> list[int]:
    """The process ids of the servers that run in this home."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue  # it ended while we looked
            if f"--home-dir={home}".encode() in command:
                found.append(int(entry.name))
    return found


def until(condition: Callable[[], bool], seconds: float = 30) -> bool:
    """Wait for the condition; False when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_the_server_is_the_line_that_was_asked_for(driver: Driver, neo4j_line: Line) -> None:
    records = driver.execute_query("CALL dbms.components() YIELD name, versions, edition RETURN *").records
    kernel = next(record for record in records if record["name"] == "Neo4j Kernel")
    assert kernel["versions"] == [neo4j_line.version]
    assert kernel["edition"] == "community"


def test_a_temporary_home_is_thrown_away(neo4j_line: Line) -> None:
    with EmbeddedNeo4j(neo4j_line, cache=CACHE, **SMALL) as server:  # type: ignore[arg-type]
        home = server.home
        assert home is not None
        assert server.auth is None
        with GraphDatabase.driver(server.bolt_uri) as driver:
            assert count(driver) == 0
    assert not server.running
    assert not home.exists()
    assert servers_in(home) == []


def test_a_kept_home_keeps_data_and_password_and_the_login_is_on(neo4j_line: Line, tmp_path: Path) -> None:
    embedded = EmbeddedNeo4j(
        neo4j_line,
        home=tmp_path,
        cache=CACHE,
        password="correct horse",
        settings={"db.transaction.timeout": "77s"},
        heap="512m",
        page_cache="64m",
    )
    with embedded as server:
        address = server.bolt_uri
        with GraphDatabase.driver(address, auth=(server.user, "correct horse")) as driver:
            setting = "SHOW SETTINGS YIELD name, value WHERE name = 'db.transaction.timeout' RETURN value"
            assert driver.execute_query(setting).records[0]["value"] in {"77s", "1m17s"}
            driver.execute_query("CREATE (:Kept)")
            server.restart()
            assert server.bolt_uri == address
            assert count(driver) == 1
        with GraphDatabase.driver(address, auth=("neo4j", "wrong")) as stranger, pytest.raises(AuthError):
            stranger.verify_connectivity()
        server.kill()
        assert not server.running
        assert servers_in(tmp_path) == []
    wrong = EmbeddedNeo4j(neo4j_line, home=tmp_path, cache=CACHE, password="another one", heap="512m")
    with pytest.raises(ServerNotStarted, match="made with another one"):
        wrong.start()
    assert servers_in(tmp_path) == []


def test_a_failed_start_tells_the_end_of_the_log(neo4j_line: Line, tmp_path: Path) -> None:
    broken = EmbeddedNeo4j(neo4j_line, home=tmp_path, cache=CACHE, settings={"server.no.such.key": "1"})
    with pytest.raises(ServerNotStarted, match=r"server\.no\.such\.key"):
        broken.start()
    assert servers_in(tmp_path) == []


@pytest.mark.parametrize(
    ("how", "when"), [(signal.SIGKILL, "running"), (signal.SIGTERM, "starting"), (signal.SIGINT, "starting")]
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")
def test_a_parent_that_is_gone_leaves_no_server(
    neo4j_line: Line, tmp_path: Path, how: signal.Signals, when: str
) -> None:
    arguments = [neo4j_line.name, str(CACHE), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", PARENT, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as parent:
        assert parent.stdout is not None
        if when == "running":
            assert parent.stdout.readline().startswith(b"bolt://")
        assert until(lambda: bool(servers_in(tmp_path)))
        parent.send_signal(how)
    assert until(lambda: not servers_in(tmp_path))


def test_the_line_follows_the_java_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    def line_for(*majors: int) -> str:
        monkeypatch.setattr(artifacts, "_runtimes", lambda: iter([(Path(f"java{major}"), major) for major in majors]))
        return choose_line().name

    assert line_for(17) == "5"
    assert line_for(17, 25) == "5"
    assert line_for(21) == "2026"
    assert line_for(11, 25) == "2026"
    assert artifacts.java_for(LINES["2026"]) == Path("java25")
    with pytest.raises(DependencyMissing, match="needs Java 17 to 21; found only Java 11, 25"):
        artifacts.java_for(LINES["5"])
    with pytest.raises(DependencyMissing, match="JAVA_HOME"):
        line_for()


def test_a_line_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="no line '4'"):
        choose_line("4")


def test_a_half_made_folder_of_jars_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maven = tmp_path / "bin" / "mvn"
    maven.parent.mkdir()
    monkeypatch.setenv("PATH", str(maven.parent), prepend=os.pathsep)
    cache = tmp_path / "cache"
    line = LINES["5"]
    find_folder = "for a; do case $a in -DoutputDirectory=*) out=${a#*=};; esac; done"
    make = f'#!/bin/sh\n{find_folder}\nmkdir -p "$out"; touch "$out/a.jar"\n'
    maven.write_text(make + 'echo "no network"; exit 1\n')
    maven.chmod(0o755)
    with pytest.raises(DependencyMissing, match="no network"):
        prepare_lib(line, cache)
    assert not list(cache.rglob("*.jar"))
    maven.write_text(make)
    lib = prepare_lib(line, cache)
    assert [jar.name for jar in lib.iterdir()] == ["a.jar"]
    maven.write_text("#!/bin/sh\nexit 1\n")
    assert prepare_lib(line, cache) == lib


def test_without_maven_the_hint_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DependencyMissing, match="Install Maven"):
        prepare_lib(LINES["5"], tmp_path / "cache")
