"""KServe's controller in Knative mode: its own manifests out of the Go module folder, without cert-manager."""

import json
from collections.abc import Callable
from typing import Any

from tests.cluster import golang
from tests.cluster.command import output
from tests.cluster.images import image_name
from tests.cluster.manifests import Object, light, parsed
from tests.cluster.pki import Authority, encoded

_WEBHOOK = "kserve-webhook-server-service.kserve.svc"
_LEFT_OUT = ("Certificate", "Issuer", "Secret")
# What GitOps tools and people put on an InferenceService without meaning a new revision of the model.
_NOT_FOR_REVISIONS = {
    "serviceAnnotationDisallowedList": [
        "argocd.argoproj.io/tracking-id",
        "kustomize.toolkit.fluxcd.io/checksum",
        "paritygate.io/note",
    ],
    "serviceLabelDisallowedList": [
        "app.kubernetes.io/instance",
        "kustomize.toolkit.fluxcd.io/name",
        "kustomize.toolkit.fluxcd.io/namespace",
    ],
}


def render(authority: Authority) -> list[Object]:
    """All objects of KServe; ``authority`` signs the webhooks' certificate."""
    root = golang.module_dir("kserve", "github.com/kserve/kserve") / "config"
    pair = authority.pair("kserve-webhook", "/CN=kserve-webhook", f"DNS:{_WEBHOOK},DNS:{_WEBHOOK}.cluster.local")
    bundle = encoded(authority.certificate)
    kubectl = golang.built(golang.KUBECTL)
    texts = [output([kubectl, "kustomize", root / folder]) for folder in ("default", "configmap")]
    documents = [document for text in texts for document in parsed(text) if document["kind"] not in _LEFT_OUT]
    namespace: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kserve"}}
    secret: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": "kserve-webhook-server-cert", "namespace": "kserve"},
        "data": {"tls.crt": encoded(pair.certificate), "tls.key": encoded(pair.key)},
    }
    return [namespace, secret, *(_changed(document, bundle) for document in documents)]


def _changed(document: Object, bundle: str) -> Object:
    document["metadata"].pop("creationTimestamp", None)
    (document["metadata"].get("annotations") or {}).pop("cert-manager.io/inject-ca-from", None)
    kind = document["kind"]
    if kind.endswith("WebhookConfiguration"):
        for webhook in document["webhooks"]:
            webhook["clientConfig"]["caBundle"] = bundle
    elif kind == "CustomResourceDefinition":
        conversion = document["spec"].get("conversion", {})
        if conversion.get("strategy") == "Webhook":
            conversion["webhook"]["clientConfig"]["caBundle"] = bundle
    elif kind == "ConfigMap":
        document["metadata"]["namespace"] = "kserve"
        configure(document["data"])
    elif kind == "Deployment":
        _controller(document)
    return document


def configure(data: dict[str, str]) -> None:
    """Change the settings of ``inferenceservice-config``, each a JSON text under its key."""
    changes: dict[str, Callable[[dict[str, Any]], None]] = {
        "deploy": lambda value: value.update(defaultDeploymentMode="Knative"),
        # Knative's own ingress, Kourier, is the way in; there is no Istio.
        "ingress": lambda value: value.update(disableIngressCreation=True, disableIstioVirtualHost=True),
        "inferenceService": _inference_service,
    }
    for key, change in changes.items():
        value = json.loads(data[key])
        change(value)
        data[key] = json.dumps(value)


def _inference_service(value: dict[str, Any]) -> None:
    # The default of one whole core a model leaves no place for a canary on two cores.
    value["resource"].update(cpuRequest="50m", memoryRequest="64Mi")
    value.update(_NOT_FOR_REVISIONS)


def _controller(deployment: Object) -> None:
    spec = deployment["spec"]["template"]["spec"]
    spec["containers"] = [c for c in spec["containers"] if c["name"] == "manager"]
    light(deployment)
    manager = spec["containers"][0]
    manager.update(image=image_name(golang.KSERVE), command=["/app"], args=["--metrics-addr=127.0.0.1:8080"])
    # Upstream waits 30 seconds before it looks.
    manager["readinessProbe"].update(initialDelaySeconds=1, periodSeconds=1)
