"""How a connection is opened: address, deadlines, and the one or two logins of the settings."""

from __future__ import annotations

from pathlib import Path

import neo4j
from neo4j import exceptions as driver_errors
from pydantic import SecretStr

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.errors import InvalidSettings

__all__ = ["IDLE_SECONDS", "connect", "name_of", "no_address"]

LONGEST_CONNECT_SECONDS = 10.0  # a server that has not answered a handshake by then is not there
# Connections that were idle for longer are tried before use: a server that no longer answers is then noticed within the
# deadline, and not after the two minutes that the server itself suggests for a read.
IDLE_SECONDS = 1.0
SCHEMES = ("bolt://", "bolt+s://", "bolt+ssc://", "neo4j://", "neo4j+s://", "neo4j+ssc://")


def connect(settings: GraphSettings, *, writer: bool = False) -> neo4j.Driver:
    """A driver for what reads, or for what writes. Connects when it is used.

    Raises InvalidSettings when the address or the password file cannot be used.
    """
    if not settings.uri.startswith(SCHEMES):
        raise no_address(settings)
    try:
        return neo4j.GraphDatabase.driver(
            settings.uri,
            auth=_login(settings, writer=writer),
            connection_timeout=min(settings.timeout_seconds, LONGEST_CONNECT_SECONDS),
            connection_acquisition_timeout=settings.timeout_seconds,
            max_transaction_retry_time=settings.timeout_seconds,
            liveness_check_timeout=IDLE_SECONDS,
            notifications_min_severity="OFF",
            user_agent="neo4j_relpred",
        )
    except (driver_errors.ConfigurationError, ValueError) as error:
        raise no_address(settings) from error


def no_address(settings: GraphSettings) -> InvalidSettings:
    """The error for what is no address."""
    return InvalidSettings(
        f"{settings.uri!r} is not the address of a Neo4j server.",
        hint="graph.uri looks like bolt://127.0.0.1:7687 or neo4j+s://example.org.",
    )


def name_of(settings: GraphSettings, *, writer: bool = False) -> str:
    """What to call a login in an error."""
    user, password, file = _of(settings, writer=writer)
    return f"user {user!r}" if password is not None or file is not None else "a login without password"


def _of(settings: GraphSettings, *, writer: bool) -> tuple[str, SecretStr | None, Path | None]:
    if writer:
        return settings.writer, settings.writer_password, settings.writer_password_file
    return settings.user, settings.password, settings.password_file


def _login(settings: GraphSettings, *, writer: bool) -> neo4j.Auth | None:
    """The login that the settings give; none at all without a password, for servers that ask for none."""
    user, password, file = _of(settings, writer=writer)
    if password is not None:
        return neo4j.basic_auth(user, password.get_secret_value())
    if file is None:
        return None
    try:
        text = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(
            f"The password file {file} cannot be read.",
            hint=f"Check graph.{'writer_' if writer else ''}password_file.",
        ) from error
    return neo4j.basic_auth(user, text)
