"""Who leads, and when one stops: on a Lease that lives in memory, so that it can fail on demand."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest
from paritygate.cluster import AlreadyExists, Elector, LeaseLost, NotFound
from paritygate.engine import Conflict, RetryLater


class Leases:
    """The three calls of an elector, with the optimistic lock of the real server."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.down = False

    async def get(self, kind: object, namespace: str, name: str) -> dict[str, Any]:
        self._answer()
        if self.lease is None:
            raise NotFound(name)
        return self.lease

    async def create(self, kind: object, manifest: dict[str, Any]) -> dict[str, Any]:
        self._answer()
        if self.lease is not None:
            raise AlreadyExists("lease")
        return self._store(manifest, 1)

    async def replace(self, kind: object, manifest: dict[str, Any]) -> dict[str, Any]:
        self._answer()
        assert self.lease is not None
        if manifest["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise Conflict("stale")
        return self._store(manifest, int(self.lease["metadata"]["resourceVersion"]) + 1)

    def _store(self, manifest: dict[str, Any], version: int) -> dict[str, Any]:
        self.lease = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(version)}}
        return self.lease

    def _answer(self) -> None:
        if self.down:
            raise RetryLater("down", 1)

    @property
    def holder(self) -> str:
        assert self.lease is not None
        return str(self.lease["spec"]["holderIdentity"])


def run(main: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await main

    asyncio.run(bounded())


def elector(leases: Leases, identity: str, duration: float = 0.2) -> Elector:
    return Elector(
        leases,  # type: ignore[arg-type]
        "ns",
        "lease",
        identity,
        lambda: datetime.now(UTC),
        duration=duration,
        deadline=duration * 0.6,
        pause=duration / 10,
    )


def test_the_first_leads_and_the_second_waits_until_the_first_lets_go() -> None:
    async def main() -> None:
        leases = Leases()
        first, second = elector(leases, "a", duration=30), elector(leases, "b", duration=0.2)
        await first.acquire()
        waiting = asyncio.create_task(second.acquire())
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await first.release()
        await waiting
        assert leases.holder == "b"
        assert leases.lease is not None
        assert leases.lease["spec"]["leaseTransitions"] == 2

    run(main())


def test_a_leader_that_went_silent_is_replaced_by_the_waiters_own_clock() -> None:
    async def main() -> None:
        leases = Leases()
        await elector(leases, "a", duration=1).acquire()
        assert leases.lease is not None
        leases.lease["spec"]["renewTime"] = "2000-01-01T00:00:00.000000Z"  # a clock that is wrong decides nothing
        second = asyncio.create_task(elector(leases, "b", duration=0.2).acquire())
        await asyncio.sleep(0.5)
        assert not second.done()
        await second
        assert leases.holder == "b"

    run(main())


def test_a_leader_that_cannot_renew_gives_up_before_others_may_take_over() -> None:
    async def main() -> None:
        leases = Leases()
        first = elector(leases, "a")
        await first.acquire()
        leases.down = True
        with pytest.raises(LeaseLost, match="not renewed"):
            await first.hold()

    run(main())


def test_a_leader_that_sees_another_one_gives_up_at_once() -> None:
    async def main() -> None:
        leases = Leases()
        first = elector(leases, "a", duration=30)
        first._pause = 0.01
        await first.acquire()
        assert leases.lease is not None
        leases.lease["spec"]["holderIdentity"] = "b"
        with pytest.raises(LeaseLost, match="b leads now"):
            await first.hold()
        await first.release()
        assert leases.holder == "b"

    run(main())
