"""How a statement can fail, where who runs it must know more than the tree of errors says."""

from __future__ import annotations

from typing import Any

from neo4j_relpred.errors import GraphQueryFailed, GraphUnavailable

__all__ = ["ROW_CODES", "CommitLost", "ConstraintBroken", "RowRefused", "TimedOut"]

# What one row of a statement can be to blame for, while the statement itself is right. The last is how the server calls
# a value that is too large for an index.
ROW_CODES = frozenset(
    {
        "Neo.ClientError.Statement.ArgumentError",
        "Neo.ClientError.Statement.ArithmeticError",
        "Neo.ClientError.Statement.EntityNotFound",
        "Neo.ClientError.Statement.TypeError",
        "Neo.ClientError.Transaction.TransactionHookFailed",
        "Neo.DatabaseError.Statement.ExecutionFailed",
    }
)


class CommitLost(GraphUnavailable):
    """The connection broke while a commit was on its way: it may have happened or not.

    The writer looks at the graph afresh and writes what is still missing; its edges are keyed, so none is doubled.
    """


class RowRefused(GraphQueryFailed):
    """A statement changed nothing, for a reason that one of its rows may have given: a value, a trigger, a constraint.

    server_code: how the server calls it.
    """

    def __init__(self, message: str, *, hint: str = "", server_code: str = "") -> None:
        super().__init__(message, hint=hint)
        self.server_code = server_code


class ConstraintBroken(RowRefused):
    """A statement changed nothing, since a constraint forbids what it would have written: it may be there already."""


class TimedOut(GraphQueryFailed):
    """A statement was over its time and changed nothing: mostly it waited for what another transaction holds locked.

    `rows`: what a write had answered by then, so that one sees how far it came. The server does not always say that it
    was a lock: it may notice the time first.
    """

    rows: tuple[dict[str, Any], ...] = ()
