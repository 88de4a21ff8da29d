"""What we believe the cluster holds: filled by watches and our own writes, replaced by every re-list.

Objects are kept as compact JSON, a fraction of what dictionaries take, and are handed out as fresh dictionaries:
nobody can change what is stored by changing what was handed out.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from paritygate.lifecycle.model import UID_LABEL

from .client import Manifest, Object
from .kinds import JOB, PACK, POD, POLICY, REPORT, VALIDATION, Kind
from .relations import Key, Term, owners, reference, terms, tries

Place = tuple[str, str]
"""Namespace ("" for cluster-scoped kinds) and name."""

_NOISE = ("managedFields", "selfLink")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Store:
    """Objects by kind, namespace and name, and what they can be found by. Belongs to one event loop."""

    def __init__(self) -> None:
        self._objects: dict[Kind, dict[Place, bytes]] = defaultdict(dict)
        self._found_by: dict[Term, set[tuple[Kind, Place]]] = defaultdict(set)
        self._tries: dict[Term, dict[Place, str]] = defaultdict(dict)
        self._touched: dict[Kind, set[Place]] = {}
        self._listed: dict[Kind, set[Place]] = {}

    def put(self, kind: Kind, manifest: Manifest) -> None:
        """Keep an object, as a watch event or the answer to our own write shows it."""
        place = _place(manifest)
        self._touched.get(kind, set()).add(place)
        self._put(kind, place, _lean(kind, manifest))

    def drop(self, kind: Kind, manifest: Manifest) -> None:
        """Forget an object that a watch event reports deleted."""
        place = _place(manifest)
        self._touched.get(kind, set()).add(place)
        self._drop(kind, place)

    def begin_relist(self, kind: Kind) -> None:
        """From here on, what is put or dropped is newer than the list that is about to be read."""
        self._touched[kind], self._listed[kind] = set(), set()

    def relist(self, kind: Kind, page: Iterable[Manifest]) -> dict[Place, str]:
        """Take over a page of the list, but for what changed since it was begun.

        Returns place and resource version of what the list knew better than the store: a sound watch must report
        these soon. Page by page, because a whole list of raw objects is many times what is kept of it.
        """
        missed: dict[Place, str] = {}
        for manifest in page:
            place, version = _place(manifest), manifest["metadata"]["resourceVersion"]
            self._listed[kind].add(place)
            if place not in self._touched[kind] and self._version(kind, place) != version:
                missed[place] = version
                self._put(kind, place, _lean(kind, manifest))
        return missed

    def end_relist(self, kind: Kind) -> None:
        """The list is complete: what it did not name is gone, though no watch may ever have said so."""
        for place in set(self._objects[kind]) - self._listed.pop(kind) - self._touched.pop(kind):
            self._drop(kind, place)

    def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """An object, or None."""
        raw = self._objects[kind].get((namespace or "", name))
        return None if raw is None else json.loads(raw)

    def find(self, kind: Kind, *term: str) -> list[Object]:
        """The objects of a kind that a term finds, by name."""
        places = sorted(place for found, place in self._found_by.get(term, ()) if found is kind)
        return [json.loads(self._objects[kind][place]) for place in places]

    def tries(self, namespace: str, data: Iterable[str]) -> frozenset[str]:
        """The tries that reports of a namespace record on these files, by digest."""
        return frozenset().union(*(self._tries.get(("data", namespace, file), {}).values() for file in data))

    def judged_on(self, namespace: str, packs: Iterable[str]) -> set[Key]:
        """The validations of a namespace that are judged on one of these packs, by their own word or their policy's."""
        metadata = ({"metadata": {"namespace": namespace, "name": name}} for name in packs)
        return set().union(*(self.concerned(PACK, pack) for pack in metadata))

    def count(self) -> Mapping[str, int]:
        """How many objects of each kind are kept."""
        return {kind.plural: len(objects) for kind, objects in self._objects.items()}

    def validations(self) -> list[Key]:
        """All validations."""
        return [Key(*place) for place in self._objects[VALIDATION]]

    def concerned(self, kind: Kind, manifest: Manifest) -> set[Key]:
        """The validations that have to look again because this object changed, came or went."""
        match kind:
            case _ if kind is VALIDATION:
                rivals = self._rivals(manifest)
                return {Key(*_place(manifest)), *rivals}
            case _ if kind is REPORT:
                return self._keys(("uid", manifest["spec"]["validation"]["uid"]))
            case _ if kind in (JOB, POD):
                return self._owning(manifest)
        term = reference(kind, manifest)
        keys = self._keys(term) if term else set()
        if kind is PACK:
            keys |= self._requiring(manifest)
        return keys

    def _rivals(self, manifest: Manifest) -> set[Key]:
        target = manifest["spec"].get("target")
        if not target:
            return set()
        return self._keys(("target", manifest["metadata"]["namespace"], target["inferenceService"]))

    def _owning(self, manifest: Manifest) -> set[Key]:
        # A pod's owner is its Job, which may not have been announced yet: the label names the validation on both.
        uids = {*owners(manifest), manifest["metadata"].get("labels", {}).get(UID_LABEL, "")}
        return set().union(*(self._keys(("uid", uid)) for uid in uids))

    def _requiring(self, pack: Manifest) -> set[Key]:
        metadata = pack["metadata"]
        policies = self._found_by.get(("requires", metadata["name"]), set())
        keys = set().union(*(self._keys(("policy", place[1])) for kind, place in policies if kind is POLICY))
        return {key for key in keys if key.namespace == metadata["namespace"]}

    def _keys(self, term: Term) -> set[Key]:
        return {Key(*place) for kind, place in self._found_by.get(term, ()) if kind is VALIDATION}

    def _version(self, kind: Kind, place: Place) -> str | None:
        raw = self._objects[kind].get(place)
        return None if raw is None else json.loads(raw)["metadata"]["resourceVersion"]

    def releasing(self) -> Iterator[Object]:
        """Validations with a release in flight. Looks at the bytes first: at a scrape, most objects need no parsing."""
        for raw in list(self._objects[VALIDATION].values()):
            if b'"release":{' in raw:
                manifest = json.loads(raw)
                release = manifest.get("status", {}).get("release")
                if release and not release.get("outcome"):
                    yield manifest

    def _put(self, kind: Kind, place: Place, lean: bytes) -> None:
        self._drop(kind, place)
        self._objects[kind][place] = lean
        manifest = json.loads(lean)
        for term in terms(kind, manifest):
            self._found_by[term].add((kind, place))
        for term, one in tries(kind, manifest):
            self._tries[term][place] = one

    def _drop(self, kind: Kind, place: Place) -> None:
        raw = self._objects[kind].pop(place, None)
        if raw is None:
            return
        manifest = json.loads(raw)
        for term in terms(kind, manifest):
            found = self._found_by[term]
            found.discard((kind, place))
            if not found:
                del self._found_by[term]
        for term, _ in tries(kind, manifest):
            del self._tries[term][place]
            if not self._tries[term]:
                del self._tries[term]


def _place(manifest: Manifest) -> Place:
    metadata = manifest["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _lean(kind: Kind, manifest: Manifest) -> bytes:
    """What is worth keeping, as JSON: nothing that only the server or kubectl needs, of pods' specs only the limits."""
    metadata = {name: value for name, value in manifest["metadata"].items() if name not in _NOISE}
    if _LAST_APPLIED in metadata.get("annotations", {}):
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != _LAST_APPLIED}
    lean: dict[str, Any] = {**manifest, "metadata": metadata}
    spec = manifest.get("spec", {})
    if kind is JOB:
        lean["spec"] = {name: value for name, value in spec.items() if name != "template"}
    elif kind is POD:
        lean["spec"] = {part: _limits(spec.get(part, ())) for part in ("initContainers", "containers")}
    return json.dumps(lean, separators=(",", ":"), ensure_ascii=False).encode()


def _limits(containers: Iterable[Manifest]) -> list[Manifest]:
    return [{"name": container["name"], "resources": container.get("resources", {})} for container in containers]
