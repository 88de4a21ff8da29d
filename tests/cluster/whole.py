"""The whole cluster of the host way: control plane, two nodes, and the add-ons on them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from tests.cluster import addons, cgroups, debian, golang, images, node, pools, proxy
from tests.cluster.addons import AddOns
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
    artefacts = make_artefacts()
    daemons, both = Daemons(plane.state), nodes(plane)
    wanted = AddOns(Authority(plane.state / "webhook-pki"), dns=True, node_port=False)
    note = plane.state / "installed"
    _network(plane)
    for daemon in (plane.etcd(), plane.api_server(), door):
        daemons.ensure(daemon)
    plane.admin_kubeconfig()
    with ThreadPoolExecutor(4) as pool:
        rendering = None if wanted.noted(note) else pool.submit(wanted.render)
        begun = datetime.now(UTC).replace(microsecond=0)
        starting = [pool.submit(_start, daemons, one, *artefacts) for one in both]
        plane.wait_ready(daemons)
        say(f"API server ready at {plane.server}")
        for daemon in (plane.controller_manager(), plane.scheduler(), proxy.daemon(plane)):
            daemons.ensure(daemon)
        _let_api_server_reach_kubelets(cluster)
        if rendering:
            addons.apply(cluster, rendering.result())
        started = [one.result() for one in starting]
        pools.wait_ready(cluster, len(both), begun if any(started) else None)
        # The add-ons ask for the cpu pool: they start now, when the node holds their images.
        pools.ensure(cluster)
        say("two nodes ready: pools cpu and accelerator")
        addons.wait_available(cluster)
        if rendering:
            addons.register(cluster, rendering.result())
            wanted.write(note)


def make_artefacts() -> tuple[list[Path], list[Path]]:
    """Build or fetch all that the cluster is made of: the image archives for every node, and the add-ons' own."""
    golang.say_what_is_missing(golang.ALL)
    for binary in golang.ALL:
        golang.built(binary)
    for packages in (debian.ETCD, debian.NODE):
        debian.unpacked(packages)
    return images.node_archives(), images.control_archives()


def _network(plane: ControlPlane) -> None:
    plane.namespace.ensure()
    node.borrow_folders(plane.state)
    for one in nodes(plane):
        cgroups.ensure(one.cgroup)
        one.prepare()
    plane.namespace.route(SERVICE_CIDR, nodes(plane)[0].bridge)
    plane.namespace.sysctl({"ipv4/ip_forward": "1"})


def _start(daemons: Daemons, one: Node, everywhere: Sequence[Path], beside: Sequence[Path]) -> bool:
    """Start a node and bring it its images; True if its kubelet was not running."""
    one.start_runtime(daemons)
    one.load(everywhere)
    started = one.start_kubelet(daemons)
    loaded = one.load(beside) if one.index == 0 else []
    if started:
        say(f"{one.name}: containerd and kubelet run" + (f", {len(loaded)} images loaded" if loaded else ""))
    return started


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
