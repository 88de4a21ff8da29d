"""A real Kubernetes for ParityGate's tests and demo: ``python -m tests.cluster --help``.

In Python: ``ensure(Profile.FULL) -> Cluster``.
"""

from tests.cluster.cluster import Cluster, Entrance, Provider
from tests.cluster.errors import ClusterError
from tests.cluster.lifecycle import ensure
from tests.cluster.places import Profile

__all__ = ["Cluster", "ClusterError", "Entrance", "Profile", "Provider", "ensure"]
