"""Work that is done one item ahead."""

from __future__ import annotations

import threading

import pytest

from neo4j_relpred.graph.ahead import ahead


def test_results_come_in_order_and_the_next_is_made_meanwhile() -> None:
    begun = {number: threading.Event() for number in range(4)}

    def work(number: int) -> int:
        begun[number].set()
        return 2 * number

    for number, result in enumerate(ahead(work, range(4))):
        assert result == 2 * number
        assert number == 3 or begun[number + 1].wait(10)


def test_nothing_comes_of_nothing() -> None:
    assert list(ahead(str, ())) == []


def test_an_error_comes_where_its_result_would_have() -> None:
    results = ahead(lambda number: 1 // number, (1, 0, 1))
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
