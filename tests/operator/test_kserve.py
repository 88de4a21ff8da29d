"""KServe may be missing: verdicts go on, it is said, and its coming is noticed without a restart."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from paritygate.cluster.kinds import TARGET
from paritygate.shell import feed

from tests.operator.world import Running, World, until

pytestmark = pytest.mark.api

Story = Callable[..., None]


async def asked(running: Running, path: str) -> tuple[int, Any]:
    url = f"http://127.0.0.1:{running.operator.port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await (answer.text() if path == "/metrics" else answer.json())


def test_without_kserve_there_are_verdicts_and_its_coming_is_noticed(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_KSERVE_EVERY", 0.2)

    async def test(world: World) -> None:
        world.proxy.hidden.add(TARGET.group)
        async with world.operator() as running, world.evaluators():
            await world.validate()
            assert (await world.until_decided())["status"]["verdict"]["outcome"] == "Passed"
            code, said = await asked(running, "/readyz")
            assert (code, said["kserve"]) == (200, "absent: verdicts only, no traffic is moved")

            world.proxy.hidden.clear()

            async def noticed() -> bool:
                served = (await asked(running, "/readyz"))[1]["kserve"] == "served"
                return served and any(seen.rule == (TARGET.group, TARGET.plural, "watch") for seen in world.proxy.seen)

            await until(noticed, "KServe is noticed")
            await world.validate("after")
            await world.until_decided("after")

    story(test)


def test_probes_and_metrics(story: Story) -> None:
    async def test(world: World) -> None:
        async with world.operator() as running, world.evaluators():
            await world.validate()
            await world.until_decided()
            assert (await asked(running, "/healthz"))[0] == 200
            code, said = await asked(running, "/readyz")
            assert (code, said["leading"], said["synced"], said["kserve"]) == (200, True, True, "served")
            shown = (
                'paritygate_evaluations_total{reason="AllGatesProved",tier="Low",verdict="Passed"} 1.0',
                "paritygate_leader 1.0",
                "paritygate_workqueue_depth 0.0",
                'paritygate_store_objects{kind="compressionvalidations"} 1.0',
            )

            async def counted() -> str | None:
                code, text = await asked(running, "/metrics")
                assert code == 200
                return text if all(line in text for line in shown) else None

            # The status can be read before the operator's own call that wrote it returns, and is counted.
            text = await until(counted, f"metrics that say {shown}")
            for name in ("reconcile_total", "reconcile_seconds_bucket", "api_requests_total", "build_info"):
                assert f"paritygate_{name}{{" in text
            assert world.name not in text, "no label names an object of rest"

    story(test)


def test_a_standby_is_ready_and_does_nothing(story: Story) -> None:
    async def test(world: World) -> None:
        async with world.operator(identity="first") as first:
            await until(lambda: _leads(first), "the first leads")
            async with world.operator(identity="second") as second:
                await asyncio.sleep(0.5)
                assert (await asked(second, "/readyz"))[1] == {"ok": True, "leading": False, "synced": False}
                first.stop.set()
                await asyncio.wait([first.task])
                await until(lambda: _leads(second), "the second leads as soon as the first lets go")

    story(test)


async def _leads(running: Running) -> bool:
    return bool(running.operator.port) and bool((await asked(running, "/readyz"))[1]["leading"])
