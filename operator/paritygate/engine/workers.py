"""Workers that take keys from a queue, and the one switch that says what happens after."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta
from enum import StrEnum
from typing import Generic, TypeVar

from .errors import Conflict, RetryLater, Terminal
from .queue import Closed, WorkQueue

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)


class Outcome(StrEnum):
    """How work on a key ended; the label of the metric."""

    SUCCESS = "success"
    REQUEUE_AFTER = "requeue_after"
    RETRY_LATER = "retry_later"
    CONFLICT = "conflict"
    TERMINAL = "terminal"
    ERROR = "error"


class Workers(Generic[K]):
    """A bounded number of workers on one queue.

    `reconcile` gets a key and nothing else: it looks at the world as it is, not at what happened. It returns when to
    look again, or None to wait for the next event. `observe` is told outcome and seconds of every piece of work.
    """

    def __init__(
        self,
        queue: WorkQueue[K],
        reconcile: Callable[[K], Awaitable[timedelta | None]],
        *,
        count: int = 16,
        observe: Callable[[Outcome, float], None] = lambda outcome, seconds: None,
    ) -> None:
        self._queue, self._reconcile, self._count, self._observe = queue, reconcile, count, observe

    async def run(self) -> None:
        """Work until the queue is closed and what is in flight is done."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._count):
                group.create_task(self._work(), name=f"worker {number}")

    async def _work(self) -> None:
        while True:
            try:
                key = await self._queue.take()
            except Closed:
                return
            start = asyncio.get_running_loop().time()
            try:
                outcome = await self._once(key)
            finally:
                self._queue.done(key)
            self._observe(outcome, asyncio.get_running_loop().time() - start)

    async def _once(self, key: K) -> Outcome:
        try:
            after = await self._reconcile(key)
        except RetryLater as busy:
            self._queue.add_after(key, busy.after)
            return Outcome.RETRY_LATER
        except Conflict:
            self._queue.add_failed(key)
            return Outcome.CONFLICT
        except Terminal:
            self._queue.forget(key)
            self._queue.cancel(key)
            return Outcome.TERMINAL
        except Exception:
            # The one net under all work: a bug met on one key must not end the work on all others.
            delay = self._queue.add_failed(key)
            logger.exception("reconcile failed", extra={"key": str(key), "retry_seconds": round(delay, 3)})
            return Outcome.ERROR
        self._queue.forget(key)
        if after is None:
            self._queue.cancel(key)
            return Outcome.SUCCESS
        self._queue.add_after(key, after.total_seconds())
        return Outcome.REQUEUE_AFTER
