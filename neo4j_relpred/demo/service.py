"""The service as a child process, started as a person would: `relpred serve`."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neo4j_relpred.errors import ServerNotStarted

__all__ = ["served"]

START_SECONDS = 120.0
STOP_SECONDS = 15.0


@contextmanager
def served(config: Path, port: int) -> Iterator[None]:
    """`relpred --config FILE serve` until the block ends. Raises ServerNotStarted."""
    log = config.with_name("service.log")
    with log.open("wb") as output:
        command = [sys.executable, "-m", "neo4j_relpred.cli", "--config", str(config), "serve"]
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait(child, port, log)
            yield
        finally:
            child.terminate()
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _wait(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:  # loopback only
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
    raise ServerNotStarted("The service did not become ready.", hint=f"Its last words:\n{tail}")
