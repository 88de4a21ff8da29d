"""kube-proxy: one is enough for all nodes, because they share a network namespace."""

from pathlib import Path
from typing import Any

import yaml

from tests.cluster import debian, golang
from tests.cluster.controlplane import ControlPlane
from tests.cluster.network import in_namespace
from tests.cluster.process import Daemon

POD_CIDR = "10.244.0.0/16"


def daemon(plane: ControlPlane) -> Daemon:
    """The process that turns Services into iptables rules of the cluster's own namespace."""
    config = plane.state / "kube-proxy.yaml"
    config.write_text(yaml.safe_dump(_config(plane)))
    argv: list[str | Path] = [golang.built(golang.PROXY), "--config", config]
    env = {"XTABLES_LOCKFILE": str(plane.state / "xtables.lock")}
    return Daemon(
        "kube-proxy", in_namespace(plane.namespace, argv), (config,), (debian.unpacked(debian.NODE).bin,), env
    )


def _config(plane: ControlPlane) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "bindAddress": "0.0.0.0",
        "clientConnection": {"kubeconfig": str(plane.component_kubeconfig("kube-proxy"))},
        "clusterCIDR": POD_CIDR,
        "mode": "iptables",
        # Without it an answer between two pods of one bridge would pass the address translation by.
        "iptables": {"masqueradeAll": not Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists()},
        "hostnameOverride": "node1",
        # These settings are the host's; leave them alone.
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
