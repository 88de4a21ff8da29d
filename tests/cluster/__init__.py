"""A real Kubernetes for ParityGate's tests and demo: ``python -m tests.cluster --help``.

In Python: ``ensure(Profile.FULL) -> Cluster`` and ``python_image(...) -> Path`` for what is loaded into it.
"""

from tests.cluster.cluster import Cluster, Entrance, Provider
from tests.cluster.errors import ClusterError
from tests.cluster.lifecycle import ensure
from tests.cluster.places import Profile
from tests.cluster.python_images import python_image

__all__ = ["Cluster", "ClusterError", "Entrance", "Profile", "Provider", "ensure", "python_image"]
