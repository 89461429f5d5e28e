from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from neo4j_relpred.config import ServiceSettings
from neo4j_relpred.errors import InvalidSettings, UnknownEntity
from neo4j_relpred.logs import JsonLines
from neo4j_relpred.service.tokens import TokenFile
from tests.unit.service.conftest import FakePredictor

Serve = Callable[..., TestClient]
QUESTION = {"head": {"element_id": "4:x:1"}, "relation": "KNOWS"}


def ask(client: TestClient, **headers: str) -> int:
    response = client.post("/v1/tails", json=QUESTION, headers=headers)
    assert response.headers["x-relpred-wire"] == "1"
    return response.status_code


def test_a_wrong_token_is_refused(serve: Serve, token_file: Path) -> None:
    client = serve(token_file=token_file)
    assert ask(client, authorization="Bearer first-token") == 200
    assert ask(client, authorization="bearer first-token") == 200
    for wrong in ("Bearer first-toke", "Bearer first-token2", "Basic first-token", "first-token", "Bearer ", ""):
        assert ask(client, authorization=wrong) == 401
    response = client.post("/v1/tails", json=QUESTION)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["code"] == "token-refused"
    assert "Authorization: Bearer" in response.json()["hint"]


def test_two_tokens_are_valid_while_they_rotate(serve: Serve, token_file: Path) -> None:
    client = serve(token_file=token_file)
    token_file.write_text("second-token\nfirst-token\n", encoding="ascii")
    assert ask(client, authorization="Bearer first-token") == 200
    assert ask(client, authorization="Bearer second-token") == 200
    token_file.write_text("second-token\n", encoding="ascii")
    assert ask(client, authorization="Bearer first-token") == 401
    assert ask(client, authorization="Bearer second-token") == 200


def test_a_token_file_put_in_its_place_is_noticed(token_file: Path) -> None:
    tokens = TokenFile(token_file)
    before = token_file.stat()
    other = token_file.with_name("other")
    other.write_text("third-token\n", encoding="ascii")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(token_file)
    assert tokens.accepts("third-token")
    assert not tokens.accepts("first-token")


def test_a_token_is_compared_with_every_valid_one_in_constant_time(
    token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def noted(given: bytes, valid: bytes) -> bool:
        compared.append((given, valid))
        return compare(given, valid)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    token_file.write_text("first-token\nsecond-token\n", encoding="ascii")
    tokens = TokenFile(token_file)
    for token, valid in (("first-token", True), ("second-token", True), ("x", False), ("\ud800", False)):
        compared.clear()
        assert tokens.accepts(token) == valid
        assert len({known for _, known in compared}) == 2
        assert {len(part) for pair in compared for part in pair} == {32}  # digests: nor does a length show


def test_no_token_is_valid_while_the_file_is_gone(token_file: Path) -> None:
    tokens = TokenFile(token_file)
    token_file.unlink()
    assert not tokens.accepts("first-token")
    token_file.write_text("first-token\n", encoding="ascii")
    assert tokens.accepts("first-token")


@pytest.mark.parametrize("content", ["", "\n \n", "two words\n", "t\u00f6ken\n", "bell\a\n"])
def test_a_file_without_tokens_stops_the_service_before_it_starts(serve: Serve, token_file: Path, content: str) -> None:
    token_file.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidSettings, match=r"service\.token_file"):
        serve(token_file=token_file)
    token_file.unlink()
    with pytest.raises(InvalidSettings, match="cannot be read"):
        serve(token_file=token_file)


def test_probes_need_no_token(serve: Serve, token_file: Path) -> None:
    client = serve(token_file=token_file)
    assert client.get("/healthz").status_code == 200
    assert client.get("/openapi.json").status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7475", "127.0.0.1.evil.example", "", "[::2]:7475"])
def test_a_name_that_is_not_ours_is_refused(client: TestClient, host: str) -> None:
    response = client.get("/healthz", headers={"Host": host})
    assert response.status_code == 421
    assert response.json()["code"] == "host-refused"
    assert "service.host" in response.json()["hint"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:7475", "localhost:9", "LOCALHOST", "[::1]:7475", "::1"])
def test_the_names_of_this_machine_are_let_through(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_with_a_token_any_name_is_let_through(serve: Serve, token_file: Path) -> None:
    client = serve(token_file=token_file)
    assert ask(client, authorization="Bearer first-token", host="relpred.example") == 200


def test_another_version_of_the_protocol_is_refused(client: TestClient) -> None:
    assert ask(client, **{"X-Relpred-Wire": "1"}) == 200
    response = client.post("/v1/tails", json=QUESTION, headers={"X-Relpred-Wire": "2"})
    assert response.status_code == 400
    assert response.json()["code"] == "wire-version"
    assert "jar" in response.json()["hint"]
    assert client.get("/healthz", headers={"X-Relpred-Wire": "2"}).json()["wire"] == 1


def test_a_body_that_is_too_long_is_refused(serve: Serve) -> None:
    client = serve(max_body_bytes=1_000)

    def unannounced() -> Iterator[bytes]:
        for _ in range(3):
            yield b" " * 600

    for content in (b" " * 1_001, unannounced()):
        response = client.post("/v1/tails", content=content, headers={"Content-Type": "application/json"})
        assert response.status_code == 413
        assert response.json()["code"] == "body-too-large"
        assert "service.max_body_bytes" in response.json()["hint"]
    assert ask(client) == 200


def test_no_log_holds_a_token_a_path_or_a_question(
    serve: Serve, predictor: FakePredictor, token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    client = serve(token_file=token_file)
    bearer = {"Authorization": "Bearer first-token"}
    ask(client, authorization="Bearer first-token")
    ask(client, authorization="Bearer guessed-token")
    client.get("/v1/tails/Ada?q=Ada", headers=bearer)
    client.post("/v1/tails", json=QUESTION | {"Ada": "Ada"}, headers=bearer)
    client.post("/v1/tails", content=b'{"Ada', headers=bearer)
    decision = {"head": {"id": "Ada"}, "relation": "KNOWS", "tail": {"id": "Ada"}, "by": "Ada", "note": "Ada"}
    assert client.post("/v1/review/accept", json=decision, headers=bearer).status_code == 200
    assert client.post("/v1/run/undo", json={"run": "Ada"}, headers=bearer).status_code == 404
    for error, status in ((ValueError("Ada"), 500), (UnknownEntity("No Ada.", hint="Ada?"), 404)):
        predictor.error = predictor.review.error = error
        assert ask(client, authorization="Bearer first-token") == status
        assert client.post("/v1/review/accept", json=decision, headers=bearer).status_code == status
    lines = [JsonLines().format(record) for record in caplog.records if record.name.startswith("neo4j_relpred")]
    assert any("route=/v1/tails status=200" in line for line in lines)
    assert any("route=other" in line for line in lines)
    assert sum("ValueError" in line for line in lines) == 2
    for line in lines:
        for secret in ("first-token", "guessed-token", "Ada", "4:x:1", "KNOWS"):
            assert secret not in line


def test_the_defaults_bind_to_this_machine() -> None:
    assert ServiceSettings().host == "127.0.0.1"
