"""The cluster keeps its promises: two real pools, data between nodes, a canary counted through Envoy, healing."""

import http.client
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster import Cluster, Profile, Provider, ensure
from tests.cluster.errors import CommandFailed
from tests.cluster.images import TOY, toy_archive
from tests.cluster.places import state_dir
from tests.cluster.process import Daemons

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

SMALL = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}}
TOLERATION = {"key": "paritygate.io/accelerator", "operator": "Exists", "effect": "NoSchedule"}


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    name = f"smoke-{os.getpid()}"
    cluster.kubectl("create", "namespace", name)
    cluster.load(toy_archive())
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def models(cluster: Cluster, namespace: str) -> None:
    for version in ("a", "b"):
        assert cluster.models_dir
        folder = cluster.models_dir / namespace / version
        folder.mkdir(parents=True)
        (folder / "VERSION").write_text(version)
    cluster.models_claim(namespace)


def _wait(what: Callable[[], Any], patience: float = 60.0) -> Any:
    deadline = time.monotonic() + patience
    while not (found := what()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found
    return found


def _job(name: str, url: str, spec: dict[str, Any], resources: dict[str, Any] = SMALL) -> dict[str, Any]:
    container = {"name": "get", "image": TOY, "imagePullPolicy": "Never", "args": ["get", url], "resources": resources}
    pod = {"restartPolicy": "Never", "containers": [container], **spec}
    template = {"metadata": {"labels": {"job": name}}, "spec": pod}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": template},
    }


def _serve(cluster: Cluster, namespace: str) -> None:
    """A model server on the cpu pool behind a Service."""
    claim = {"name": "models", "persistentVolumeClaim": {"claimName": "models", "readOnly": True}}
    mount = {"name": "models", "mountPath": "/mnt/models", "subPath": f"{namespace}/a"}
    container = {"name": "toy", "image": TOY, "imagePullPolicy": "Never", "resources": SMALL, "volumeMounts": [mount]}
    selector = {"paritygate.io/pool": "cpu"}
    pod = {"nodeSelector": selector, "containers": [container], "volumes": [claim]}
    labels = {"app": "server"}
    cluster.apply(
        [
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "server", "labels": labels}, "spec": pod},
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "server"},
                "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
            },
        ],
        "-n",
        namespace,
    )


def test_two_pools_are_told_apart_by_label_taint_and_resource(cluster: Cluster) -> None:
    nodes = json.loads(cluster.kubectl("get", "nodes", "-l", "paritygate.io/pool", "-o", "json"))["items"]
    pools = {node["metadata"]["labels"]["paritygate.io/pool"]: node for node in nodes}
    assert set(pools) == {"cpu", "accelerator"}
    accelerator = pools["accelerator"]
    assert accelerator["status"]["allocatable"]["paritygate.io/accelerator"] == "2"
    assert [(t["key"], t["effect"]) for t in accelerator["spec"]["taints"]] == [
        ("paritygate.io/accelerator", "NoSchedule")
    ]
    assert "paritygate.io/accelerator" not in pools["cpu"]["status"]["allocatable"]


@pytest.mark.usefixtures("models")
def test_a_pinned_job_runs_on_its_pool_and_reaches_the_other(cluster: Cluster, namespace: str) -> None:
    _serve(cluster, namespace)
    amount = {"paritygate.io/accelerator": "1"}
    spec = {"nodeSelector": {"paritygate.io/pool": "accelerator"}, "tolerations": [TOLERATION]}
    url = f"http://server.{namespace}.svc.cluster.local/?bytes=5000000"
    cluster.apply([_job("pinned", url, spec, {"limits": amount})], "-n", namespace)
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Complete", "job/pinned", "--timeout=90s")
    assert cluster.kubectl("-n", namespace, "logs", "job/pinned").split() == ["a", "5000000"]
    where = cluster.kubectl("-n", namespace, "get", "pods", "-l", "job=pinned", "-o", "jsonpath={..nodeName}")
    pool = cluster.kubectl("get", "node", where, "-o", r"jsonpath={.metadata.labels.paritygate\.io/pool}")
    assert pool == "accelerator"


