"""Threads among which the batches of one request are shared."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait

Span = tuple[int, int]
"""Start and stop of a batch among the items of a request."""


class Callers:
    """As many threads as are told, the one that asks being the first of them. `prepare` runs in each of the others.

    Whoever is free takes the next batch. With shares that are fixed before, all would wait for the caller whose core a
    neighbour is using. What is in a batch does not depend on who takes it.
    """

    def __init__(self, count: int, prepare: Callable[[], None] | None = None) -> None:
        self._count = count
        self._pool = ThreadPoolExecutor(count - 1, "caller", prepare) if count > 1 else None

    def share(self, items: int, batch: int, work: Callable[[Iterator[Span]], None]) -> None:
        """Let each caller do `work` with batches as long as there are any. Raises what `work` raises."""
        starts = range(0, items, batch)
        # Of one list all take: its `next` is one step for every thread.
        batches = iter([(at, min(at + batch, items)) for at in starts])
        helpers = min(self._count, len(starts)) - 1
        others = [self._pool.submit(_all, work, batches) for _ in range(helpers)] if self._pool else []
        try:
            _all(work, batches)
        finally:
            # Nobody may still be writing into arrays that are given up.
            wait(others)
        for other in others:
            other.result()


def _all(work: Callable[[Iterator[Span]], None], batches: Iterator[Span]) -> None:
    try:
        work(batches)
    finally:
        # After an error the others need not go on. Without one there is nothing left.
        deque(batches, maxlen=0)
