"""The life of a validation, from its manifest to its verdict, as the whole operator lives it on a real API server."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from paritygate.cluster.kinds import REPORT

from tests.operator.world import World

pytestmark = pytest.mark.api


def test_an_equal_candidate_passes_with_few_writes_and_then_none(story: Callable[..., None]) -> None:
    async def test(world: World) -> None:
        async with world.operator(), world.evaluators():
            await world.validate()
            found = await world.until_decided()
            assert found["status"]["verdict"]["outcome"] == "Passed"
            spent = Counter(seen.rule for seen in world.proxy.writes)
            assert spent.total() <= 8, spent
            with world.proxy.recording() as writes:
                await asyncio.sleep(1)
            assert writes == []
            assert len(await world.all(REPORT)) == 1

    story(test)
