"""The kinds of object that the operator touches, and where the API serves them."""

from dataclasses import dataclass

from paritygate.api import GROUP, VERSION
from paritygate.lifecycle.model import MANAGED_BY

MANAGED = "=".join(MANAGED_BY)
"""What the operator made itself: Jobs and Pods of others are never even asked for."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object. `selector` narrows every list and watch of it."""

    group: str
    version: str
    plural: str
    name: str
    namespaced: bool = True
    selector: str = ""

    @property
    def api_version(self) -> str:
        """`group/version`, or the version alone for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        """The path under which the API serves this kind's group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The path of a collection (every namespace's where none is given), an object or its subresource."""
        parts = [self.root]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


VALIDATION = Kind(GROUP, VERSION, "compressionvalidations", "CompressionValidation")
POLICY = Kind(GROUP, VERSION, "validationpolicies", "ValidationPolicy", namespaced=False)
PACK = Kind(GROUP, VERSION, "scenariopacks", "ScenarioPack")
POOL = Kind(GROUP, VERSION, "acceleratorpools", "AcceleratorPool", namespaced=False)
REPORT = Kind(GROUP, VERSION, "validationreports", "ValidationReport")
JOB = Kind("batch", "v1", "jobs", "Job", selector=MANAGED)
POD = Kind("", "v1", "pods", "Pod", selector=MANAGED)
TARGET = Kind("serving.kserve.io", "v1beta1", "inferenceservices", "InferenceService")
REVISION = Kind("serving.knative.dev", "v1", "revisions", "Revision")
LEASE = Kind("coordination.k8s.io", "v1", "leases", "Lease")
EVENT = Kind("events.k8s.io", "v1", "events", "Event")

OWN = (VALIDATION, POLICY, PACK, POOL, REPORT)
WATCHED = (*OWN, JOB, POD, TARGET)
"""What is kept in the store. KServe may be missing from a cluster: then TARGET is not served, all else works."""
