"""A small model of what KServe's Knative mode does with an InferenceService: the state machine behind the traps.

Five reconcilers work one after the other or in any order: KServe writes the Knative Service, Knative makes revisions,
pods get ready, Knative resolves routes (that is what users get), KServe reports. Until the last has run, the status is
the old one with Ready=True.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

A, B, C = "pvc://models/a", "pvc://models/b", "pvc://models/c"
RECONCILERS = ("kserve_spec", "knative_configuration", "pods", "knative_route", "kserve_status")


@dataclass
class KServe:
    """One InferenceService and the controllers that act on it."""

    uri: str = A
    percent: int | None = None
    annotations: dict[str, str] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    name: str = "fraud"
    mode: str = "Knative"
    generation: int = 1
    resource_version: int = 100
    failing: set[str] = field(default_factory=set)
    """URIs whose pods never get ready."""
    revisions: dict[str, str] = field(default_factory=dict)
    ready_revisions: set[str] = field(default_factory=set)
    managed_fields: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.template: tuple[Any, ...] = ()
        self.made_template: tuple[Any, ...] = ()
        self.routes: list[tuple[str, int]] = []
        self.traffic: list[tuple[str, int, bool]] = []
        self.created = self.ready = ""
        self.status: dict[str, Any] = {}
        self.settle()

    # What people and operators do.

    def patch(self, patch: Mapping[str, Any], resource_version: str) -> bool:
        """A merge patch with a precondition; False = 409."""
        if resource_version != str(self.resource_version):
            return False
        predictor = patch["spec"]["predictor"]
        self.change(
            uri=predictor.get("model", {}).get("storageUri", self.uri),
            percent=predictor.get("canaryTrafficPercent", self.percent),
        )
        return True

    def change(self, **fields: Any) -> None:
        """Anybody's write."""
        before = (self.uri, self.percent, copy.deepcopy(self.more))
        for name, value in fields.items():
            setattr(self, name, value)
        if (self.uri, self.percent, self.more) != before:
            self.generation += 1
        self.resource_version += 1

    # What the controllers do.

    def kserve_spec(self) -> None:
        self.template = (self.uri, tuple(sorted(self.annotations.items())), repr(self.more))
        rolled_out = self.status.get("latestRolledoutRevision", "")
        if self.percent is not None and rolled_out:
            self.routes = [("latest", self.percent)]
            if self.percent < 100:
                self.routes.append((rolled_out, 100 - self.percent))
        else:
            self.routes = [("latest", 100)]

    def knative_configuration(self) -> None:
        if self.template and self.template != self.made_template:
            self.created = f"{self.name}-predictor-{len(self.revisions) + 1:05d}"
            self.revisions[self.created] = self.template[0]
            self.made_template = self.template

    def pods(self) -> None:
        if self.created and self.revisions[self.created] not in self.failing:
            self.ready_revisions.add(self.created)
            self.ready = self.created

    def knative_route(self) -> None:
        if self.ready:
            self.traffic = [(self.ready if r == "latest" else r, p, r == "latest") for r, p in self.routes]

    def kserve_status(self) -> None:
        status = self.status
        status["latestCreatedRevision"] = self.created
        whole: dict[str, int] = {}
        for revision, percent, _ in self.traffic:
            whole[revision] = whole.get(revision, 0) + percent
        for revision, percent, latest in self.traffic:
            if latest and revision == self.ready:
                self._rolled_out(revision, percent, whole)
        status["latestReadyRevision"] = self.ready
        status["traffic"] = [
            {"revisionName": revision, "latestRevision": latest, "percent": percent}
            for revision, percent, latest in self.traffic
        ]
        self.resource_version += 1

    def _rolled_out(self, revision: str, percent: int, whole: dict[str, int]) -> None:
        status = self.status
        if status.get("latestRolledoutRevision", "") != self.ready:
            if percent == 100:
                status["previousRolledoutRevision"] = status.get("latestRolledoutRevision", "")
                status["latestRolledoutRevision"] = self.ready
        elif self.ready == self.created and percent < 100 and whole[revision] == 100:
            status["latestRolledoutRevision"] = status.get("previousRolledoutRevision") or self.ready

    def settle(self) -> None:
        """Everybody works until nothing changes."""
        before = None
        while (now := repr((self.created, self.ready, self.traffic, self.status))) != before:
            before = now
            for reconciler in RECONCILERS:
                getattr(self, reconciler)()

    # What is seen.

    def users(self) -> dict[str, int]:
        """Percent of the requests by model: what the data plane really does."""
        shares: dict[str, int] = {}
        for revision, percent, _ in self.traffic:
            if percent:
                shares[self.revisions[revision]] = shares.get(self.revisions[revision], 0) + percent
        return shares

    def manifest(self) -> dict[str, Any]:
        """The InferenceService as the API server has it."""
        predictor: dict[str, Any] = {"model": {"modelFormat": {"name": "onnx"}, "storageUri": self.uri}}
        if self.percent is not None:
            predictor["canaryTrafficPercent"] = self.percent
        well = self.created == self.ready
        return {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {
                "name": self.name,
                "namespace": "risk",
                "generation": self.generation,
                "resourceVersion": str(self.resource_version),
                "annotations": dict(self.annotations),
                "managedFields": self.managed_fields,
            },
            "spec": {"predictor": predictor | self.more.get("predictor", {}), **self.more.get("spec", {})},
            "status": {
                "deploymentMode": self.mode,
                "observedGeneration": self.generation + 4,
                "components": {"predictor": copy.deepcopy(self.status)},
                "conditions": [{"type": "Ready", "status": "True" if well else "Unknown"}],
            },
        }


def settled(*, before: str = "", **fields: Any) -> KServe:
    """A target that serves A with all traffic; `before`: another model was rolled out before it."""
    if not before:
        return KServe(**fields)
    kserve = KServe(uri=before, **fields)
    kserve.change(uri=A)
    kserve.settle()
    return kserve


def pod(revision: str, **status: Any) -> dict[str, Any]:
    """A serving pod of a revision, ready unless said otherwise."""
    return {
        "metadata": {"name": f"{revision}-deployment-x", "labels": {"serving.knative.dev/revision": revision}},
        "status": {
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-21T12:00:00Z"}],
            "containerStatuses": [{"name": "kserve-container", "restartCount": 0, "state": {"running": {}}}],
            **status,
        },
    }


def crashed(revision: str, reason: str = "OOMKilled", code: int = 137, restarts: int = 1) -> dict[str, Any]:
    """A serving pod whose container ended and was started again."""
    ended = {"terminated": {"exitCode": code, "reason": reason}}
    container = {"name": "kserve-container", "restartCount": restarts, "lastState": ended, "state": {"running": {}}}
    return pod(revision, containerStatuses=[container])
