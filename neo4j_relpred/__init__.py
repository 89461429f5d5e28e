"""neo4j_relpred: which relationships are missing from a Neo4j graph, how probable are they, and why."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neo4j_relpred.client import Client

__all__ = ["Client"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Loads the client when somebody wants it: importing the package does no work."""
    if name == "Client":
        from neo4j_relpred.client import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
