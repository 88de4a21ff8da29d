"""How the client asks: again when the server is busy, never for ever, and with an answer that says what it means."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from paritygate.cluster import (
    VALIDATION,
    AlreadyExists,
    KubernetesClient,
    NotFound,
    Refused,
    Request,
    configuration,
)
from paritygate.cluster.kinds import PACK, REVISION
from paritygate.engine import Conflict, RetryLater, TokenBucket

from tests.operator.proxy import Seen
from tests.operator.world import World, validation

pytestmark = pytest.mark.api

Story = Callable[..., None]


async def client(world: World, **given: Any) -> KubernetesClient:
    return KubernetesClient(await configuration(str(world.proxy.kubeconfig)), **given)


def answering(*codes: int) -> Callable[[Seen], int]:
    """These codes first, then what the server says."""
    left = list(codes)
    return lambda seen: left.pop(0) if left else 0


@pytest.mark.parametrize("codes", [(429,), (500, 503), (502, 504, 429)])
def test_a_busy_server_is_asked_again(story: Story, codes: tuple[int, ...]) -> None:
    async def test(world: World) -> None:
        told: list[Request] = []
        world.proxy.before = answering(*codes)
        async with await client(world, observe=told.append) as asking:
            assert (await asking.get(PACK, world.name, world.name))["kind"] == "ScenarioPack"
        assert [request.code for request in told] == [*codes, 200]

    story(test)


def test_a_server_that_stays_busy_is_left_for_later(story: Story) -> None:
    async def test(world: World) -> None:
        world.proxy.before = lambda seen: 503
        async with await client(world, attempts=2) as asking:
            with pytest.raises(RetryLater, match="503"):
                await asking.get(PACK, world.name, world.name)
        assert len(world.proxy.seen) == 2

    story(test)


def test_no_server_at_all_is_left_for_later(story: Story) -> None:
    async def test(world: World) -> None:
        async with await client(world, attempts=2) as asking:
            await world.proxy.stop()
            with pytest.raises(RetryLater, match="no connection"):
                await asking.get(PACK, world.name, world.name)
            await world.proxy.start()

    story(test)


def test_answers_have_names(story: Story) -> None:
    async def test(world: World) -> None:
        async with await client(world) as asking:
            with pytest.raises(NotFound):
                await asking.get(PACK, world.name, "nothing")
            made = await asking.create(VALIDATION, validation(world.name, "v"))
            with pytest.raises(AlreadyExists):
                await asking.create(VALIDATION, validation(world.name, "v"))
            baseline = {k: v for k, v in made["spec"]["candidate"].items() if k in ("uri", "digest")}
            with pytest.raises(Refused, match=r"422.*candidate\.digest equals baseline\.digest"):
                await asking.create(VALIDATION, validation(world.name, "w", baseline=baseline))
            stale = {"metadata": {"resourceVersion": "1"}, "status": {"observedGeneration": 1}}
            with pytest.raises(Conflict):
                await asking.patch_status(VALIDATION, world.name, "v", stale)
            with pytest.raises(Conflict):
                await asking.delete(VALIDATION, world.name, "v", "another-uid")
            with pytest.raises(NotFound):
                async for _ in asking.list_pages(REVISION, world.name):
                    pass

    story(test)


def test_a_patch_of_the_status_leaves_the_spec_and_takes_members_away(story: Story) -> None:
    async def test(world: World) -> None:
        await world.validate("v")
        async with await client(world) as asking:
            status = {"observedGeneration": 1, "progress": {"items": 1}}
            first = await asking.patch_status(VALIDATION, world.name, "v", {"status": status, "spec": {"pool": "x"}})
            assert (first["status"]["progress"]["items"], first["spec"]["pool"]) == (1, world.name)
            second = await asking.patch_status(VALIDATION, world.name, "v", {"status": {"progress": None}})
            assert "progress" not in second["status"]
            assert second["status"]["observedGeneration"] == 1

    story(test)


def test_writes_wait_for_the_bucket_and_reads_do_not(story: Story) -> None:
    async def test(world: World) -> None:
        async with await client(world, bucket=TokenBucket(rate=10, burst=1)) as asking:
            await asking.create(VALIDATION, validation(world.name, "a"))
            waiting = asyncio.create_task(asking.create(VALIDATION, validation(world.name, "b")))
            start = time.monotonic()
            await asking.get(PACK, world.name, world.name)
            assert not waiting.done()
            await waiting
            assert time.monotonic() > start

    story(test)
