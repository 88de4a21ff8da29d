"""The operator as a process of its own: signals, kills, and a Lease that is lost."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from paritygate.cluster import JOB
from paritygate.cluster.kinds import LEASE, REPORT

from tests.operator.world import World, until

pytestmark = pytest.mark.api

Story = Callable[..., None]
Process = asyncio.subprocess.Process


@asynccontextmanager
async def process(world: World, **changed: str) -> AsyncIterator[Process]:
    """`paritygate-operator` as a subprocess; killed at the end if it still runs."""
    told = {
        "evaluator-image": "evaluator",
        "kubeconfig": str(world.proxy.kubeconfig),
        "namespace": world.name,
        "watch-namespaces": world.name,
        "lease-duration": "5s",
        "bind-address": "127.0.0.1",
        "bind-port": "0",
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    argv = [sys.executable, "-m", "paritygate.shell", *(f"--{name}={value}" for name, value in told.items())]
    started = await asyncio.create_subprocess_exec(*argv, stderr=asyncio.subprocess.PIPE, env=dict(os.environ))
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


def test_sigterm_lets_go_of_the_lease_and_ends_with_0(story: Story) -> None:
    async def test(world: World) -> None:
        async with process(world) as running, world.evaluators():
            await world.validate()
            await world.until_decided()
            running.send_signal(signal.SIGTERM)
            _, logged = await running.communicate()
            assert running.returncode == 0
        lease = await world.client.get(LEASE, world.name, "paritygate-operator")
        assert lease["spec"]["holderIdentity"] == ""
        lines = [json.loads(line) for line in logged.decode().splitlines()]
        assert lines[-1]["message"] == "stopped"
        told = [line for line in lines if line["message"] == "status written"]
        assert all(line["validation"] == f"{world.name}/fraud" and line["reconcile"] for line in told)
        assert told

    story(test)


def test_what_is_in_flight_at_sigterm_is_finished(story: Story) -> None:
    async def test(world: World) -> None:
        creating = ("batch", "jobs", "create")
        world.proxy.slow[creating] = 1.0
        async with world.operator() as running:
            await world.validate()
            held = asyncio.Event()
            world.proxy.before = lambda seen: held.set() or 0 if seen.rule == creating else 0
            await held.wait()
            running.stop.set()
            await asyncio.wait([running.task])
        (job,) = await world.all(JOB)
        (attempt,) = (await world.get())["status"]["attempts"]
        assert attempt["job"] == job["metadata"]["name"], "the status that follows the Job was still written"

    story(test)


def test_killed_again_and_again_it_comes_to_the_same_end(story: Story) -> None:
    async def test(world: World) -> None:
        async with world.evaluators() as evaluators:
            await world.validate()
            for seconds in (1.5, 2.0):
                async with process(world, lease_duration="3s") as running:
                    await asyncio.sleep(seconds)
                    running.kill()
            async with process(world, lease_duration="3s"):
                assert (await world.until_decided())["status"]["verdict"]["outcome"] == "Passed"
            assert list(evaluators.pods.values()) == [1]
            assert len(await world.all(REPORT)) == 1

    story(test)


def test_without_its_lease_it_ends_with_1(story: Story) -> None:
    async def test(world: World) -> None:
        async with process(world, lease_duration="3s") as running:

            async def leads() -> bool:
                return any(lease["spec"].get("holderIdentity") for lease in await world.all(LEASE))

            await until(leads, "it leads")
            world.proxy.before = lambda seen: 503 if seen.resource == "leases" else 0
            _, logged = await asyncio.wait_for(running.communicate(), 30)
            assert running.returncode == 1
            assert "not renewed" in logged.decode().splitlines()[-1]

    story(test)


def test_of_two_replicas_one_works_and_the_other_takes_over(story: Story) -> None:
    async def test(world: World) -> None:
        async with process(world, identity="a", lease_duration="2s") as first, world.evaluators():
            await world.validate("one")
            await world.until_decided("one")
            async with process(world, identity="b", lease_duration="2s"):
                await world.validate("two")
                await world.until_decided("two")
                assert {lease["spec"]["holderIdentity"] for lease in await world.all(LEASE)} == {"a"}
                first.kill()
                await world.validate("three")
                await world.until_decided("three")
                assert {lease["spec"]["holderIdentity"] for lease in await world.all(LEASE)} == {"b"}
        assert len(await world.all(JOB)) == 3

    story(test)
