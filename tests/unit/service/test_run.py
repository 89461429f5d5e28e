"""The service as a process: its socket and its signals."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from neo4j_relpred.cli import cli
from neo4j_relpred.config import Settings
from neo4j_relpred.errors import InvalidSettings
from neo4j_relpred.service.alive import problem
from neo4j_relpred.service.facade import Predictor
from neo4j_relpred.service.run import run_service

ROOT = Path(__file__).parents[3]
CHILD = """
import sys, time
from neo4j_relpred.config import ServiceSettings, Settings
from neo4j_relpred.service.run import run_service
from neo4j_relpred.triples import ScoredTriple, Triple

class Slow:
    model = "main/1"
    def ready(self): return self.model
    def look_ahead(self): return False
    def entities_of(self, element_ids, seen): return element_ids
    def element_id_of(self, entity): return entity
    def predicted_type(self, relation): return "PREDICTED_" + relation
    def score(self, triples): return []
    def predict_each(self, queries, top_k, min_probability, given):
        print("asked", flush=True)
        (query,) = queries
        time.sleep(float(query.relation))
        triple = Triple(query.head, query.relation, "b" * 1000)
        return [[] if top_k == 10 else [ScoredTriple(triple, 0.5, 0.5, n + 1) for n in range(top_k)]]

run_service(Settings(service=ServiceSettings(port=int(sys.argv[1]))), Slow())
print("ended", flush=True)
"""


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def service(port: int) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CHILD, str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as child:
        until = time.monotonic() + 30
        while problem(f"http://127.0.0.1:{port}/readyz") is not None:
            assert child.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        yield child
        child.kill()


def asked(port: int, seconds: float) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    question = {"head": {"id": "a"}, "relation": str(seconds)}
    connection.request("POST", "/v1/tails", json.dumps(question), {"Content-Type": "application/json"})
    return connection


def test_the_first_signal_lets_running_requests_end(service: subprocess.Popen[str], port: int) -> None:
    connection = asked(port, 0.5)
    assert service.stdout is not None
    assert service.stdout.readline() == "asked\n"
    service.send_signal(signal.SIGTERM)
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"[]")
    connection.close()
    output, errors = service.communicate(timeout=10)
    assert (service.returncode, output) == (0, "ended\n")
    lines = [json.loads(line) for line in errors.splitlines()]  # JSON, for this is no terminal
    assert ("/v1/tails", 200) in {(line.get("route"), line.get("status")) for line in lines}
    assert {line["level"] for line in lines} == {"INFO"}


def test_systemd_hears_that_it_is_up_and_that_it_lives(port: int, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(tmp_path / "notify")}
        with subprocess.Popen([sys.executable, "-c", CHILD, str(port)], env=environment) as child:
            assert systemd.recv(100).split(b"\n") == [b"READY=1", b"WATCHDOG=1"]
            child.terminate()
            assert child.wait(timeout=10) == 0


@pytest.mark.slow
def test_a_caller_who_has_read_enough_may_hang_up(service: subprocess.Popen[str], port: int) -> None:
    question = json.dumps({"head": {"id": "a"}, "relation": "0", "top_k": 10_000})
    headers = {"Content-Type": "application/json", "Accept": "application/x-ndjson"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/v1/tails", question, headers)
    response = connection.getresponse()
    assert json.loads(response.readline())["rank"] == 1
    response.close()
    connection.close()
    assert problem(f"http://127.0.0.1:{port}/readyz") is None
    service.send_signal(signal.SIGTERM)
    _, errors = service.communicate(timeout=10)
    assert service.returncode == 0
    assert "route=/v1/tails status=200" in errors
    for trouble in ("WARNING", "ERROR", "Traceback"):
        assert trouble not in errors


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_second_signal_does_not_wait(
    service: subprocess.Popen[str], port: int, number: signal.Signals, code: int
) -> None:
    connection = asked(port, 60)
    assert service.stdout is not None
    assert service.stdout.readline() == "asked\n"
    service.send_signal(number)
    time.sleep(0.3)
    service.send_signal(number)
    assert service.wait(timeout=15) == code
    connection.close()


def test_a_port_in_use_is_told_by_the_setting_to_change(port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        settings = Settings.model_validate({"service": {"port": port}})
        with pytest.raises(InvalidSettings, match=r"already\. .*service\.port") as caught:
            run_service(settings, _never_asked())
    assert str(port) in caught.value.message


def test_a_host_that_is_not_ours_is_told(token_file: Path) -> None:
    for host in ("192.0.2.1", "no such host"):
        settings = Settings.model_validate({"service": {"host": host, "token_file": token_file}})
        with pytest.raises(InvalidSettings, match=r"service\.host"):
            run_service(settings, _never_asked())


def test_the_command_refuses_an_address_of_the_network_without_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = CliRunner().invoke(cli, ["serve", "--host", "0.0.0.0"]).exception
    assert isinstance(refused, InvalidSettings)
    assert "service.token_file" in str(refused)


def test_the_probe_says_why_a_service_is_not_ready(port: int) -> None:
    assert "does not answer" in (problem(f"http://127.0.0.1:{port}/readyz") or "")


def _never_asked() -> Predictor:
    class Never:
        def __getattr__(self, name: str) -> Callable[..., None]:
            raise AssertionError(name)

    never: Predictor = Never()  # type: ignore[assignment]
    return never
