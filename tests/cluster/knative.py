"""Knative Serving, Kourier and Envoy: the projects' own manifests out of the Go module folders, changed to fit."""

from collections.abc import Mapping
from pathlib import Path

from tests.cluster import golang
from tests.cluster.images import ENVOY, image_name
from tests.cluster.manifests import Object, from_files, light
from tests.cluster.network import GATEWAY_SERVICE_IP

NODE_PORT = 31080
# There is no metrics server that a HorizontalPodAutoscaler could ask, and nothing drains these nodes.
_LEFT_OUT = ("HorizontalPodAutoscaler", "PodDisruptionBudget")
_SETTINGS = {
    "config-deployment": {
        "queue-sidecar-cpu-request": "5m",
        # Images are loaded, not pulled: there is no registry to ask for a digest.
        "registries-skipping-tag-resolving": "kind.local,ko.local,dev.local,localhost",
        # A model that does not load shows after two minutes instead of ten.
        "progress-deadline": "120s",
    },
    "config-network": {"ingress-class": "kourier.ingress.networking.knative.dev"},
    "config-domain": {"example.com": ""},
    "config-features": {
        "kubernetes.podspec-persistent-volume-claim": "enabled",
        "kubernetes.podspec-persistent-volume-write": "enabled",
        # Pools are pinned by selector and toleration, also where models are served.
        "kubernetes.podspec-nodeselector": "enabled",
        "kubernetes.podspec-tolerations": "enabled",
    },
}


def render(*, node_port: bool) -> list[Object]:
    """All objects of Knative Serving with Kourier; ``node_port`` opens the entrance on the nodes, for kind."""
    binaries = (*golang.KNATIVE, golang.QUEUE, golang.KOURIER)
    named = {f"ko://{binary.package}": image_name(binary) for binary in binaries}
    documents = [document for document in from_files(_files()) if document["kind"] not in _LEFT_OUT]
    return [_changed(document, named, node_port) for document in documents]


def _files() -> list[Path]:
    """The manifests; upstream's links into networking and caching do not survive in a module folder."""
    folders = [golang.module_dir("knative", "knative.dev/serving") / "config" / "core"]
    folders += [
        golang.module_dir("knative", f"knative.dev/{name}") / "config"
        for name in ("networking", "caching", "net-kourier")
    ]
    return [path for folder in folders for path in sorted(folder.rglob("*.yaml"))]


def _changed(document: Object, named: Mapping[str, str], node_port: bool) -> Object:
    kind, name = document["kind"], document["metadata"]["name"]
    if kind == "ConfigMap":
        document.setdefault("data", {}).update(_SETTINGS.get(name, {}))
        if name == "config-deployment":
            document["data"]["queue-sidecar-image"] = image_name(golang.QUEUE)
    elif kind == "Image":
        document["spec"]["image"] = named.get(document["spec"]["image"], document["spec"]["image"])
    elif kind == "Service" and name == "kourier":
        _entrance(document, node_port)
    elif kind == "Deployment":
        light(document)
        for container in document["spec"]["template"]["spec"]["containers"]:
            container["image"] = named.get(container["image"], container["image"])
            if name == "3scale-kourier-gateway":
                _envoy(container)
    return document


def _envoy(container: Object) -> None:
    container["image"] = ENVOY
    # The hook needs a shell and curl, and this image holds Envoy alone.
    container.pop("lifecycle", None)
    container["args"] = ["--base-id", "1", "-c", "/tmp/config/envoy-bootstrap.yaml", "--log-level", "info"]
    container["args"] += ["--drain-time-s", "5", "--drain-strategy", "immediate", "--concurrency", "2"]
    container["readinessProbe"].update(initialDelaySeconds=1, periodSeconds=1)


def _entrance(service: Object, node_port: bool) -> None:
    service["spec"].update(type="NodePort" if node_port else "ClusterIP", clusterIP=GATEWAY_SERVICE_IP)
    if node_port:
        for port in service["spec"]["ports"]:
            if port["port"] == 80:
                port["nodePort"] = NODE_PORT
