"""Work that waits for the server, done while other work waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["ahead"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """What comes of each item, in order; a thread works on the next one while the caller is busy with this one.

    Raises what the work raises, where its result would have come.
    """
    with ThreadPoolExecutor(1, "ahead") as thread:
        coming: Future[Result] | None = None
        for item in items:
            done, coming = coming, thread.submit(work, item)
            if done is not None:
                yield done.result()
        if coming is not None:
            yield coming.result()
