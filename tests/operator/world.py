"""A corner of a real API server for one test: a namespace, pool, policy and pack, a proxy, and operators in it."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from paritygate.cluster import (
    JOB,
    POD,
    VALIDATION,
    AlreadyExists,
    Kind,
    KubernetesClient,
    NotFound,
    Object,
    configuration,
)
from paritygate.cluster.kinds import EVENT, LEASE, PACK, POLICY, POOL, REPORT, TARGET
from paritygate.shell.app import Operator
from paritygate.shell.settings import OperatorSettings

from tests.operator.proxy import ApiProxy
from tests.operator.scripted import ACCOUNT, Script, ScriptedEvaluators, passes

NAMESPACE = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
ROLE = Kind("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False)
BINDING = Kind("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
PATIENCE = 30.0


def digest(letter: str) -> str:
    return "sha256:" + letter * 64


@dataclass(slots=True)
class World:
    """What a test holds in hand. `name` is the namespace's, and that of pool, policy and pack."""

    client: KubernetesClient
    proxy: ApiProxy
    name: str
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    def settings(self, **changed: Any) -> OperatorSettings:
        """Of an operator in this corner, quicker than in life."""
        quick: dict[str, Any] = {
            "evaluator_image": "evaluator@" + digest("e"),
            "kubeconfig": str(self.proxy.kubeconfig),
            "namespace": self.name,
            "watch_namespaces": (self.name,),
            "lease_duration": timedelta(seconds=15),
            "retry_delay": timedelta(milliseconds=50),
            "log_patience": timedelta(seconds=1),
            "write_rate": 500.0,
            "write_burst": 500,
            "bind_address": "127.0.0.1",
            "bind_port": 0,
        }
        return OperatorSettings(**{**quick, **changed})

    @asynccontextmanager
    async def operator(self, **changed: Any) -> AsyncIterator["Running"]:
        """An operator in this process; stopped gracefully at the end of the block."""
        operator, stop = Operator(self.settings(**changed)), asyncio.Event()
        task, test = asyncio.create_task(operator.run(stop)), asyncio.current_task()
        # An operator that ends before its time ends the test at once, with its own error.
        task.add_done_callback(lambda _: stop.is_set() or (test and test.cancel()))
        running = Running(operator, stop, task)
        try:
            yield running
        finally:
            stop.set()
            await asyncio.wait([task])
        task.result()

    @asynccontextmanager
    async def evaluators(self, script: Script = passes) -> AsyncIterator[ScriptedEvaluators]:
        """Something that runs the Jobs."""
        scripted = ScriptedEvaluators(self.client, self.name, self.proxy.logs, script)
        task = asyncio.create_task(scripted.run())
        try:
            yield scripted
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    async def validate(self, name: str = "fraud", **spec: Any) -> Object:
        """Apply a validation; keyword arguments replace fields of its spec."""
        return await self.client.create(VALIDATION, validation(self.name, name, **spec))

    async def make(self, kind: Kind, name: str, body: Object) -> Object:
        """Create an object of any kind; cluster-scoped, it goes with the corner if named after it."""
        return await self.client.create(kind, _named(kind, self.name, name, body))

    async def get(self, name: str = "fraud") -> Object:
        return await self.client.get(VALIDATION, self.name, name)

    async def all(self, kind: Kind) -> list[Object]:
        pages = self.client.list_pages(kind, self.name if kind.namespaced else None, "")
        return [item async for page in pages for item in page]

    async def condition(self, type_: str, name: str = "fraud") -> dict[str, Any]:
        """A condition of a validation; empty while there is none."""
        conditions = (await self.get(name)).get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == type_), {})

    async def until_decided(self, name: str = "fraud") -> Object:
        """The validation once it has a verdict and rests."""

        async def decided() -> Object | None:
            found = await self.get(name)
            reconciling = await self.condition("Reconciling", name)
            return found if found["status"].get("verdict") and reconciling.get("status") != "True" else None

        try:
            return await until(decided, f"a verdict on {name}")
        except AssertionError as error:
            status = (await self.get(name)).get("status")
            made = [(o["metadata"]["name"], o["status"]) for kind in (JOB, POD) for o in await self.all(kind)]
            raise AssertionError(f"{error}; Jobs and pods {made}; status {status}") from None


