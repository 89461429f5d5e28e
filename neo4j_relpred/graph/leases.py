"""Leases in the graph: who writes into it at present. Neo4j has no advisory locks, so they are nodes.

A lease ends by itself when its holder no longer renews it, by the clock of the database. Each taking raises its number,
the fence: what a former holder still wants to write is refused in the very transaction, since it names an older one.
Kleppmann, "How to do distributed locking" (2016), says why an expiry alone is not enough.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import LiteralString

from neo4j_relpred.errors import Busy, LeaseNotFound, PublicationStopped, RelpredError, did_you_mean
from neo4j_relpred.graph.client import GraphClient, Row, twice_if_lost
from neo4j_relpred.graph.failures import TimedOut

__all__ = ["PUBLISH", "Fence", "Lease", "break_lease", "held", "list_leases", "require_held", "write_fenced"]

PUBLISH = "publish"  # one publication at a time into a database, whatever its model
LOOK_SECONDS = 0.5  # between two looks at a lease that somebody else holds

# The lock of the lease comes first, so that nobody moves the fence before this transaction has ended. What is written
# under a lease also renews it. The time is that of the clock, not of the statement, which may have waited for the lock.
HELD: LiteralString = (
    "MATCH (lease:RelpredLease {name: $lease}) SET lease.touched = coalesce(lease.touched, 0) + 1 "
    "WITH lease WHERE lease.fence = $fence "
    "SET lease.expiresAt = datetime.realtime() + duration({milliseconds: $milliseconds}) WITH lease "
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fence:
    """The lease under which is written, its number when it was taken, and for how long a write renews it."""

    lease: str
    number: int
    seconds: float = 30.0

    @property
    def parameters(self) -> dict[str, object]:
        """What HELD wants to know."""
        return {"lease": self.lease, "fence": self.number, "milliseconds": round(self.seconds * 1000)}


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it stands in the graph; without an owner, or expired, anybody may take it."""

    name: str
    owner: str
    fence: int
    acquired_at: datetime | None
    expires_at: datetime | None
    held: bool


def write_fenced(
    client: GraphClient,
    fence: Fence | None,
    statement: LiteralString,
    within: float | None = None,
    **parameters: object,
) -> tuple[Row, ...]:
    """Runs a write that gives at least one row, in one transaction with the check of the fence.

    Aggregations must be grouped by `$fence`, or they would give a row of nothing where the fence has moved. Raises
    PublicationStopped then, and what `client.write` raises.
    """
    if fence is None:
        return client.write(statement, within=within, **parameters, fence=None).rows
    rows = client.write(HELD + statement, within=within, **parameters, **fence.parameters).rows
    if not rows:
        raise _lost(fence)
    return rows


def require_held(client: GraphClient, fence: Fence | None) -> None:
    """Raises PublicationStopped when the lease was lost, and what `client.read` raises."""
    if fence is not None and not client.read(
        "MATCH (lease:RelpredLease {name: $lease}) WHERE lease.fence = $fence RETURN lease.fence AS fence",
        lease=fence.lease,
        fence=fence.number,
    ):
        raise _lost(fence)


def _lost(fence: Fence) -> PublicationStopped:
    return PublicationStopped(
        f"The lease {fence.lease!r} was lost while publishing.",
        hint="Another process took over; what was written so far is valid.",
    )


@contextlib.contextmanager
def held(client: GraphClient, name: str, *, seconds: float, patience: float) -> Iterator[Fence]:
    """Takes a lease, renews it from a thread of its own, and gives it back.

    `seconds` is how long it lasts without renewal, `patience` how long to wait for its present holder. Raises Busy,
    and what `client.write` raises.
    """
    client.schema("CREATE CONSTRAINT relpred_lease_name IF NOT EXISTS FOR (l:RelpredLease) REQUIRE l.name IS UNIQUE")
    owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
    fence = _acquire(client, name, owner, seconds, patience)
    ended = threading.Event()
    renewal = threading.Thread(target=_renew, args=(client, fence, ended), name="relpred-lease", daemon=True)
    renewal.start()
    try:
        yield fence
    finally:
        ended.set()
        renewal.join()
        with contextlib.suppress(RelpredError):  # who cannot give it back lets it expire
            _release(client, fence)


