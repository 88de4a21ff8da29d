"""What tests and the demo hold in hand: a cluster they can talk to, whichever way it was had."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import golang
from tests.cluster.command import output
from tests.cluster.errors import ClusterError
from tests.cluster.places import Profile

ENTRANCE_VARIABLE = "PARITYGATE_ENTRANCE"


class Provider(StrEnum):
    """The three ways to a cluster."""

    KUBECONFIG = "kubeconfig"
    KIND = "kind"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where users' requests enter the data plane: connect to ``address:port`` and name the model by the Host header.

    ``address:port`` is good on this machine and inside `Cluster.run`.
    """

    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster.

    ``kubeconfig`` is the administrator's and works on this machine as well as inside `run`. ``prefix`` are the words
    that put a command where pods and Services are reachable. ``models_dir`` is a folder that every node can mount
    by hostPath; None where the cluster's nodes do not share this machine's files.
    """

    name: str
    provider: Provider
    profile: Profile
    kubeconfig: Path
    prefix: tuple[str, ...]
    loader: Callable[[Sequence[Path], str | None], None]
    door: Entrance | None
    models_dir: Path | None

    @property
    def entrance(self) -> Entrance:
        """The way to the data plane; an error where nobody said where it is."""
        if self.door is None:
            raise ClusterError(
                f"nobody said where requests enter the {self.provider} cluster {self.name!r}",
                f"bring up the full profile, or set {ENTRANCE_VARIABLE}=HOST:PORT to the ingress gateway",
            )
        return self.door

    @property
    def server(self) -> str:
        """The API server's URL, as the kubeconfig says."""
        return str(yaml.safe_load(self.kubeconfig.read_text())["clusters"][0]["cluster"]["server"])

    def env(self) -> dict[str, str]:
        """The environment in which kubectl, pytest and the demo find this cluster; kubectl itself is on its PATH."""
        door = {ENTRANCE_VARIABLE: str(self.door)} if self.door else {}
        path = f"{self.kubectl_program().parent}:{os.environ.get('PATH', '')}"
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "PATH": path, **door}

    def kubectl_program(self) -> Path:
        """The kubectl of the pinned version; where Kubernetes is somebody else's, the user's own if there is one."""
        found = None if self.provider is Provider.HOST else shutil.which("kubectl")
        return Path(found) if found else golang.built(golang.KUBECTL)

    def command(self, argv: Sequence[str | Path]) -> list[str]:
        """The command line that runs ``argv`` inside the cluster's network."""
        return [*self.prefix, *map(str, argv)]

    def run(
        self, argv: Sequence[str | Path], *, check: bool = True, timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside the cluster's network with KUBECONFIG set; its output is captured as text."""
        return subprocess.run(
            self.command(argv), env=self.env(), text=True, capture_output=True, check=check, timeout=timeout
        )

    def kubectl(self, *words: str | Path, stdin: str | None = None, timeout: float | None = 120.0) -> str:
        """The output of a kubectl call; CommandFailed with what kubectl said where it fails."""
        argv = [self.kubectl_program(), f"--kubeconfig={self.kubeconfig}", *words]
        return output(argv, stdin=stdin, timeout=timeout)

    def helm(self, *words: str | Path, timeout: float | None = 300.0) -> str:
        """The output of a helm call; CommandFailed with what helm said where it fails."""
        return output([golang.built(golang.HELM), f"--kubeconfig={self.kubeconfig}", *words], timeout=timeout)

    def apply(self, objects: Iterable[Mapping[str, Any]], *words: str) -> None:
        """Server-side apply of objects given as dictionaries."""
        # JSON, because kubectl reads YAML 1.1: a key called `n` would arrive as `false`.
        text = "\n".join(json.dumps(dict(o)) for o in objects)
        self.kubectl("apply", "--server-side", "--force-conflicts", *words, "-f", "-", stdin=text)

    def load(self, *archives: Path, pool: str | None = None) -> None:
        """Bring image archives to every node, or to the nodes of one pool (``cpu`` or ``accelerator``)."""
        self.loader(archives, pool)

    def models_claim(self, namespace: str, name: str = "models") -> None:
        """Apply a PersistentVolume over `models_dir` and a bound claim ``name`` in a namespace, for ``pvc://name/...``."""
        if self.models_dir is None:
            raise ClusterError(
                f"the nodes of the {self.provider} cluster do not share a folder with this machine",
                "use a claim of the cluster's own storage class, or models at https:// or s3://",
            )
        self.claim(namespace, name, self.models_dir)

    def claim(self, namespace: str, name: str, folder: Path) -> None:
        """Apply a PersistentVolume over a folder in `models_dir`, or that itself, and a bound claim in a namespace."""
        volume = models_volume(namespace, name, folder)
        phase = self.kubectl(
            "get", "pv", volume[0]["metadata"]["name"], "-o=jsonpath={.status.phase}", "--ignore-not-found"
        )
        if phase == "Released":
            # It remembers the claim of a namespace that is gone, by UID: the new claim of that name could never bind.
            self.kubectl("delete", "pv", volume[0]["metadata"]["name"])
        self.apply(volume)


def models_volume(namespace: str, claim: str, folder: Path) -> list[dict[str, Any]]:
    """A volume over a folder that all nodes share, and the one claim that may bind it."""
    size = {"storage": "10Gi"}
    volume = f"paritygate-{namespace}-{claim}"
    common = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    reference = {"namespace": namespace, "name": claim, "apiVersion": "v1", "kind": "PersistentVolumeClaim"}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": volume},
            "spec": {
                **common,
                "capacity": size,
                "claimRef": reference,
                "hostPath": {"path": str(folder), "type": "Directory"},
                "persistentVolumeReclaimPolicy": "Retain",
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"namespace": namespace, "name": claim},
            "spec": {**common, "volumeName": volume, "resources": {"requests": size}},
        },
    ]
