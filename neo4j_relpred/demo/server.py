"""A real Neo4j Community server as a child process, for the demo and the tests.

    with EmbeddedNeo4j(cache=default_cache()) as server:
        GraphDatabase.driver(server.bolt_uri, auth=server.auth)

It listens on loopback only, and does not outlive the process that started it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from neo4j import Driver, GraphDatabase, NotificationMinimumSeverity
from neo4j.exceptions import AuthError, DriverError, Neo4jError

from neo4j_relpred.demo.artifacts import (
    LINES,
    Line,
    choose_line,
    default_cache,
    find_jar,
    java_for,
    prepare_lib,
)
from neo4j_relpred.errors import ServerNotStarted

__all__ = ["LINES", "EmbeddedNeo4j", "Line", "choose_line", "default_cache", "find_jar", "free_port", "prepare_lib"]

USER = "neo4j"
# What every new server begins with, and does nothing with but to have it changed.
_FIRST_PASSWORD = "neo4j"
_OPEN_PACKAGES = ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent")
_START_SECONDS = 120.0
_STOP_SECONDS = 30.0
_PORT_TRIES = 3
_GUARD = Path(__file__).with_name("guard.py")


@dataclass
class EmbeddedNeo4j:
    """Starts on entering the context, stops on leaving it. A `home` that is given is kept; else it is thrown away.

    `password` switches the login on. `settings` go to neo4j.conf, `environment` to the server's process.
    """

    line: Line | None = None
    _: KW_ONLY
    home: Path | None = None
    cache: Path = field(default_factory=default_cache)
    plugins: Sequence[Path] = ()
    password: str | None = field(default=None, repr=False)
    settings: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    heap: str = "1g"
    page_cache: str = "256m"

    def __post_init__(self) -> None:
        self._throw_away = self.home is None
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def user(self) -> str:
        """The name of the one user."""
        return USER

    @property
    def auth(self) -> tuple[str, str] | None:
        """What the driver wants as `auth`; None where the login is off."""
        return None if self.password is None else (USER, self.password)

    @property
    def bolt_uri(self) -> str:
        """Where the driver connects to."""
        if self._port is None:
            raise ServerNotStarted("The server was never started.", hint="Enter its context, or call start().")
        return f"bolt://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the server and wait until it answers a query."""
        if self._process is not None:
            return
        line = self.line = self.line or choose_line()
        java, lib = java_for(line), prepare_lib(line, self.cache)
        try:
            home = self._lay_out()
            # A restarted server keeps its address, so that open drivers find it again.
            for port in [self._port] if self._port else [None] * _PORT_TRIES:
                self._port = port or free_port()
                self._write_settings(home, self._port)
                if self._launch(self._command(line, java, lib, home), home):
                    return
            raise self._failure("No free port was found for it.", home)
        except BaseException:
            self.kill()
            if self._throw_away:
                self._remove_home()
            raise

    def stop(self) -> None:
        """Stop the server as an operator would; its data stays in the home. Does nothing when it is not running."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server at once, as a power cut would."""
        self._end(signal.SIGUSR1)

    def restart(self) -> None:
        """Stop the server and start it again, with the same data at the same address."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop the server; a home that was not given is thrown away."""
        if self._throw_away:
            self.kill()  # nobody will read its data again
            self._remove_home()
        else:
            self.stop()

    @property
    def running(self) -> bool:
        """Whether the server's process is alive."""
        return self._process is not None and self._process.poll() is None

    def _end(self, how: signal.Signals) -> None:
        """Tell the guard to end the server, and wait for it: it ends after the server, which then holds no lock."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the guard leads the group of both
            process.wait()

    def _remove_home(self) -> None:
        if self.home is not None:
            shutil.rmtree(self.home, ignore_errors=True)
            self.home, self._port = None, None

    def _lay_out(self) -> Path:
        """The folders of the home, with our plugins in it."""
        if self.home is None:
            self.home = Path(tempfile.mkdtemp(prefix="relpred-neo4j-"))
        home = self.home = self.home.absolute()
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("conf", "plugins", "data", "logs"):
            (home / name).mkdir(exist_ok=True)
        for old in (home / "plugins").glob("relpred-procedures-*.jar"):
            old.unlink()
        for plugin in self.plugins:
            shutil.copy2(plugin, home / "plugins")
        return home

    def _write_settings(self, home: Path, port: int) -> None:
        settings = {
            "server.default_listen_address": "127.0.0.1",
            "server.bolt.enabled": "true",
            "server.bolt.listen_address": f":{port}",
            "server.bolt.advertised_address": f":{port}",
            "server.http.enabled": "false",
            "server.https.enabled": "false",
            "server.memory.heap.max_size": self.heap,
            "server.memory.pagecache.size": self.page_cache,
            "dbms.usage_report.enabled": "false",
            # Stopping takes ten seconds otherwise, which the server spends waiting for new connections.
            "internal.server.bolt.thread_pool_shutdown_wait_time": "1s",
            "dbms.security.auth_enabled": "false" if self.password is None else "true",
            **self.settings,
        }
        text = "".join(f"{key}={value}\n" for key, value in settings.items())
        (home / "conf" / "neo4j.conf").write_text(text, encoding="utf-8")

    def _command(self, line: Line, java: Path, lib: Path, home: Path) -> list[str]:
        opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPEN_PACKAGES]
        class_path = f"{lib.absolute()}/*:{home}/plugins/*"
        server = [line.main_class, f"--home-dir={home}", f"--config-dir={home / 'conf'}"]
        heap = [f"-Xmx{self.heap}", "-Dio.netty.tryReflectionSetAccessible=true"]
        return [str(java), *opened, *heap, "-cp", class_path, *server]

    def _launch(self, command: list[str], home: Path) -> bool:
        """Start the process and wait until it answers. False when its port was taken meanwhile."""
        with open(home / "logs" / "console.log", "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=home,
                env={**os.environ, **self.environment},
                start_new_session=True,  # Ctrl+C is for us; we then stop the server in good order
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if not self.running:
                if "Address already in use" in _tail(home):
                    self._end(signal.SIGUSR1)
                    return False
                raise self._failure("It ended while starting.", home)
            if time.monotonic() > deadline:
                raise self._failure(f"It did not answer within {_START_SECONDS:.0f} seconds.", home)
            time.sleep(0.1)
        return True

    def _failure(self, what: str, home: Path) -> ServerNotStarted:
        return ServerNotStarted(
            f"Neo4j {self.line.version if self.line else ''} did not start. {what} The end of its log:\n{_tail(home)}",
            hint="Is another server using the same home, or is too little memory free?",
        )

    def _answers(self) -> bool:
        """Whether a query is answered; on the way a new server gets its password."""
        if not _listening(self._port or 0):
            return False
        try:
            try:
                self._ask(self.auth)
            except AuthError:
                if self.password is None:
                    raise
                self._set_first_password(self.password)
                self._ask(self.auth)
        except AuthError as error:
            raise ServerNotStarted(
                "The server refused the password.", hint=f"The home {self.home} was made with another one."
            ) from error
        except (Neo4jError, DriverError):
            return False  # its databases are not up yet
        return True

    def _ask(self, auth: tuple[str, str] | None) -> None:
        with self._driver(auth) as driver:
            driver.verify_connectivity()
            driver.execute_query("RETURN 1")

    def _set_first_password(self, password: str) -> None:
        """Replace the password that every new server begins with, over Bolt: that way it is on no command line."""
        with self._driver((USER, _FIRST_PASSWORD)) as driver:
            driver.execute_query(
                "ALTER CURRENT USER SET PASSWORD FROM $old TO $new",
                old=_FIRST_PASSWORD,
                new=password,
                database_="system",
            )

    def _driver(self, auth: tuple[str, str] | None) -> Driver:
        return GraphDatabase.driver(
            self.bolt_uri,
            auth=auth,
            connection_timeout=5,
            max_transaction_retry_time=1,
            notifications_min_severity=NotificationMinimumSeverity.OFF,
        )


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _tail(home: Path, lines: int = 20) -> str:
    """The last lines that the server printed."""
    log = home / "logs" / "console.log"
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:]) if log.exists() else ""
