"""The two pools: which worker is the accelerator is said through the API, the same on every kind of cluster."""

import json
import time
from datetime import UTC, datetime

from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError, NotReady
from tests.cluster.manifests import Object

POOLS = ("cpu", "accelerator")
LABEL = "paritygate.io/pool"
RESOURCE = "paritygate.io/accelerator"
TAINT = {"key": "paritygate.io/accelerator", "value": "present", "effect": "NoSchedule"}
COUNT = "2"
_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


def ensure(cluster: Cluster) -> None:
    """The first worker is the cpu pool; the second is labelled, tainted and has the extended resource."""
    workers = sorted(
        (node for node in nodes(cluster) if _CONTROL_PLANE not in node["metadata"].get("labels", {})),
        key=lambda node: str(node["metadata"]["name"]),
    )
    if len(workers) < 2:
        raise ClusterError(
            f"two worker nodes are needed for two pools, there are {len(workers)}", "see kind-config.yaml"
        )
    for node, pool in zip(workers, POOLS, strict=False):
        name = node["metadata"]["name"]
        if node["metadata"].get("labels", {}).get(LABEL) != pool:
            cluster.kubectl("label", "--overwrite", "node", name, f"{LABEL}={pool}")
    _accelerator(cluster, workers[1])


def _accelerator(cluster: Cluster, node: Object) -> None:
    name = node["metadata"]["name"]
    if not any(taint["key"] == TAINT["key"] for taint in node["spec"].get("taints", [])):
        cluster.kubectl("taint", "--overwrite", "node", name, f"{TAINT['key']}={TAINT['value']}:{TAINT['effect']}")
    if node["status"].get("allocatable", {}).get(RESOURCE) != COUNT:
        amount = {RESOURCE: COUNT}
        patch = json.dumps({"status": {"capacity": amount, "allocatable": amount}})
        cluster.kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", patch)


def nodes(cluster: Cluster) -> list[Object]:
    """The nodes as the API shows them."""
    items: list[Object] = json.loads(cluster.kubectl("get", "nodes", "-o", "json"))["items"]
    return items


def wait_ready(cluster: Cluster, count: int, since: datetime | None = None, patience: float = 90.0) -> None:
    """Wait for ``count`` Ready nodes that were heard of after ``since``: a Ready of before a restart says nothing."""
    deadline = time.monotonic() + patience
    while True:
        conditions = [
            condition
            for node in nodes(cluster)
            for condition in node["status"].get("conditions", [])
            if condition["type"] == "Ready"
        ]
        ready = [c for c in conditions if c["status"] == "True" and (since is None or _heard(c) >= since)]
        if len(ready) >= count:
            return
        if time.monotonic() > deadline:
            said = "; ".join(str(c.get("message")) for c in conditions) or "no node has registered"
            raise NotReady(
                f"{len(ready)} of {count} nodes ready after {patience:.0f} s: {said}",
                "python -m tests.cluster logs node1-kubelet",
            )
        time.sleep(0.2)


def _heard(condition: Object) -> datetime:
    return datetime.fromisoformat(condition["lastHeartbeatTime"]).astimezone(UTC)
