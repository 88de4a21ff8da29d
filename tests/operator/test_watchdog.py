"""A watch that has gone deaf is found out by the re-list, and ends the process."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from paritygate.cluster import VALIDATION, Watchdog
from paritygate.shell import feed
from paritygate.shell.app import Operator

from tests.operator.world import World, until

PLACE = (VALIDATION, ("ns", "v"))


def test_what_is_announced_in_time_is_forgotten_and_the_rest_is_overdue() -> None:
    async def main() -> None:
        watchdog = Watchdog(patience=0.02)
        watchdog.expect({PLACE: "1", (VALIDATION, ("ns", "w")): "1"})
        assert watchdog.overdue() == 0
        watchdog.announced(*PLACE)
        await asyncio.sleep(0.03)
        assert watchdog.overdue() == 1
        watchdog.announced(VALIDATION, ("ns", "w"))
        assert watchdog.overdue() == 0

    asyncio.run(main())


@pytest.mark.api
def test_a_deaf_operator_ends_so_that_a_fresh_one_hears(
    story: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "Watchdog", partial(Watchdog, patience=0.5))
    monkeypatch.setattr(feed, "_WATCHDOG_EVERY", 0.1)

    async def test(world: World) -> None:
        world.proxy.deaf = True
        operator = Operator(world.settings(resync=timedelta(milliseconds=300)))
        running = asyncio.create_task(operator.run(asyncio.Event()))
        await asyncio.sleep(0.5)
        await world.validate()
        with pytest.raises(feed.WatchDeaf):
            await running

    story(test)


@pytest.mark.api
def test_a_hearing_operator_is_never_taken_for_deaf(
    story: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own writes, watch events and lists race all the time; what a list knew first, the watch tells in the end."""
    made: list[Watchdog] = []

    def watchdog() -> Watchdog:
        made.append(Watchdog(patience=0.0))
        return made[-1]

    monkeypatch.setattr(feed, "Watchdog", watchdog)
    monkeypatch.setattr(feed, "_WATCHDOG_EVERY", 3600)

    async def test(world: World) -> None:
        async with world.operator(resync=timedelta(milliseconds=100)), world.evaluators():
            for number in range(10):
                await world.validate(f"v{number}")
            for number in range(10):
                await world.until_decided(f"v{number}")

            async def nothing_owed() -> bool:
                return made[0].overdue() == 0

            await until(nothing_owed, "the watch told of everything")

    story(test)
