"""A work queue with client-go's semantics: one worker a key, one place in the line a key, nothing forgotten."""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Closed(Exception):
    """The queue gives out no more keys."""


class WorkQueue(Generic[K]):
    """Keys to be worked on, first come first served.

    A key waits at most once, however often it is added. A key added while it is in flight is *dirty*: it takes its
    place in the line again when it is done, so no change is missed and no key is ever worked on twice at once.
    All methods belong to the event loop that takes the keys.
    """

    def __init__(
        self, *, base: float = 0.2, longest: float = 300.0, chance: Callable[[], float] = random.random
    ) -> None:
        """`base` and `longest` bound the backoff, in seconds; `chance` draws its jitter from [0, 1)."""
        self._base, self._longest, self._chance = base, longest, chance
        self._line: OrderedDict[K, float] = OrderedDict()
        self._in_flight: dict[K, float] = {}
        self._dirty: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._takable = asyncio.Semaphore(0)
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, key: K) -> None:
        """Ask for work on a key, at the end of the line."""
        if self._closed or key in self._line:
            return
        if key in self._in_flight:
            self._dirty.add(key)
            return
        self._line[key] = _now()
        self._takable.release()

    def add_after(self, key: K, seconds: float) -> None:
        """Ask for work on a key later. Replaces what was asked for before: the newest decision saw the most."""
        self.cancel(key)
        if seconds <= 0:
            self.add(key)
        elif not self._closed:
            self._timers[key] = asyncio.get_running_loop().call_later(seconds, self._ring, key)

    def cancel(self, key: K) -> None:
        """Take back what `add_after` asked for."""
        if timer := self._timers.pop(key, None):
            timer.cancel()

    def add_failed(self, key: K) -> float:
        """Ask for work on a key that failed: `base`·2ⁿ seconds later, at most `longest`, ± 20 %. Returns the delay."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # The exponent is bounded before the power is taken: 2.0 ** 1100 would overflow.
        delay = min(self._base * 2.0 ** min(failures, 40), self._longest) * (0.8 + 0.4 * self._chance())
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """The key is well again: its next failure backs off from the start."""
        self._failures.pop(key, None)

    async def take(self) -> K:
        """The next key, which is in flight until `done`. Raises Closed once the queue is closed."""
        await self._takable.acquire()
        if self._closed:
            self._takable.release()  # wakes the next that waits
            raise Closed
        key, _ = self._line.popitem(last=False)
        self._in_flight[key] = _now()
        self._idle.clear()
        return key

    def done(self, key: K) -> None:
        """A key taken is no longer worked on."""
        del self._in_flight[key]
        if not self._in_flight:
            self._idle.set()
        if key in self._dirty:
            self._dirty.discard(key)
            self.add(key)

    def close(self) -> None:
        """Give out no more keys; what is in flight may finish."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._takable.release()

    async def idle(self) -> None:
        """Wait until nothing is in flight."""
        await self._idle.wait()

    @property
    def depth(self) -> int:
        """How many keys wait in the line."""
        return len(self._line)

    @property
    def oldest_waiting(self) -> float:
        """Seconds that the first of the line has waited; 0 when nothing waits."""
        return _now() - next(iter(self._line.values())) if self._line else 0.0

    @property
    def oldest_in_flight(self) -> float:
        """Seconds that the longest work in flight has taken; 0 when there is none."""
        return _now() - min(self._in_flight.values()) if self._in_flight else 0.0

    def _ring(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)


def _now() -> float:
    return asyncio.get_running_loop().time()
