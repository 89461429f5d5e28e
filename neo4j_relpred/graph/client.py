"""The door to Neo4j: three verbs, one deadline, one place where the driver's errors become ours.

It does not know what is read or written. Values are parameters, always; the statements themselves are literals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, LiteralString, Protocol, Self, TypeVar, cast

import neo4j
import neo4j.graph
from neo4j import exceptions as driver_errors

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.errors import (
    DatabaseNotFound,
    GraphQueryFailed,
    GraphUnavailable,
    InvalidQuery,
    InvalidSettings,
    LoginRefused,
    RelpredError,
    did_you_mean,
)
from neo4j_relpred.graph.failures import ROW_CODES, CommitLost, ConstraintBroken, RowRefused, TimedOut
from neo4j_relpred.graph.login import connect, name_of, no_address

__all__ = [
    "ChosenNode",
    "Counters",
    "GraphClient",
    "Neo4jClient",
    "Row",
    "SnapshotClient",
    "twice_if_lost",
]

Row = dict[str, Any]
T = TypeVar("T")

# Cypher 5 is frozen and understood by every server since 5.21; a database may default to another version.
LANGUAGE: LiteralString = "CYPHER 5 "
LONGEST_MESSAGE = 300
TIMED_OUT = "TransactionTimedOut"
LOCKED = ("LockClientStopped", "LockAcquisitionTimeout")  # timed out while it waited for a lock
LOGIN_CODES = ("Neo.ClientError.Security.", "Neo.TransientError.Security.")


@dataclass(frozen=True, slots=True)
class ChosenNode:
    """A node in the answer to a person's own query."""

    element_id: str
    labels: frozenset[str]
    properties: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Counters:
    """What a statement changed, and the rows that it returned."""

    nodes_created: int = 0
    nodes_deleted: int = 0
    relationships_created: int = 0
    relationships_deleted: int = 0
    properties_set: int = 0
    rows: tuple[Row, ...] = ()


class GraphClient(Protocol):
    """What this room asks of a graph database. Every verb is one transaction, repeated after passing failures."""

    def read(self, query: LiteralString, /, **parameters: object) -> Sequence[Row]:
        """The rows of a statement that changes nothing. Callers bound them: they arrive all at once."""
        ...

    def write(self, query: LiteralString, /, *, within: float | None = None, **parameters: object) -> Counters:
        """Runs a statement that changes data; `within` is a deadline in seconds, where another one than usual."""
        ...

    def schema(self, query: LiteralString, /) -> None:
        """Runs a statement that changes constraints or indexes."""
        ...

    def close(self) -> None:
        """Gives the connections back."""
        ...


class SnapshotClient(GraphClient, Protocol):
    """What reading a whole graph asks beyond that."""

    def chosen_nodes(self, query: str, /) -> list[str]:
        """Element ids of the nodes in the answer to a person's own query, which must change nothing."""
        ...

    def chosen_rows(self, query: str, /) -> list[Row]:
        """The rows of a person's own query, which must change nothing; nodes as ChosenNode."""
        ...

    def state(self) -> str:
        """Another word whenever something was committed in between."""
        ...


def twice_if_lost(write: Callable[[], T]) -> T:
    """Writes again where a commit was lost: for what says the same however often it is said. Raises what it raises."""
    try:
        return write()
    except CommitLost:
        return write()


