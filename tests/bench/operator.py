"""The operator on a real API server without nodes: start, rest, memory, and what one validation costs in writes.

The operator runs as a process of its own on one core. What it writes is counted by what changed on the server, and in
one validation's life by a proxy that sees every request.
"""

import asyncio
import contextlib
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from paritygate.cluster import JOB, VALIDATION
from paritygate.cluster.kinds import EVENT, REPORT

from tests.cluster import Cluster, Profile, ensure
from tests.cluster.lifecycle import down
from tests.operator.world import World, validation, world

CHECKOUT = Path(__file__).resolve().parents[2]
CLUSTER = "paritygate-bench"
OBJECTS, LIVES, REST = 2000, 20, 15.0
MEMORY = 100 + 12 / 1024 * 2 * OBJECTS
COLD_START, WRITES = 15.0, 8.0


def measure() -> list[dict[str, Any]]:
    """Rows {name, value, unit, limit, better, ok}; about two minutes on two cores."""
    with _api_server() as cluster, tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(cluster.kubeconfig, Path(folder)))


@contextmanager
def _api_server() -> Iterator[Cluster]:
    """One of its own, so that nobody else's objects are counted."""
    cluster = ensure(Profile.API, name=CLUSTER)
    try:
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", CHECKOUT / "crds")
        cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")
        yield cluster
    finally:
        down(Profile.API, CLUSTER)


async def _measure(kubeconfig: Path, folder: Path) -> list[dict[str, Any]]:
    async with world(kubeconfig, folder) as corner:
        rows = [await _writes_of_a_life(corner)]
    async with world(kubeconfig, folder) as corner:
        await _fill(corner)
        async with _process(corner, kubeconfig) as first:
            settled = await _passed(first)
        before = await _versions(corner)
        async with _process(corner, kubeconfig) as second:
            start = await _passed(second)
            memory = _resident(second)
            await asyncio.sleep(REST)
        after = await _versions(corner)
    changed = sum(after.get(place) != version for place, version in before.items()) + len(after.keys() - before.keys())
    many = f"{OBJECTS:,} validations + {len(before) - OBJECTS:,} Jobs and events"
    return [
        *rows,
        _row(f"operator: first pass over {OBJECTS:,} new validations, a Job each", settled, "s", None),
        _row(f"operator: cold start to first full pass, {many}", start, "s", COLD_START),
        _row("operator: resident memory after it, above which 12 KiB an object", memory, "MiB", MEMORY),
        _row(f"operator: objects changed by start and {REST:.0f} s of rest, a re-list included", changed, "objects", 0),
    ]


async def _writes_of_a_life(corner: World) -> dict[str, Any]:
    async with corner.operator(), corner.evaluators():
        names = [f"life-{number}" for number in range(LIVES)]
        for name in names:
            await corner.validate(name)
        for name in names:
            await corner.until_decided(name)
        await asyncio.sleep(1)
    each = len(corner.proxy.writes) / LIVES
    return _row("operator: API writes in a validation's life, events included", each, "writes", WRITES)


async def _fill(corner: World) -> None:
    async def some(numbers: range) -> None:
        for number in numbers:
            await corner.client.create(VALIDATION, validation(corner.name, f"v{number}"))

    await asyncio.gather(*(some(range(first, OBJECTS, 16)) for first in range(16)))


class _Operator:
    """A process, where its metrics are, and when it was started."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process, self.port, self.started = process, port, time.monotonic()


@asynccontextmanager
async def _process(corner: World, kubeconfig: Path) -> AsyncIterator[_Operator]:
    port = 20000 + os.getpid() % 20000
    words = {
        "evaluator-image": "evaluator",
        "kubeconfig": str(kubeconfig),
        "namespace": corner.name,
        "watch-namespaces": corner.name,
        "lease-duration": "3s",
        "write-rate": "100000",
        "write-burst": "100000",
        "resync": "8s",
        "bind-address": "127.0.0.1",
        "bind-port": str(port),
        "log-level": "ERROR",
    }
    argv = [sys.executable, "-m", "paritygate.shell", *(f"--{name}={value}" for name, value in words.items())]
    process = await asyncio.create_subprocess_exec(*argv, preexec_fn=_on_one_core)
    try:
        yield _Operator(process, port)
    finally:
        process.terminate()
        await process.wait()


def _on_one_core() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


async def _passed(operator: _Operator) -> float:
    """Seconds from the start of the process until every validation was looked at and nothing waits any more."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(300):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{operator.port}/metrics") as answer:
                    text = await answer.text()
                done = sum(_values(text, "paritygate_reconcile_total"))
                if done >= OBJECTS and not sum(_values(text, "paritygate_workqueue_depth")):
                    return time.monotonic() - operator.started
            await asyncio.sleep(0.1)


def _values(text: str, name: str) -> Iterator[float]:
    return (float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


def _resident(operator: _Operator) -> float:
    status = Path(f"/proc/{operator.process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024


async def _versions(corner: World) -> dict[str, str]:
    """Resource versions of all that an operator may write, but the Lease."""
    items = [item for kind in (VALIDATION, JOB, REPORT, EVENT) for item in await corner.all(kind)]
    return {item["metadata"]["uid"]: item["metadata"]["resourceVersion"] for item in items}


def _row(name: str, value: float, unit: str, limit: float | None) -> dict[str, Any]:
    ok = limit is None or value <= limit
    return {"name": name, "value": value, "unit": unit, "limit": limit, "better": "lower", "ok": ok}
