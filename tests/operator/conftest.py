"""Component tests: the whole operator against a real API server; only containers are scripted."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.operator.world import World, world

CHECKOUT = Path(__file__).resolve().parents[2]
KSERVE: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "inferenceservices.serving.kserve.io"},
    "spec": {
        "group": "serving.kserve.io",
        "scope": "Namespaced",
        "names": {"plural": "inferenceservices", "singular": "inferenceservice", "kind": "InferenceService"},
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}

Story = Callable[[World], Awaitable[None]]


@pytest.fixture(scope="session")
def served(api_cluster: Cluster) -> Path:
    """The API server with our CRDs, and KServe's kind where the cluster does not have it."""
    if not api_cluster.kubectl("get", "crd", KSERVE["metadata"]["name"], "--ignore-not-found", "-o", "name"):
        api_cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(KSERVE))
    api_cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", CHECKOUT / "crds")
    api_cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")
    return api_cluster.kubeconfig


@pytest.fixture
def story(served: Path, tmp_path: Path) -> Callable[..., None]:
    """Runs a coroutine in a fresh corner of the API server, with the proxy as told."""

    def tell(test: Story, **proxied: object) -> None:
        async def main() -> None:
            async with asyncio.timeout(120), world(served, tmp_path, **proxied) as corner:
                await test(corner)

        asyncio.run(main())

    return tell
