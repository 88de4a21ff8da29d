"""How objects hang together: what an object can be found by, and which validations a change of it concerns."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from paritygate.lifecycle.tries import identity

from .client import Manifest
from .kinds import JOB, PACK, POD, POLICY, POOL, REPORT, TARGET, VALIDATION, Kind

Term = tuple[str, ...]
"""Something that an object can be found by, such as `("owner", uid)`."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A validation, by name: what the queue holds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def terms(kind: Kind, manifest: Manifest) -> Iterator[Term]:
    """What this object is to be found by."""
    metadata = manifest["metadata"]
    namespace = metadata.get("namespace", "")
    match kind:
        case _ if kind is VALIDATION:
            yield ("uid", metadata["uid"])
            yield from _references(namespace, manifest["spec"])
        case _ if kind in (JOB, POD):
            for owner in metadata.get("ownerReferences", ()):
                yield ("owner", owner["uid"])
        case _ if kind is REPORT:
            yield ("about", manifest["spec"]["validation"]["uid"])
        case _ if kind is POLICY:
            for pack in manifest.get("spec", {}).get("requiredPacks", ()):
                yield ("requires", pack["name"])


def tries(kind: Kind, manifest: Manifest) -> Iterator[tuple[Term, str]]:
    """The data that a report judged, file by file, and the try that it records."""
    if kind is not REPORT or not manifest["spec"].get("items"):
        return
    namespace, plan = manifest["metadata"]["namespace"], manifest["spec"]["plan"]
    own = identity(plan)
    for pack in plan["packs"]:
        for part in ("inputs", "labels"):
            if digest := pack[part].get("digest"):
                yield ("data", namespace, digest), own


def _references(namespace: str, spec: Manifest) -> Iterator[Term]:
    yield ("policy", spec["policy"])
    yield ("pool", spec["pool"])
    for pack in spec.get("packs", ()):
        yield ("pack", namespace, pack["name"])
    if target := spec.get("target"):
        yield ("target", namespace, target["inferenceService"])


def owners(manifest: Manifest) -> Iterable[str]:
    """UIDs of the owners."""
    return (owner["uid"] for owner in manifest["metadata"].get("ownerReferences", ()))


def reference(kind: Kind, manifest: Manifest) -> Term | None:
    """The term by which validations refer to this object."""
    metadata = manifest["metadata"]
    match kind:
        case _ if kind is POLICY:
            return ("policy", metadata["name"])
        case _ if kind is POOL:
            return ("pool", metadata["name"])
        case _ if kind is PACK:
            return ("pack", metadata["namespace"], metadata["name"])
        case _ if kind is TARGET:
            return ("target", metadata["namespace"], metadata["name"])
        case _:
            return None