class Neo4jClient:
    """A SnapshotClient over the official driver: one database, one deadline."""

    def __init__(self, driver: neo4j.Driver, settings: GraphSettings, writing: neo4j.Driver | None = None) -> None:
        """`writing` is for what writes, where that has a login of its own."""
        self._driver, self._writing = driver, writing or driver
        self._settings = settings

    @classmethod
    def open(cls, settings: GraphSettings) -> Neo4jClient:
        """Connects, logs in and looks for the database.

        Raises GraphUnavailable, LoginRefused, DatabaseNotFound, or InvalidSettings when the address or the password
        file cannot be used.
        """
        client = cls(connect(settings), settings, connect(settings, writer=True) if settings.writer else None)
        try:
            client._greet()
        except BaseException:
            client.close()
            raise
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes all connections; the client is of no use afterwards."""
        self._driver.close()
        self._writing.close()

    def read(self, query: LiteralString, /, **parameters: object) -> list[Row]:
        """See GraphClient. Raises GraphUnavailable, LoginRefused, DatabaseNotFound, GraphQueryFailed."""

        def rows(transaction: neo4j.ManagedTransaction) -> list[Row]:
            return [dict(record) for record in transaction.run(LANGUAGE + query, parameters)]

        return self._managed(rows, neo4j.READ_ACCESS)

    def chosen_nodes(self, query: str, /) -> list[str]:
        """See SnapshotClient. Nodes count wherever they stand: in columns, lists, relationships and paths.

        Raises InvalidSettings for a query that writes, that the server does not understand, or that answers something
        else than nodes; and what `read` raises.
        """

        def nodes(transaction: neo4j.ManagedTransaction) -> dict[str, None]:
            found: dict[str, None] = {}
            for record in transaction.run(_own(query)):
                for value in record.values():
                    found.update(dict.fromkeys(_element_ids(value)))
            return found

        return list(self._asked_by_a_person(query, nodes, "graph.query"))

    def chosen_rows(self, query: str, /) -> list[Row]:
        """See SnapshotClient.

        Raises InvalidSettings for a query that writes or that the server does not understand; and what `read` raises.
        """

        def rows(transaction: neo4j.ManagedTransaction) -> list[Row]:
            return [
                {name: _plain(value) for name, value in dict(record).items()} for record in transaction.run(_own(query))
            ]

        return self._asked_by_a_person(query, rows, "The query for candidates")

    def _asked_by_a_person(self, query: str, work: Callable[[neo4j.ManagedTransaction], T], what: str) -> T:
        def kind(transaction: neo4j.ManagedTransaction) -> str | None:
            return transaction.run(_own(f"EXPLAIN {query}")).consume().query_type

        try:
            # the server refuses writes in a read as well; asking first says so before anything runs
            if self._managed(kind, neo4j.READ_ACCESS) != "r":
                raise InvalidSettings(f"{what} writes.", hint="It chooses what is read: MATCH ... RETURN ...")
            return self._managed(work, neo4j.READ_ACCESS)
        except GraphQueryFailed as error:
            raise InvalidSettings(f"{what} cannot be run. {error.message}", hint=error.hint) from error

    def state(self) -> str:
        """See SnapshotClient: the server's own bookmark, which names its last transaction."""
        with self._errors_translated(), self._driver.session(database=self._settings.database) as session:
            session.execute_read(lambda transaction: transaction.run("RETURN 1").consume())
            return ",".join(sorted(session.last_bookmarks().raw_values))

    def write(self, query: LiteralString, /, *, within: float | None = None, **parameters: object) -> Counters:
        """See GraphClient. Raises what `read` raises, TimedOut, and CommitLost when nobody can say what was written.

        A commit itself knows no deadline: statements lock what they change before it (see predicted.LOCKED).
        """
        rows: list[Row] = []

        def change(transaction: neo4j.ManagedTransaction) -> Counters:
            rows.clear()
            result = transaction.run(LANGUAGE + query, parameters)
            for record in result:
                rows.append(dict(record))  # one by one, to have those before an error
            counters = result.consume().counters
            return Counters(
                counters.nodes_created,
                counters.nodes_deleted,
                counters.relationships_created,
                counters.relationships_deleted,
                counters.properties_set,
                tuple(rows),
            )

        try:
            return self._managed(change, neo4j.WRITE_ACCESS, within)
        except TimedOut as error:
            error.rows = tuple(rows)
            raise

    def schema(self, query: LiteralString, /) -> None:
        """See GraphClient. Raises what `read` raises. The statement must be harmless when repeated."""

        def change(transaction: neo4j.ManagedTransaction) -> None:
            transaction.run(LANGUAGE + query).consume()

        twice_if_lost(lambda: self._managed(change, neo4j.WRITE_ACCESS))

    def _managed(self, work: Callable[[neo4j.ManagedTransaction], T], access: str, within: float | None = None) -> T:
        timed = neo4j.unit_of_work(timeout=within or self._settings.timeout_seconds)(work)
        if access == neo4j.READ_ACCESS:
            return twice_if_lost(lambda: self._in_session(self._driver, access, timed))  # a read has nothing to lose
        return self._in_session(self._writing, access, timed)

    def _in_session(self, driver: neo4j.Driver, access: str, work: Callable[[neo4j.ManagedTransaction], T]) -> T:
        reads = access == neo4j.READ_ACCESS
        with (
            self._errors_translated(writes=not reads),
            driver.session(database=self._settings.database, default_access_mode=access) as session,
        ):
            return (session.execute_read if reads else session.execute_write)(work)

    @contextmanager
    def _errors_translated(self, *, writes: bool = False) -> Iterator[None]:
        try:
            yield
        except (driver_errors.Neo4jError, driver_errors.DriverError) as error:
            raise self._translated(error, writes=writes) from error
        except UnicodeEncodeError as error:  # of a value that the driver was to send; no name comes so far
            raise InvalidQuery(
                "A text holds half of a surrogate pair, which Neo4j cannot store.", hint="Give whole characters only."
            ) from error

    def _greet(self) -> None:
        """One statement outside the managed transactions: those would repeat it until the deadline."""
        try:
            with self._driver.session(database=self._settings.database) as session:
                session.run(neo4j.Query("RETURN 1", timeout=self._settings.timeout_seconds)).consume()
        except ValueError as error:  # a port that is none shows only now
            raise no_address(self._settings) from error
        except (driver_errors.Neo4jError, driver_errors.DriverError) as error:
            raise self._translated(error) from error

    def _translated(
        self, error: driver_errors.Neo4jError | driver_errors.DriverError, *, writes: bool = False
    ) -> RelpredError:
        """The driver's error as one of ours, with what to do next."""
        uri = self._settings.uri
        if isinstance(error, driver_errors.IncompleteCommit):
            return CommitLost(f"The connection to {uri} broke during a commit.", hint="Run the same command again.")
        if isinstance(error, driver_errors.DriverError):
            return GraphUnavailable(
                f"Neo4j at {uri} cannot be reached.", hint="Check graph.uri, start the server, or ask `relpred doctor`."
            )
        code = error.code or "unknown"
        if code.startswith(LOGIN_CODES):
            return self._refused(code, writes=writes)
        if code == "Neo.ClientError.Database.DatabaseNotFound":
            return self._no_such_database()
        if code.endswith(LOCKED):
            return TimedOut(
                f"A statement waited too long for what another transaction holds locked ({code}).",
                hint="Try again when that one has ended (SHOW TRANSACTIONS names it), or raise graph.timeout_seconds.",
            )
        if code.startswith("Neo.TransientError."):
            return GraphUnavailable(f"Neo4j could not run a statement now ({code}).", hint="Try again in a while.")
        if TIMED_OUT in code:
            return TimedOut(f"A statement took longer than it may ({code}).", hint="Raise graph.timeout_seconds.")
        if "ConstraintValidationFailed" in code:  # its message quotes values of the data
            return ConstraintBroken(
                f"A constraint of the database forbids this ({code}).",
                hint="SHOW CONSTRAINTS names what it asks for.",
                server_code=code,
            )
        reason = (error.message or "").split("\n")[0][:LONGEST_MESSAGE]
        message, hint = f"Neo4j refused a statement ({code}): {reason}", "The log of the server may say more."
        if code in ROW_CODES:
            return RowRefused(message, hint=hint, server_code=code)
        return GraphQueryFailed(message, hint=hint)

    def _refused(self, code: str, *, writes: bool) -> LoginRefused:
        who = name_of(self._settings, writer=writes and bool(self._settings.writer))
        if code.endswith(".Forbidden"):
            return LoginRefused(f"Neo4j does not let {who} do this.", hint="Ask its administrator for the rights.")
        if code.endswith(".CredentialsExpired"):
            return LoginRefused(f"The password of {who} has expired.", hint="Change it in Neo4j first.")
        if code.endswith(".AuthenticationRateLimit"):
            return LoginRefused(
                f"Neo4j refuses {who} after too many wrong passwords.", hint="Wait a few seconds, then try again."
            )
        return LoginRefused(
            f"Neo4j at {self._settings.uri} refused {who}.",
            hint="Give the password as RELPRED_GRAPH__PASSWORD (two underscores), and the name as graph.user.",
        )

    def _no_such_database(self) -> DatabaseNotFound:
        wanted = self._settings.database
        try:
            with self._driver.session(database="system") as session:
                known = [str(record["name"]) for record in session.run("SHOW DATABASES YIELD name")]
        except (driver_errors.Neo4jError, driver_errors.DriverError):
            known = []  # the user may not see them; the first error is the one that counts
        hint = did_you_mean(wanted, [name for name in known if name != "system"])
        return DatabaseNotFound(f"The server has no database {wanted!r}.", hint=hint or "Check graph.database.")


def _own(query: str) -> LiteralString:
    """A query that a person with the rights of an administrator wrote into the settings, as it stands there."""
    return cast(LiteralString, query)  # type: ignore[redundant-cast]  # mypy takes LiteralString for str


def _plain(value: object) -> object:
    if isinstance(value, neo4j.graph.Node):
        return ChosenNode(value.element_id, frozenset(value.labels), dict(value))
    return value


def _element_ids(value: object) -> Iterator[str]:
    if isinstance(value, neo4j.graph.Node):
        yield value.element_id
    elif isinstance(value, neo4j.graph.Relationship | neo4j.graph.Path):
        yield from (node.element_id for node in value.nodes if node is not None)
    elif isinstance(value, list):
        for item in value:
            yield from _element_ids(item)
    elif value is not None:
        raise InvalidSettings(
            f"graph.query answers a {type(value).__name__} where nodes are wanted.",
            hint="Return nodes, relationships or paths: MATCH (n:Person) RETURN n.",
        )
