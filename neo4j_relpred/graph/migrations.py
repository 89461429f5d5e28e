"""The version of what is written into the graph, and the steps from one version to the next.

A graph without a version was written by nobody yet, or before versions were kept, which is version 1. A step must be
harmless when repeated: after a kill it begins again, and the version moves only when the step is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from neo4j_relpred.errors import GraphTooNew
from neo4j_relpred.graph.client import GraphClient, twice_if_lost
from neo4j_relpred.graph.leases import Fence, write_fenced

__all__ = ["MIGRATIONS", "Migration", "graph_version", "migrate", "pending_migrations"]


@dataclass(frozen=True, slots=True)
class Migration:
    """The step to `version` from the one before it. `run` does at most a batch and says whether there is more."""

    version: int
    about: str
    run: Callable[[GraphClient, Fence], bool]


MIGRATIONS: Sequence[Migration] = ()  # version 1 is the only one so far


def newest(migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """The version that this program writes."""
    return max((step.version for step in migrations), default=1)


def graph_version(client: GraphClient) -> int | None:
    """The version of the graph; None where nothing of ours is in it. Raises what `client.read` raises."""
    rows = client.read("MATCH (schema:RelpredSchema) RETURN max(schema.version) AS version")
    if rows[0]["version"] is not None:
        return int(rows[0]["version"])
    return 1 if client.read("MATCH (run:RelpredRun) RETURN 1 AS found LIMIT 1") else None


def pending_migrations(client: GraphClient, migrations: Sequence[Migration] = MIGRATIONS) -> list[Migration]:
    """The steps that a graph still needs, in their order. Raises GraphTooNew."""
    version, ours = graph_version(client), newest(migrations)
    if version is not None and version > ours:
        raise GraphTooNew(
            f"A newer neo4j_relpred has written into this graph (version {version}, this one knows {ours}).",
            hint="Install that version here as well.",
        )
    steps = sorted(migrations, key=lambda step: step.version)
    return [step for step in steps if version is not None and step.version > version]


def migrate(
    client: GraphClient,
    fence: Fence,
    migrations: Sequence[Migration] = MIGRATIONS,
    progress: Callable[[str], None] = lambda about: None,
) -> int:
    """Does the pending steps under a lease, and notes the version where none is; how many steps there were.

    Raises GraphTooNew, PublicationStopped when the lease was lost, and what `client.write` raises.
    """
    steps = pending_migrations(client, migrations)
    for step in steps:
        progress(step.about)
        while step.run(client, fence):
            pass
        _set_version(client, fence, step.version)
    if graph_version(client) is None:
        _set_version(client, fence, newest(migrations))
    return len(steps)


def _set_version(client: GraphClient, fence: Fence, version: int) -> None:
    write = partial(
        write_fenced,
        client,
        fence,
        "MERGE (schema:RelpredSchema) SET schema.version = $version RETURN $fence AS fence",
        version=version,
    )
    twice_if_lost(write)