def list_leases(client: GraphClient) -> list[Lease]:
    """All leases that were ever taken, by name. Raises what `client.read` raises."""
    rows = client.read(
        "MATCH (lease:RelpredLease) RETURN properties(lease) AS lease, "
        "lease.owner IS NOT NULL AND lease.expiresAt > datetime.realtime() AS held ORDER BY lease.name"
    )
    return [_lease(row["lease"], held=row["held"]) for row in rows]


def break_lease(client: GraphClient, name: str) -> Lease:
    """Takes a lease away from its holder, whose next write is refused. Gives back what it was.

    Raises LeaseNotFound, and what `client.write` raises.
    """
    known = {lease.name: lease for lease in list_leases(client)}
    if name not in known:
        raise LeaseNotFound(
            f"There is no lease {name!r}.", hint=did_you_mean(name, known) or "Nothing was published here yet."
        )
    write = partial(
        client.write,
        "MATCH (lease:RelpredLease {name: $lease}) "
        "SET lease.fence = lease.fence + 1, lease.expiresAt = datetime.realtime() REMOVE lease.owner",
        lease=name,
    )
    twice_if_lost(write)  # a fence may move twice
    return known[name]


def _acquire(client: GraphClient, name: str, owner: str, seconds: float, patience: float) -> Fence:
    until, told = time.monotonic() + patience, False
    while True:
        write = partial(
            client.write,
            "MERGE (lease:RelpredLease {name: $lease}) SET lease.touched = coalesce(lease.touched, 0) + 1 "
            "WITH lease, lease.owner IS NULL OR lease.owner = $owner "
            "OR lease.expiresAt <= datetime.realtime() AS free "
            "FOREACH (_ IN CASE WHEN free THEN [1] ELSE [] END | SET lease.owner = $owner, "
            "lease.fence = coalesce(lease.fence, timestamp()) + 1, lease.acquiredAt = datetime.realtime(), "
            "lease.expiresAt = datetime.realtime() + duration({milliseconds: $milliseconds})) "
            "RETURN free, properties(lease) AS lease",
            lease=name,
            owner=owner,
            milliseconds=round(seconds * 1000),
        )
        try:
            rows = twice_if_lost(write).rows  # the same owner may take its lease again
        except TimedOut as error:  # by a write of its holder, which itself may wait for somebody's lock
            raise Busy(
                f"The holder of the lease {name!r} has been writing all the while.", hint="Wait for it."
            ) from error
        found = _lease(rows[0]["lease"], held=True)
        if rows[0]["free"]:
            return Fence(name, found.fence, seconds)
        if time.monotonic() >= until:
            holds = "is publishing into this database" if name == PUBLISH else f"holds the lease {name!r}"
            raise Busy(
                f"{found.owner} {holds}, since {found.acquired_at:%Y-%m-%d %H:%M:%S %Z}.",
                hint="Wait for it. If it is no more, its lease ends by itself "
                f"at {found.expires_at:%H:%M:%S %Z}, or by `relpred admin lease break {name}`.",
            )
        if not told:
            log.warning("waits for %s, which holds the lease %s until %s", found.owner, name, found.expires_at)
            told = True
        time.sleep(LOOK_SECONDS)


def _renew(client: GraphClient, fence: Fence, ended: threading.Event) -> None:
    """Until `ended`. Who fails to renew goes on: whether the lease still holds, each write finds out by itself."""
    while not ended.wait(fence.seconds / 3):
        try:
            write_fenced(client, fence, "RETURN lease.fence AS fence")
        except PublicationStopped:
            return
        except RelpredError as error:
            log.warning("lease %s not renewed: %s", fence.lease, error.code)


def _release(client: GraphClient, fence: Fence) -> None:
    client.write(
        "MATCH (lease:RelpredLease {name: $lease}) SET lease.touched = coalesce(lease.touched, 0) + 1 "
        "WITH lease WHERE lease.fence = $fence SET lease.expiresAt = datetime.realtime() REMOVE lease.owner",
        lease=fence.lease,
        fence=fence.number,
    )


def _lease(found: Row, *, held: bool) -> Lease:
    times = [found[name].to_native() if name in found else None for name in ("acquiredAt", "expiresAt")]
    return Lease(found["name"], found.get("owner", ""), found.get("fence", 0), times[0], times[1], held)
