"""A token bucket: a burst at once, then a steady rate, in order of asking."""

import asyncio


class TokenBucket:
    """At most `burst` tokens at once, refilled with `rate` a second."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = float(burst), float("-inf")

    async def take(self) -> None:
        """Wait for one token. The debt is booked before the wait, so that those who ask later wait longer."""
        self._refill()
        self._tokens -= 1
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / self._rate)

    def try_take(self) -> bool:
        """Take one token if there is one."""
        self._refill()
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _refill(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._at > float("-inf"):
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
