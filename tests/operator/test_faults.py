"""The operator is killed, or the API server fails it, at every write of a life: the end is always the same."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from paritygate.cluster import JOB
from paritygate.cluster.kinds import REPORT
from paritygate.shell.app import Operator
from paritygate.shell.race import first

from tests.operator.proxy import WRITES, Seen
from tests.operator.world import World, until

pytestmark = pytest.mark.api

Story = Callable[..., None]
LIFE = 7
"""Writes of a life that passes, events included; a later number is never reached and changes nothing."""


class AtWrite:
    """Does something once, at the k-th write."""

    def __init__(self, number: int, then: Callable[[], int]) -> None:
        self._left, self._then = number, then

    def __call__(self, seen: Seen) -> int:
        if seen.verb not in WRITES or seen.resource == "leases" or not self._left:
            return 0
        self._left -= 1
        return self._then() if not self._left else 0


async def lived_to_the_same_end(world: World) -> None:
    status = (await world.until_decided())["status"]
    assert status["verdict"]["outcome"] == "Passed"
    assert len(status["attempts"]) == 1
    assert len(await world.all(REPORT)) == 1
    assert len(await world.all(JOB)) == 1


@pytest.mark.parametrize("number", range(1, LIFE + 1))
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_a_write(story: Story, number: int, moment: str) -> None:
    """A kill before the server applied the write, or after, before the operator knew of it."""

    async def test(world: World) -> None:
        killed = asyncio.Event()

        def kill() -> int:
            task.cancel()
            killed.set()
            return 503

        settings = world.settings(identity="first")
        task = asyncio.create_task(Operator(settings).run(asyncio.Event()))
        setattr(world.proxy, moment, AtWrite(number, kill))
        async with world.evaluators() as evaluators:
            await world.validate()
            await first(killed.wait(), _rest(world))
            task.cancel()
            await asyncio.wait([task])
            async with world.operator():
                await lived_to_the_same_end(world)
            assert list(evaluators.pods.values()) == [1]

    story(test)


@pytest.mark.parametrize("code", [409, 429, 500, 503])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_every_write_fails_once(story: Story, moment: str, code: int) -> None:
    """The server refuses each write the first time, or applies it and says that it did not."""

    async def test(world: World) -> None:
        failed: set[Any] = set()

        def once(seen: Seen) -> int:
            what = (*seen.rule, seen.name)
            if seen.verb not in WRITES or seen.resource == "leases" or what in failed:
                return 0
            failed.add(what)
            return code

        setattr(world.proxy, moment, once)
        async with world.operator(), world.evaluators():
            await world.validate()
            await lived_to_the_same_end(world)
        assert len(failed) >= 3

    story(test)


def test_a_server_that_is_away_for_a_while_is_waited_for(story: Story) -> None:
    async def test(world: World) -> None:
        async with world.operator(), world.evaluators():
            await world.validate("before")
            await world.until_decided("before")
            world.proxy.before = lambda seen: 503 if seen.resource != "leases" else 0
            await world.validate()
            await asyncio.sleep(1)
            world.proxy.before = lambda seen: 0
            await world.until_decided()

    story(test)


def test_what_the_server_refuses_for_good_is_told_where_people_look(story: Story) -> None:
    async def test(world: World) -> None:
        world.proxy.before = lambda seen: 403 if seen.rule == ("batch", "jobs", "create") else 0
        async with world.operator(), world.evaluators():
            await world.validate()

            async def told() -> bool:
                return (await world.condition("Stalled")).get("reason") == "RefusedByServer"

            await until(told, "the refusal is told")
            world.proxy.before = lambda seen: 0
            assert (await world.until_decided())["status"]["verdict"]["outcome"] == "Passed"

    story(test)


async def _rest(world: World) -> None:
    """Until the life is over and nothing more is written: for a number that is never reached."""
    await world.until_decided()
    await asyncio.sleep(1)
