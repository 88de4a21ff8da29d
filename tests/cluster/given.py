"""A cluster of somebody else's: whatever KUBECONFIG points at, used as it is."""

import os
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.cluster import ENTRANCE_VARIABLE, Cluster, Entrance, Provider
from tests.cluster.errors import ClusterError, CommandFailed
from tests.cluster.places import Profile


def handle(profile: Profile) -> Cluster:
    """The handle on the cluster of KUBECONFIG; fails where it does not answer or lacks what the profile needs."""
    cluster = Cluster(
        name="kubeconfig",
        provider=Provider.KUBECONFIG,
        profile=profile,
        kubeconfig=Path(os.environ["KUBECONFIG"]),
        prefix=(),
        loader=_no_loading,
        door=_entrance(),
        models_dir=None,
    )
    try:
        cluster.kubectl("get", "--raw", "/readyz", timeout=15)
    except CommandFailed as failure:
        remedy = "check it with: kubectl version; or unset KUBECONFIG to get a cluster of this tool's own"
        raise ClusterError(
            f"the cluster of KUBECONFIG={cluster.kubeconfig} does not answer: {failure}", remedy
        ) from failure
    if profile is Profile.FULL:
        _require_kserve(cluster)
    return cluster


def _require_kserve(cluster: Cluster) -> None:
    wanted = ("inferenceservices.serving.kserve.io", "services.serving.knative.dev")
    there = cluster.kubectl("get", "crd", "-o", "name")
    missing = [name for name in wanted if f"/{name}" not in there]
    if missing:
        raise ClusterError(
            f"the cluster of KUBECONFIG lacks {' and '.join(missing)}",
            "install KServe 0.15 or later in Knative mode, or unset KUBECONFIG",
        )


def _entrance() -> Entrance | None:
    named = os.environ.get(ENTRANCE_VARIABLE)
    if not named:
        return None
    host, _, port = named.rpartition(":")
    if not host or not port.isdigit():
        raise ClusterError(
            f"{ENTRANCE_VARIABLE}={named!r} is not HOST:PORT", f"export {ENTRANCE_VARIABLE}=203.0.113.7:80"
        )
    return Entrance(host, int(port))


def _no_loading(archives: Sequence[Path], pool: str | None) -> None:
    raise ClusterError(
        f"{len(archives)} image archive(s) can not be loaded into a cluster of KUBECONFIG",
        "push the images to a registry that the cluster pulls from, e.g. skopeo copy oci-archive:FILE docker://...",
    )
