"""Settings of what stays: the service and the daemon."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from neo4j_relpred.config.section import Section

__all__ = ["DaemonSettings", "ServiceSettings"]


class ServiceSettings(Section):
    """The HTTP service."""

    host: str = Field("127.0.0.1", description="Address to bind; anything but loopback needs token_file.")
    port: int = Field(7475, ge=1, le=65535, description="Port to bind.")
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Processes that answer questions, each on a core of its own; 1 answers in the process of the "
        "service. They share one copy of the model.",
    )
    queue_size: int = Field(32, ge=1, description="Waiting requests; further ones get 429.")
    max_body_bytes: int = Field(1_000_000, ge=1_000, description="Largest request body.")
    token_file: Path | None = Field(None, description="File with the bearer token, one per line while rotating.")


class DaemonSettings(Section):
    """The schedule."""

    interval_minutes: float = Field(5.0, gt=0, description="Time between two looks for changes.")
    refresh_cron: str = Field(
        "0 3 * * *", description="When to go on training from the live weights, as five cron fields; '' for never."
    )
    retrain_cron: str = Field("0 3 * * 0", description="When to train anew, in the same way; it replaces a refresh.")
    timezone: str = Field("UTC", description="Time zone of both.")
    publish: bool = Field(True, description="Whether a sync publishes its predictions.")
    lease_seconds: float = Field(
        15.0, ge=1, description="How long a daemon that no longer moves keeps another one from taking over."
    )
    stuck_minutes: float = Field(
        30.0, gt=0, description="A daemon whose work shows no progress for so long counts as stuck."
    )