@dataclass(frozen=True, slots=True)
class Running:
    """An operator that runs."""

    operator: Operator
    stop: asyncio.Event
    task: asyncio.Task[None]


async def until(check: Callable[[], Awaitable[Any]], what: str, patience: float = PATIENCE) -> Any:
    """The first truthy answer."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience):
            while True:
                if found := await check():
                    return found
                await asyncio.sleep(0.05)
    raise AssertionError(f"not within {patience} s: {what}")


@asynccontextmanager
async def world(kubeconfig: Path, folder: Path, **proxied: Any) -> AsyncIterator[World]:
    """A fresh corner; what is in it is deleted at the end."""
    name = f"t-{uuid.uuid4().hex[:10]}"
    proxy = ApiProxy(kubeconfig, folder, **proxied)
    async with KubernetesClient(await configuration(str(kubeconfig))) as client:
        await proxy.start()
        try:
            await _furnish(client, name)
            yield World(client, proxy, name)
        finally:
            await proxy.stop()
            await _clear(client, name)


def validation(namespace: str, name: str, **spec: Any) -> Object:
    """A validation for a verdict only."""
    default = {
        "owner": {"team": "risk", "contact": "risk@example.com"},
        "baseline": {"uri": "s3://models/a", "digest": digest("a")},
        "candidate": {"uri": "s3://models/b", "digest": digest("b"), "technique": "Int8Static"},
        "purpose": "Memory",
        "policy": namespace,
        "pool": namespace,
        "packs": [{"name": namespace}],
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": VALIDATION.api_version, "kind": VALIDATION.name, "metadata": metadata, "spec": default | spec}


def furniture(name: str) -> list[tuple[Kind, Object]]:
    """Pool, policy and pack, all of one name."""
    pack = {
        "version": "1",
        "task": "Classification",
        "data": {
            "inputs": {"uri": "s3://packs/inputs.npz", "digest": digest("1")},
            "labels": {"uri": "s3://packs/labels.csv", "digest": digest("2")},
        },
    }
    # Nothing is measured here: the tier's latency gate only looks on.
    speed = {"name": "p95", "metric": "LatencyRatio", "quantile": "0.95", "limit": "1.25", "enforcement": "DryRun"}
    return [
        (POOL, {"spec": {"nodeSelector": {"pool": "cpu"}}}),
        (POLICY, {"spec": {"tier": "Low", "gates": [speed]}}),
        (PACK, {"spec": pack}),
    ]


async def _furnish(client: KubernetesClient, name: str) -> None:
    await client.create(NAMESPACE, _named(NAMESPACE, "", name, {}))
    # Nobody else makes it where no controllers run, and without it no pod is admitted.
    with contextlib.suppress(AlreadyExists):
        await client.create(ACCOUNT, _named(ACCOUNT, name, "default", {}))
    for kind, body in furniture(name):
        await client.create(kind, _named(kind, name, name, body))


async def _clear(client: KubernetesClient, name: str) -> None:
    """Without a namespace controller nothing goes by itself."""
    for kind in (VALIDATION, JOB, POD, REPORT, PACK, LEASE, EVENT, TARGET):
        with contextlib.suppress(NotFound):
            found = [item async for page in client.list_pages(kind, name, "") for item in page]
            for item in found:
                await _delete(client, kind, item)
    for kind in (POOL, POLICY, ROLE, BINDING, NAMESPACE):
        found = [item async for page in client.list_pages(kind) for item in page]
        for item in found:
            if item["metadata"]["name"].endswith(name):
                await _delete(client, kind, item)


async def _delete(client: KubernetesClient, kind: Kind, item: Object) -> None:
    metadata = item["metadata"]
    with contextlib.suppress(NotFound):
        if metadata.get("finalizers"):
            await client.patch(kind, metadata.get("namespace"), metadata["name"], {"metadata": {"finalizers": None}})
        await client.delete(kind, metadata.get("namespace"), metadata["name"], metadata["uid"])


def _named(kind: Kind, namespace: str, name: str, body: Object) -> Object:
    metadata = {"name": name} | ({"namespace": namespace} if kind.namespaced else {})
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **body}
