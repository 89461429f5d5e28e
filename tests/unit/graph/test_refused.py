"""Rows that a database refuses: found among many by halving, so that each costs only itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import neo4j.exceptions
import pytest

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.errors import GraphQueryFailed, GraphUnavailable, LoginRefused, PublicationStopped
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.failures import CommitLost, ConstraintBroken, RowRefused, TimedOut
from neo4j_relpred.graph.refused import MOST_REFUSED, AroundRefusals

CODE = "Neo.ClientError.Schema.ConstraintValidationFailed"


@dataclass
class Table:
    """Takes a batch as a whole, or nothing of it."""

    poison: set[int]
    error: GraphQueryFailed = field(default_factory=lambda: ConstraintBroken("No.", hint="h", server_code=CODE))
    written: list[int] = field(default_factory=list)
    tries: int = 0

    def take(self, rows: Sequence[int]) -> None:
        self.tries += 1
        if self.poison & set(rows):
            raise self.error
        self.written += rows


def test_one_poisonous_row_in_a_thousand_costs_only_itself() -> None:
    table = Table({617})
    assert AroundRefusals().write(range(1000), table.take) == [(617, CODE)]
    assert table.written == [row for row in range(1000) if row != 617]
    assert table.tries < 25


def test_several_are_all_found_and_no_row_is_written_twice() -> None:
    table = Table({0, 1, 500, 998, 999})
    refused = AroundRefusals().write(range(1000), table.take)
    assert {row for row, _ in refused} == table.poison
    assert sorted([*table.written, *table.poison]) == list(range(1000))


def test_a_batch_without_poison_is_one_transaction() -> None:
    table = Table(set())
    assert AroundRefusals().write(range(1000), table.take) == []
    assert table.tries == 1


def test_where_all_fail_it_gives_up_with_the_first_error_and_says_what_to_do() -> None:
    table = Table(set(range(5000)))
    with pytest.raises(ConstraintBroken, match=r"No\. .*SHOW CONSTRAINTS") as caught:
        AroundRefusals().write(range(5000), table.take)
    assert caught.value.server_code == CODE
    assert table.tries < 3 * MOST_REFUSED
    assert table.written == []


def test_the_limit_is_that_of_all_batches_together() -> None:
    around, table = AroundRefusals(), Table(set(range(200)))
    assert len(around.write(range(MOST_REFUSED), table.take)) == MOST_REFUSED
    with pytest.raises(ConstraintBroken):
        around.write(range(MOST_REFUSED, 200), table.take)


@pytest.mark.parametrize(
    "error",
    [
        GraphUnavailable("away"),
        CommitLost("cut"),
        TimedOut("late"),
        LoginRefused("no"),
        GraphQueryFailed("syntax"),
        PublicationStopped("the lease was lost"),
    ],
)
def test_what_no_row_is_to_blame_for_is_raised_at_once(error: GraphQueryFailed) -> None:
    table = Table({3}, error)
    with pytest.raises(type(error)):
        AroundRefusals().write(range(10), table.take)
    assert table.tries == 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (CODE, ConstraintBroken),
        ("Neo.ClientError.Transaction.TransactionHookFailed", RowRefused),
        ("Neo.ClientError.Statement.TypeError", RowRefused),
        ("Neo.DatabaseError.Statement.ExecutionFailed", RowRefused),
        ("Neo.ClientError.Statement.SyntaxError", GraphQueryFailed),
        ("Neo.ClientError.Schema.IndexNotFound", GraphQueryFailed),
        ("Neo.ClientError.Transaction.TransactionTimedOut", TimedOut),
        ("Neo.ClientError.Security.Forbidden", LoginRefused),
        ("Neo.TransientError.Transaction.DeadlockDetected", GraphUnavailable),
    ],
)
def test_the_code_of_the_server_tells_whether_a_row_can_be_to_blame(code: str, kind: type[Exception]) -> None:
    class Session:
        def __enter__(self) -> Session:
            return self

        def __exit__(self, *_: object) -> None:
            """Nothing to close."""

        def execute_write(self, _work: object) -> None:
            raise neo4j.exceptions.Neo4jError._hydrate_neo4j(code=code, message="quotes a private value")

    class Driver:
        def session(self, **_: object) -> Session:
            return Session()

    with pytest.raises(kind) as caught:
        Neo4jClient(Driver(), GraphSettings()).write("RETURN 1")  # type: ignore[arg-type]  # as much as is asked of it
    assert type(caught.value) is kind
    if isinstance(caught.value, RowRefused):
        assert caught.value.server_code == code
