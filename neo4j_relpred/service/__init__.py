"""The HTTP service: answers the questions of the procedures, and of whoever else speaks JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neo4j_relpred.service.app import create_app
    from neo4j_relpred.service.run import run_service

__all__ = ["create_app", "run_service"]


def __getattr__(name: str) -> object:
    """Loads the web framework for those who serve only: the health probe beside it runs every few seconds."""
    if name == "create_app":
        from neo4j_relpred.service.app import create_app

        return create_app
    if name == "run_service":
        from neo4j_relpred.service.run import run_service

        return run_service
    raise AttributeError(name)