@pytest.mark.parametrize(
    ("name", "spec", "resources", "reason"),
    [
        ("no-toleration", {"nodeSelector": {"paritygate.io/pool": "accelerator"}}, SMALL, "untolerated taint"),
        ("no-such-pool", {"nodeSelector": {"paritygate.io/pool": "gpu-x"}}, SMALL, "didn't match Pod's node affinity"),
        (
            "too-many",
            {"tolerations": [TOLERATION]},
            {"limits": {"paritygate.io/accelerator": "3"}},
            "Insufficient paritygate.io/accelerator",
        ),
    ],
)
def test_what_no_node_can_take_stays_pending_with_the_reason(
    cluster: Cluster, namespace: str, name: str, spec: dict[str, Any], resources: dict[str, Any], reason: str
) -> None:
    cluster.apply([_job(name, "http://nowhere", spec, resources)], "-n", namespace)

    def scheduled() -> dict[str, Any] | None:
        pods = json.loads(cluster.kubectl("-n", namespace, "get", "pods", "-l", f"job={name}", "-o", "json"))["items"]
        conditions = [c for pod in pods for c in pod["status"].get("conditions", [])]
        return next((c for c in conditions if c["type"] == "PodScheduled"), None)

    condition = _wait(scheduled)
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
    assert reason in condition["message"]


def test_restricted_pod_security_is_enforced(cluster: Cluster, namespace: str) -> None:
    enforced = f"{namespace}-restricted"
    cluster.kubectl("create", "namespace", enforced)
    cluster.kubectl("label", "namespace", enforced, "pod-security.kubernetes.io/enforce=restricted")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": TOY}]},
    }
    with pytest.raises(CommandFailed, match="violates PodSecurity"):
        cluster.apply([pod], "-n", enforced)
    cluster.kubectl("delete", "namespace", enforced, "--wait=false")


def _inference_service(namespace: str, version: str, **predictor: Any) -> dict[str, Any]:
    model = {
        "modelFormat": {"name": "toy"},
        "protocolVersion": "v2",
        "runtime": "toy",
        "storageUri": f"pvc://models/{namespace}/{version}",
        "resources": SMALL,
    }
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "churn"},
        "spec": {"predictor": {"minReplicas": 1, "model": model, **predictor}},
    }


def _runtime() -> dict[str, Any]:
    ports = [{"containerPort": 8080, "protocol": "TCP"}]
    container = {
        "name": "kserve-container",
        "image": TOY,
        "imagePullPolicy": "Never",
        "ports": ports,
        "resources": SMALL,
    }
    formats = [{"name": "toy", "version": "1", "autoSelect": True}]
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": {"name": "toy"},
        "spec": {"supportedModelFormats": formats, "protocolVersions": ["v2"], "containers": [container]},
    }


def _count(cluster: Cluster, host: str, requests: int) -> Counter[str]:
    """Who answered: the model's version, or the status of what is no answer."""
    connection = http.client.HTTPConnection(cluster.entrance.address, cluster.entrance.port, timeout=30)
    seen: Counter[str] = Counter()
    for _ in range(requests):
        connection.request("GET", "/v2/models/churn", headers={"Host": host})
        response = connection.getresponse()
        response.read()
        seen[response.getheader("X-Model") or str(response.status)] += 1
    return seen


@pytest.mark.usefixtures("models")
def test_a_canary_gets_its_share_of_real_requests(cluster: Cluster, namespace: str) -> None:
    host = f"churn-predictor.{namespace}.example.com"
    cluster.apply([_runtime(), _inference_service(namespace, "a")], "-n", namespace)
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "isvc/churn", "--timeout=120s")
    assert _count(cluster, host, 100) == {"a": 100}

    cluster.apply([_inference_service(namespace, "b", canaryTrafficPercent=20)], "-n", namespace)
    _wait(lambda: _count(cluster, host, 20)["b"], 120)
    seen = _count(cluster, host, 2000)
    assert seen.total() == seen["a"] + seen["b"]
    # A random split of 2000: 400 plus or minus six standard deviations.
    assert 290 < seen["b"] < 510


@pytest.mark.usefixtures("models")
def test_killed_parts_are_whole_again_after_up(cluster: Cluster, namespace: str) -> None:
    if cluster.provider is not Provider.HOST:
        pytest.skip("only the host way has processes of its own")
    _serve(cluster, namespace)
    daemons = Daemons(state_dir(cluster.name))
    victims = ("node1-kubelet", "node2-containerd", "kube-scheduler", "kube-controller-manager", "etcd", "door")
    for name in victims:
        pid = daemons.pid(name)
        assert pid
        os.kill(pid, signal.SIGKILL)
        while daemons.pid(name) == pid:  # on a busy machine a killed process is seen a little longer
            time.sleep(0.01)
    healed = ensure(Profile.FULL, session=True)
    assert all(daemons.pid(name) for name in victims)
    spec = {"nodeSelector": {"paritygate.io/pool": "accelerator"}, "tolerations": [TOLERATION]}
    amount = {"limits": {"paritygate.io/accelerator": "2"}}
    url = f"http://server.{namespace}.svc.cluster.local/?bytes=1"
    healed.apply([_job("after", url, spec, amount)], "-n", namespace)
    healed.kubectl("-n", namespace, "wait", "--for=condition=Complete", "job/after", "--timeout=120s")
