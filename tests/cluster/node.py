"""A node: a containerd and a kubelet with a mount namespace, a bridge, a subnet and a cgroup of its own.

The mount namespace is what makes two kubelets on one machine possible (both want /var/lib/kubelet and /run), and what
leaves no mount behind: when the last process of it ends, the kernel takes all of its mounts away.
"""

import ipaddress
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import cgroups, debian, golang, pools
from tests.cluster.archive import described_name
from tests.cluster.command import output, program, succeeds
from tests.cluster.controlplane import ControlPlane
from tests.cluster.errors import CommandFailed, NotReady
from tests.cluster.images import PAUSE
from tests.cluster.network import DNS_SERVICE_IP, Namespace, in_namespace
from tests.cluster.process import Daemon, Daemons

# Folders that node programs insist on; each node sees an empty one of its own there.
OWN_FOLDERS = (Path("/var/lib/cni"), Path("/var/lib/kubelet"), Path("/var/log/containers"))


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the host way; ``index`` counts from 0 and decides its addresses."""

    plane: ControlPlane
    index: int

    @property
    def name(self) -> str:
        """The name that the node registers with."""
        return f"node{self.index + 1}"

    @property
    def pool(self) -> str:
        """The pool that the node is put in; by name, because the first of the names is the cpu pool."""
        return pools.POOLS[self.index]

    @property
    def folder(self) -> Path:
        """Where the node keeps what it writes."""
        return self.plane.state / "nodes" / self.name

    @property
    def subnet(self) -> ipaddress.IPv4Network:
        """The addresses of the node's pods."""
        return ipaddress.IPv4Network(f"10.244.{self.index}.0/24")

    @property
    def address(self) -> str:
        """The node's own address, which is its pods' gateway."""
        return str(self.subnet[1])

    @property
    def bridge(self) -> str:
        """The device that the node's pods hang on."""
        return f"pods{self.index + 1}"

    @property
    def socket(self) -> Path:
        """Where containerd listens."""
        return self.folder / "containerd.sock"

    @property
    def cgroup(self) -> str:
        """The cgroup below which all of the node's pods live."""
        return f"/{self.plane.namespace.name}/{self.name}"

    def prepare(self) -> None:
        """The node's network device, folders and settings."""
        for name in ("cni", "containerd", "kubelet", "pods", "plugins"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        namespace: Namespace = self.plane.namespace
        namespace.bridge(self.bridge, f"{self.address}/{self.subnet.prefixlen}")
        (self.folder / "resolv.conf").write_text(f"nameserver {DNS_SERVICE_IP}\n")
        (self.folder / "cni" / "10-pods.conflist").write_text(json.dumps(self._cni()))
        (self.folder / "containerd.toml").write_text(self._containerd_toml())
        (self.folder / "kubelet.yaml").write_text(yaml.safe_dump(self._kubelet_config()))

    def holder(self) -> Daemon:
        """The process that keeps the node's mount namespace, with a /run and node folders of its own in it."""
        mounts = ["mount -t tmpfs -o mode=755 run /run", "mkdir /run/netns /run/lock"]
        mounts += [f"mount -t tmpfs -o mode=755 node {folder}" for folder in OWN_FOLDERS]
        script = " && ".join([*mounts, "exec sleep infinity"])
        argv = [program("unshare"), "--mount", "--propagation", "private", program("sh"), "-ec", script]
        return Daemon(f"{self.name}-mounts", in_namespace(self.plane.namespace, argv))

    def containerd(self, holder: int) -> Daemon:
        """The container runtime, an instance of its own."""
        config = self.folder / "containerd.toml"
        programs = debian.unpacked(debian.NODE)
        argv: list[str | Path] = [programs.bin / "containerd", "--config", config]
        return self._daemon("containerd", holder, argv, (config, self.folder / "cni" / "10-pods.conflist"))

    def kubelet(self, holder: int) -> Daemon:
        """The kubelet, listening on the node's address inside the namespace."""
        config = self.folder / "kubelet.yaml"
        pair = self.plane.authority.pair(self.name, f"/O=system:nodes/CN=system:node:{self.name}")
        flags = {
            "config": config,
            "kubeconfig": self.plane.authority.kubeconfig(self.name, self.plane.server, pair),
            "root-dir": self.folder / "kubelet",
            "cert-dir": self.folder / "kubelet" / "pki",
            "hostname-override": self.name,
            "node-ip": self.address,
        }
        argv: list[str | Path] = [golang.built(golang.KUBELET), *(f"--{k}={v}" for k, v in flags.items())]
        return self._daemon("kubelet", holder, argv, (config,))

    def _daemon(self, name: str, holder: int, argv: Sequence[str | Path], inputs: tuple[Path, ...]) -> Daemon:
        enter = [program("nsenter"), f"--mount=/proc/{holder}/ns/mnt", "--"]
        whole = in_namespace(self.plane.namespace, [*enter, *argv])
        path = (debian.unpacked(debian.NODE).bin,)
        return Daemon(
            f"{self.name}-{name}", whole, inputs, path, {"XTABLES_LOCKFILE": str(self.plane.state / "xtables.lock")}
        )

    def start_runtime(self, daemons: Daemons) -> None:
        """The mount namespace and containerd, and wait until it answers."""
        if daemons.ensure(self.holder()):
            # What ran in an older mount namespace can not see this one's mounts.
            for name in ("kubelet", "containerd"):
                daemons.stop(f"{self.name}-{name}")
            daemons.kill_marked(str(self.socket))
            cgroups.remove(self.cgroup)
            cgroups.ensure(self.cgroup)
        daemons.ensure(self.containerd(self._holder_pid(daemons)))
        deadline = time.monotonic() + 30
        while not succeeds([*self._ctr(), "version"]):
            if time.monotonic() > deadline or daemons.pid(f"{self.name}-containerd") is None:
                end = daemons.log_end(f"{self.name}-containerd")
                raise NotReady(
                    f"containerd of {self.name} does not answer: {end}",
                    f"read {daemons.log(f'{self.name}-containerd')}",
                )
            time.sleep(0.1)

    def start_kubelet(self, daemons: Daemons) -> bool:
        """The kubelet; containerd must run. True if it had to be started."""
        return daemons.ensure(self.kubelet(self._holder_pid(daemons)))

    def load(self, archives: Sequence[Path]) -> list[str]:
        """Import the image archives that the node does not hold yet; the names of those that it did not."""
        held = self._images()
        loaded = []
        for archive in archives:
            name, digest = described_name(archive)
            if held.get(name) != digest:
                self._import(archive)
                loaded.append(name)
        return loaded

    def _import(self, archive: Path) -> None:
        # ctr unpacks without a lease: when the import replaces a name, containerd may collect the old image's layers,
        # shared ones among them, between two steps of the unpacking. The second time nothing is left to collect.
        argv = [*self._ctr(), "images", "import", "--digests=false", archive]
        try:
            output(argv)
        except CommandFailed as failed:
            if "parent snapshot" not in str(failed):
                raise
            output(argv)

    def _holder_pid(self, daemons: Daemons) -> int:
        pid = daemons.pid(f"{self.name}-mounts")
        if pid is None:
            end = daemons.log_end(f"{self.name}-mounts")
            raise NotReady(f"the mount namespace of {self.name} could not be made: {end}")
        return pid

    def _images(self) -> dict[str, str]:
        lines = output([*self._ctr(), "images", "list"]).splitlines()[1:]
        return {line.split()[0]: line.split()[2] for line in lines}

    def _ctr(self) -> list[str | Path]:
        return [debian.unpacked(debian.NODE).bin / "ctr", "--address", self.socket, "--namespace", "k8s.io"]

    def _cni(self) -> dict[str, Any]:
        ranges = [[{"subnet": str(self.subnet), "rangeStart": str(self.subnet[10])}]]
        ipam = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "/run/ipam"}
        bridge = {"type": "bridge", "bridge": self.bridge, "isGateway": True, "hairpinMode": True, "ipam": ipam}
        return {"cniVersion": "0.4.0", "name": self.bridge, "plugins": [bridge]}

    def _containerd_toml(self) -> str:
        cni = debian.unpacked(debian.NODE).root / "usr/lib/cni"
        cri = '[plugins."io.containerd.grpc.v1.cri"'
        # Without CAP_SYS_RESOURCE root may not lower oom_score_adj, and then no pod would start.
        return f"""version = 2
root = "{self.folder}/containerd"
state = "/run/containerd-state"
[grpc]
  address = "{self.socket}"
{cri}]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  max_container_log_line_size = 1048576
  {cri}.cni]
    bin_dir = "{cni}"
    conf_dir = "{self.folder}/cni"
  {cri}.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    {cri}.containerd.runtimes.runc.options]
      SystemdCgroup = false
[plugins."io.containerd.internal.v1.opt"]
  path = "{self.folder}/containerd/opt"
"""

    def _kubelet_config(self) -> dict[str, Any]:
        authority = self.plane.authority
        serving = authority.pair(f"{self.name}-serving", f"/CN={self.name}", f"IP:{self.address},DNS:{self.name}")
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.address,
            "healthzBindAddress": self.address,
            "readOnlyPort": 0,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(authority.certificate)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(serving.certificate),
            "tlsPrivateKeyFile": str(serving.key),
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": self.cgroup,
            "failCgroupV1": False,
            "failSwapOn": False,
            "enforceNodeAllocatable": [],
            # A nearly full disk of the host must not evict the tests' pods.
            "evictionHard": {"nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%"},
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "podLogsDir": str(self.folder / "pods"),
            "volumePluginDir": str(self.folder / "plugins"),
            "resolvConf": str(self.folder / "resolv.conf"),
            "clusterDNS": [DNS_SERVICE_IP],
            "clusterDomain": "cluster.local",
            "maxPods": 110,
            # A restarted kubelet is heard of again within ten seconds, not five minutes.
            "nodeStatusReportFrequency": "10s",
        }


def borrow_folders(state: Path) -> None:
    """Make the host folders that nodes mount over, and note which of them were not there."""
    note = state / "borrowed"
    missing = [folder for folder in OWN_FOLDERS if not folder.exists()]
    if missing:
        before = note.read_text() if note.exists() else ""
        note.write_text(before + "".join(f"{folder}\n" for folder in missing))
    for folder in missing:
        folder.mkdir(parents=True)


def give_back_folders(state: Path) -> None:
    """Remove the host folders that this cluster made; left alone while another cluster of ours has nodes on them."""
    note = state / "borrowed"
    others = [folder for folder in state.parent.glob("*/nodes") if folder.parent != state]
    if note.exists() and not others:
        for line in note.read_text().splitlines():
            with suppress(OSError):
                Path(line).rmdir()
