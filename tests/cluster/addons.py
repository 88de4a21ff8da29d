"""Installing what the cluster itself runs, in an order that waits for as little as possible."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import coredns, knative, kserve
from tests.cluster.cluster import Cluster
from tests.cluster.errors import CommandFailed, NotReady
from tests.cluster.manifests import Object, as_json, definitions, webhooks, workload
from tests.cluster.pki import Authority
from tests.cluster.places import HERE, MODULES, digest
from tests.cluster.progress import step

_PATIENCE = 240.0


@dataclass(frozen=True, slots=True)
class AddOns:
    """Everything to install beside Kubernetes itself. ``dns``: the cluster has none of its own."""

    authority: Authority
    dns: bool
    node_port: bool

    def key(self) -> str:
        """What decides the objects: the modules they come from, the code that changes them, the authority."""
        self.authority.ensure()
        names = ("addons", "coredns", "images", "knative", "kserve", "manifests")
        modules = [MODULES / name for name in ("coredns", "knative", "kserve")]
        return digest([*(HERE / f"{name}.py" for name in names), *modules, self.authority.certificate, str(self)])

    def noted(self, note: Path) -> bool:
        """Whether just these were installed to the end."""
        return note.exists() and note.read_text() == self.key()

    def write(self, note: Path) -> None:
        """Note that just these are installed."""
        note.write_text(self.key())

    def render(self) -> list[Object]:
        """The objects."""
        own = coredns.render() if self.dns else []
        return [*own, *knative.render(node_port=self.node_port), *kserve.render(self.authority)]


def apply(cluster: Cluster, documents: Sequence[Object]) -> None:
    """Apply add-ons but for their webhooks: first what others refer to, then the rest."""
    with step(f"apply {len(documents)} objects"), ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda some: _apply(cluster, some), _chunks(definitions(documents), 4)))
        crds = [d["metadata"]["name"] for d in documents if d["kind"] == "CustomResourceDefinition"]
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", *crds)
        rest = sorted(workload(documents), key=lambda d: d["kind"] == "Deployment")
        list(pool.map(lambda some: _apply(cluster, some), _chunks(rest, 3)))


def register(cluster: Cluster, documents: Sequence[Object]) -> None:
    """Register the webhooks, when their pods answer. They are created and never applied twice: Knative's webhook fills
    in rules and certificates and owns them from then on.
    """
    configurations = webhooks(documents)
    with step("register webhooks"):
        with suppress(CommandFailed):
            cluster.kubectl("create", "-f", "-", stdin=as_json(configurations))
        _wait_complete(cluster, [f"{c['kind']}/{c['metadata']['name']}" for c in configurations])


def wait_available(cluster: Cluster) -> None:
    """Wait until every Deployment of the add-ons has all its pods available; name the pods' troubles where not."""
    deadline = time.monotonic() + _PATIENCE
    waiting = unavailable(cluster)
    if not waiting:
        return
    with step(f"wait for {', '.join(sorted(waiting))}"):
        while waiting := unavailable(cluster):
            if time.monotonic() > deadline:
                raise NotReady(
                    f"not available after {_PATIENCE:.0f} s: {', '.join(sorted(waiting))}; pods: {_troubles(cluster)}",
                    "python -m tests.cluster run -- kubectl get pods -A",
                )
            time.sleep(0.3)


def unavailable(cluster: Cluster) -> set[str]:
    """The Deployments that lack pods."""
    items = json.loads(cluster.kubectl("get", "deployments", "-A", "-o", "json"))["items"]
    return {
        f"{d['metadata']['namespace']}/{d['metadata']['name']}"
        for d in items
        if d["metadata"]["namespace"] in ("kube-system", "knative-serving", "kourier-system", "kserve")
        and (
            d["status"].get("availableReplicas", 0) < d["spec"].get("replicas", 1)
            or d["status"].get("observedGeneration", 0) < d["metadata"]["generation"]
            or d["status"].get("updatedReplicas", 0) < d["spec"].get("replicas", 1)
        )
    }


def _apply(cluster: Cluster, documents: Sequence[Object]) -> None:
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=as_json(documents))


def _wait_complete(cluster: Cluster, names: Sequence[str]) -> None:
    deadline = time.monotonic() + 60
    while incomplete := _incomplete(cluster, names):
        if time.monotonic() > deadline:
            raise NotReady(
                f"nobody filled in the certificates of {', '.join(incomplete)}",
                "python -m tests.cluster run -- kubectl -n knative-serving logs deploy/webhook",
            )
        time.sleep(0.2)


def _incomplete(cluster: Cluster, names: Sequence[str]) -> list[str]:
    items = json.loads(cluster.kubectl("get", *names, "-o", "json"))["items"]
    return [
        str(item["metadata"]["name"])
        for item in items
        if not all(w["clientConfig"].get("caBundle") and w.get("rules") for w in item["webhooks"])
    ]


def _troubles(cluster: Cluster) -> str:
    items = json.loads(cluster.kubectl("get", "pods", "-A", "-o", "json"))["items"]
    said = []
    for pod in items:
        for status in pod["status"].get("containerStatuses", []):
            waiting = status["state"].get("waiting")
            if waiting:
                said.append(f"{pod['metadata']['name']}: {waiting.get('reason')} {waiting.get('message', '')}"[:300])
        if pod["status"]["phase"] == "Pending" and not pod["status"].get("containerStatuses"):
            reasons = [c.get("message", "") for c in pod["status"].get("conditions", []) if c["status"] == "False"]
            said.append(f"{pod['metadata']['name']}: Pending {' '.join(reasons)}"[:300])
    return "; ".join(said) or "none in trouble"


def _chunks(documents: Sequence[Object], count: int) -> list[list[Object]]:
    return [list(documents[i::count]) for i in range(count) if documents[i::count]]
