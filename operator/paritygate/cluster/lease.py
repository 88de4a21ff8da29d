"""Who of several replicas works: leader election on a Lease, by our own clock and with a deadline on every call.

A Lease does not fence. Two that believe they lead for a moment do no harm, because every write is safe to repeat and
carries what it read as its precondition; the Lease only keeps them from doing the work twice.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from paritygate.engine import Conflict, RetryLater

from .client import Client, Object
from .errors import AlreadyExists, NotFound
from .events import micro_time
from .kinds import LEASE

logger = logging.getLogger(__name__)


class LeaseLost(Exception):
    """We do not lead any more, or cannot prove that we do."""


class Elector:
    """Holds, or waits for, one Lease.

    `duration` is how long others wait for us, `deadline` how long we keep trying to renew before we give up, `pause`
    the time between two tries, all in seconds. `client` must give up on a call well within `deadline`.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        name: str,
        identity: str,
        now: Callable[[], datetime],
        *,
        duration: float = 15.0,
        deadline: float = 10.0,
        pause: float = 2.0,
    ) -> None:
        self._client, self._namespace, self._name, self._identity, self._now = client, namespace, name, identity, now
        self._duration, self._deadline, self._pause = duration, deadline, pause
        self._lease: Object | None = None
        self._seen: tuple[Any, Any, float] = (None, None, 0.0)

    async def acquire(self) -> None:
        """Return once we lead."""
        while not await self._try():  # noqa: ASYNC110 - what frees the Lease happens elsewhere and cannot wake us
            await asyncio.sleep(self._pause)
        logger.info("leading", extra={"lease": f"{self._namespace}/{self._name}", "identity": self._identity})

    async def hold(self) -> None:
        """Renew for ever; raises LeaseLost when somebody else holds the Lease or it could not be renewed in time."""
        renewed = _clock()
        while True:
            await asyncio.sleep(self._pause)
            if await self._try():
                renewed = _clock()
            elif self._holder() not in (self._identity, None):
                raise LeaseLost(f"{self._holder()} leads now")
            elif _clock() - renewed > self._deadline:
                raise LeaseLost(f"not renewed for {_clock() - renewed:.0f} s")

    async def release(self) -> None:
        """Let the next one lead at once."""
        if self._lease is None or self._holder() != self._identity:
            return
        try:
            await self._write(self._lease, holder="", duration=1)
        except (Conflict, NotFound, RetryLater) as error:
            logger.warning("lease not released, others wait until it expires: %s", error)

    async def _try(self) -> bool:
        try:
            lease = await self._client.get(LEASE, self._namespace, self._name)
        except NotFound:
            return await self._create()
        except RetryLater:
            return False
        self._lease = lease
        spec = lease.get("spec", {})
        if spec.get("holderIdentity") not in (self._identity, "", None) and not self._expired(spec):
            return False
        try:
            self._lease = await self._write(lease, holder=self._identity, duration=max(1, round(self._duration)))
        except (Conflict, NotFound, RetryLater):
            return False
        return True

    async def _create(self) -> bool:
        spec = self._spec({}, self._identity, max(1, round(self._duration)))
        metadata = {"namespace": self._namespace, "name": self._name}
        manifest = {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata, "spec": spec}
        try:
            self._lease = await self._client.create(LEASE, manifest)
        except (AlreadyExists, Conflict, RetryLater):
            return False
        return True

    async def _write(self, lease: Object, *, holder: str, duration: int) -> Object:
        return await self._client.replace(LEASE, {**lease, "spec": self._spec(lease.get("spec", {}), holder, duration)})

    def _spec(self, old: Object, holder: str, duration: int) -> Object:
        now = micro_time(self._now())
        same = old.get("holderIdentity") == holder
        return {
            "holderIdentity": holder,
            "leaseDurationSeconds": duration,
            "acquireTime": old.get("acquireTime", now) if same else now,
            "renewTime": now,
            "leaseTransitions": old.get("leaseTransitions", 0) + (0 if same or not holder else 1),
        }

    def _expired(self, spec: Object) -> bool:
        """By our own clock: the holder has shown no sign of life since we first saw its last one."""
        sign = (spec.get("holderIdentity"), spec.get("renewTime"))
        if sign != self._seen[:2]:
            self._seen = (*sign, _clock())
        return _clock() - self._seen[2] > float(spec.get("leaseDurationSeconds", self._duration))

    def _holder(self) -> str | None:
        return None if self._lease is None else self._lease.get("spec", {}).get("holderIdentity")


def _clock() -> float:
    return asyncio.get_running_loop().time()
