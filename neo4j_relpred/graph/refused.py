"""Writes around what the database refuses: a batch that fails for one of its rows is halved until the row is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from neo4j_relpred.graph.failures import RowRefused

__all__ = ["MOST_REFUSED", "AroundRefusals"]

T = TypeVar("T")
MOST_REFUSED = 100  # rows; where more of them fail it is hardly a matter of single ones
REMEDY = (
    "A constraint, an index or a trigger of somebody else refuses what is written to the predicted types: "
    "SHOW CONSTRAINTS and SHOW INDEXES name the first two. Change it, then publish again."
)


class AroundRefusals:
    """How many rows were refused while a set was written, and the first error."""

    def __init__(self) -> None:
        self._refused = 0
        self._first: RowRefused | None = None

    def write(self, batch: Sequence[T], act: Callable[[Sequence[T]], None]) -> list[tuple[T, str]]:
        """Has `act` write a batch, in parts where it must be; gives back what was refused, with the server's code.

        `act` writes all that it is given in one transaction, or nothing. Raises what it raises, but RowRefused only
        after more than MOST_REFUSED rows.
        """
        try:
            act(batch)
            return []
        except RowRefused as error:
            self._first = self._first or error
            if len(batch) == 1:
                self._refused += 1
                if self._refused > MOST_REFUSED:
                    raise self.given_up() from error
                return [(batch[0], error.server_code)]
        middle = len(batch) // 2
        return [*self.write(batch[:middle], act), *self.write(batch[middle:], act)]

    def given_up(self) -> RowRefused:
        """The first error, with a hint for who cannot do without the rows."""
        if self._first is None:
            return RowRefused("The database has refused these edges before.", hint=REMEDY)
        return type(self._first)(self._first.message, hint=REMEDY, server_code=self._first.server_code)
