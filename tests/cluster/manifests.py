"""Kubernetes objects as dictionaries: reading them out of files, and the changes that every add-on needs here."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
CPU_POOL = {"paritygate.io/pool": "cpu"}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEFINITIONS = ("Namespace", "CustomResourceDefinition")


def parsed(text: str) -> Iterator[Object]:
    """The objects of a YAML text."""
    return (document for document in yaml.load_all(text, Loader=_LOADER) if document)


def from_files(paths: Iterable[Path]) -> list[Object]:
    """The objects of YAML files; the first of each name counts, because upstream folders overlap."""
    found: dict[tuple[str, ...], Object] = {}
    for path in paths:
        for document in parsed(path.read_text()):
            found.setdefault(identity(document), document)
    return list(found.values())


def identity(document: Object) -> tuple[str, ...]:
    """What tells one object from another."""
    metadata = document["metadata"]
    return document["kind"], metadata.get("namespace", ""), metadata["name"]


def definitions(documents: Sequence[Object]) -> list[Object]:
    """Namespaces and CRDs: what must be there before the rest."""
    return [document for document in documents if document["kind"] in _DEFINITIONS]


def webhooks(documents: Sequence[Object]) -> list[Object]:
    """Webhook configurations: what must come after the pods that answer them."""
    return [document for document in documents if document["kind"].endswith("WebhookConfiguration")]


def workload(documents: Sequence[Object]) -> list[Object]:
    """Everything else."""
    special = {identity(d) for d in [*definitions(documents), *webhooks(documents)]}
    return [document for document in documents if identity(document) not in special]


def as_json(documents: Sequence[Object]) -> str:
    """One List that kubectl takes."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)})


def light(deployment: Object) -> None:
    """Make a Deployment fit on two cores and one pool: no spreading, no requests, local images only."""
    deployment["spec"].pop("strategy", None)
    spec = deployment["spec"]["template"]["spec"]
    spec.pop("affinity", None)
    spec["nodeSelector"] = dict(CPU_POOL)
    for container in spec["containers"]:
        container["resources"] = {}
        container["imagePullPolicy"] = "Never"
        # Our images name no user by default, and the pods must not run as root.
        container.setdefault("securityContext", {}).setdefault("runAsUser", 65532)
