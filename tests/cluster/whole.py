"""The whole cluster of the host way: control plane, two nodes, and the add-ons on them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from tests.cluster import addons, cgroups, coredns, debian, golang, images, knative, kserve, node, pools, proxy
from tests.cluster.cluster import Cluster
from tests.cluster.controlplane import ControlPlane
from tests.cluster.manifests import Object
from tests.cluster.network import SERVICE_CIDR
from tests.cluster.node import Node
from tests.cluster.pki import Authority
from tests.cluster.process import Daemon, Daemons
from tests.cluster.progress import say

API_ADDRESS = "10.244.0.1"
_KUBELET_CLIENT = "kube-apiserver-kubelet-client"


def nodes(plane: ControlPlane) -> list[Node]:
    """The two nodes; add-ons live on the first."""
    return [Node(plane, 0), Node(plane, 1)]


def bring_up(cluster: Cluster, plane: ControlPlane, door: Daemon) -> None:
    """Make every part of the cluster so, side by side where they do not wait for each other."""
    archives = make_artefacts()
    daemons, both = Daemons(plane.state), nodes(plane)
    _network(plane)
    for daemon in (plane.etcd(), plane.api_server(), door):
        daemons.ensure(daemon)
    plane.admin_kubeconfig()
    with ThreadPoolExecutor(4) as pool:
        documents = pool.submit(render, plane.state / "webhook-pki", node_port=False)
        runtimes = [pool.submit(_runtime, daemons, one, some) for one, some in zip(both, archives, strict=True)]
        plane.wait_ready(daemons)
        say(f"API server ready at {plane.server}")
        for daemon in (plane.controller_manager(), plane.scheduler(), proxy.daemon(plane)):
            daemons.ensure(daemon)
        _let_api_server_reach_kubelets(cluster)
        heard = datetime.now(UTC).replace(microsecond=0)
        for runtime in runtimes:
            runtime.result()
        started = [one.start_kubelet(daemons) for one in both]
        pools.wait_ready(cluster, len(both), heard if any(started) else None)
        pools.ensure(cluster)
        say("two nodes ready: pools cpu and accelerator")
        addons.ensure(cluster, documents.result(), plane.state / "installed")


def make_artefacts() -> tuple[list[Path], list[Path]]:
    """Build or fetch all that the cluster is made of; the image archives for the first and the second node."""
    golang.say_what_is_missing(golang.ALL)
    for binary in golang.ALL:
        golang.built(binary)
    for packages in (debian.ETCD, debian.NODE):
        debian.unpacked(packages)
    everywhere = images.node_archives()
    return [*everywhere, *images.control_archives()], everywhere


def render(keys: Path, *, node_port: bool) -> list[Object]:
    """The add-ons' objects; ``keys`` is where the webhooks' certificates are kept."""
    return [*coredns.render(), *knative.render(node_port=node_port), *kserve.render(Authority(keys))]


def _network(plane: ControlPlane) -> None:
    plane.namespace.ensure()
    node.borrow_folders(plane.state)
    for one in nodes(plane):
        cgroups.ensure(one.cgroup)
        one.prepare()
    plane.namespace.route(SERVICE_CIDR, nodes(plane)[0].bridge)
    plane.namespace.sysctl({"ipv4/ip_forward": "1"})


def _runtime(daemons: Daemons, one: Node, archives: Sequence[Path]) -> None:
    one.start_runtime(daemons)
    loaded = one.load(archives)
    if loaded:
        say(f"{one.name}: containerd runs, {len(loaded)} images loaded")


def _let_api_server_reach_kubelets(cluster: Cluster) -> None:
    """Logs and exec: the API server is a client of the kubelets, and they ask the API who may."""
    binding: Object = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "paritygate-apiserver-to-kubelets"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:kubelet-api-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": _KUBELET_CLIENT}],
    }
    cluster.apply([binding])
