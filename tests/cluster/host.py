"""The host way: a Kubernetes as plain processes of this machine, in one network namespace. Linux, root, no Docker.

Every step makes something so if it is not, so that `up` after a crash, a kill or a change of versions carries on from
what is there, and `up` on a healthy cluster changes nothing. `down` kills everything at once, which is what a crash
would do too, and then removes what is left: there is one way to clear up and it is always the same.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.cluster import cgroups, golang, node, state, whole
from tests.cluster.cluster import Cluster, Entrance, Provider
from tests.cluster.command import program
from tests.cluster.controlplane import ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.network import GATEWAY_SERVICE_IP, Namespace
from tests.cluster.pki import Authority
from tests.cluster.places import HERE, Profile, models_dir, state_dir
from tests.cluster.process import Daemon, Daemons
from tests.cluster.progress import say
from tests.cluster.state import State

_API_TOOLS = ("ip", "nsenter", "unshare", "openssl", "dpkg", "apt-get", "go")
_FULL_TOOLS = (*_API_TOOLS, "gcc", "ldd", "mount", "umount", "sleep")
_SOCKET_PATH_LIMIT = 107


def up(name: str, profile: Profile, *, controller_manager: bool = False, session: bool = False) -> Cluster:
    """Bring a cluster up, or make whole what is there."""
    folder = state_dir(name)
    facts = state.read(folder)
    if facts and facts.boot != state.boot_id():
        say("the machine was restarted since this cluster ran: clearing what is left of it")
        down(name)
        facts = None
    _require(profile, folder)
    if facts is None:
        facts = state.fresh(Provider.HOST, profile).with_(session=session)
    facts = facts.with_(
        controller_manager=controller_manager or facts.controller_manager, session=session and facts.session
    ).written(folder)
    cluster = handle(name, facts)
    if profile is Profile.API:
        _api(folder, facts)
    else:
        plane = control_plane(folder, facts)
        whole.bring_up(cluster, plane, door(plane, facts.entrance_port))
    return cluster


def _api(folder: Path, facts: State) -> None:
    golang.say_what_is_missing((*golang.API, *((golang.CONTROLLER_MANAGER,) if facts.controller_manager else ())))
    golang.built(golang.KUBECTL)
    daemons, plane = Daemons(folder), control_plane(folder, facts)
    plane.namespace.ensure()
    started = [d.name for d in (plane.etcd(), plane.api_server(), door(plane)) if daemons.ensure(d)]
    plane.wait_ready(daemons)
    if facts.controller_manager and daemons.ensure(plane.controller_manager()):
        started.append("kube-controller-manager")
    plane.admin_kubeconfig()
    say(f"API server ready at {plane.server}" + (f" (started {', '.join(started)})" if started else " (was running)"))


def control_plane(folder: Path, facts: State) -> ControlPlane:
    """The control plane that a cluster's facts describe."""
    advertise = None if facts.profile is Profile.API else whole.API_ADDRESS
    return ControlPlane(folder, Namespace(folder), Authority(folder / "pki"), facts.port, advertise)


def door(plane: ControlPlane, entrance_port: int | None = None) -> Daemon:
    """The process that lets this machine's loopback into the cluster's network."""
    rules = [f"{plane.port}=127.0.0.1:{plane.port}"]
    if entrance_port is not None:
        rules.append(f"+{entrance_port}={GATEWAY_SERVICE_IP}:80")
    script = HERE / "forward.py"
    return Daemon("door", (sys.executable, "-I", str(script), str(plane.namespace.path), *rules), inputs=(script,))


def handle(name: str, facts: State) -> Cluster:
    """The handle on a cluster."""
    folder = state_dir(name)
    plane = control_plane(folder, facts)
    full = facts.profile is Profile.FULL
    return Cluster(
        name=name,
        provider=Provider.HOST,
        profile=facts.profile,
        kubeconfig=plane.authority.folder / "admin.kubeconfig",
        prefix=tuple(plane.namespace.enter()),
        loader=partial(_load, plane) if full else _no_nodes,
        door=Entrance("127.0.0.1", facts.entrance_port) if full else None,
        models_dir=models_dir(folder) if full else None,
    )


def _load(plane: ControlPlane, archives: Sequence[Path], pool_name: str | None) -> None:
    nodes = [one for one in whole.nodes(plane) if pool_name in (None, one.pool)]
    with ThreadPoolExecutor(len(nodes)) as pool:
        for one, loaded in zip(nodes, pool.map(lambda n: n.load(archives), nodes), strict=True):
            say(f"{one.name}: " + (f"loaded {', '.join(loaded)}" if loaded else "holds these images already"))


def _no_nodes(archives: Sequence[Path], pool_name: str | None) -> None:
    raise ClusterError(
        f"a cluster of the api profile has no node to load {len(archives)} image archive(s) into",
        "python -m tests.cluster up --profile full",
    )


def down(name: str) -> None:
    """End and remove everything of a cluster, whatever state it is in."""
    folder = state_dir(name)
    namespace, daemons = Namespace(folder), Daemons(folder)
    daemons.kill_all()
    cgroups.remove(f"/{namespace.name}")
    daemons.kill_all()
    namespace.remove()
    node.give_back_folders(folder)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise ClusterError(
            f"something still holds {folder}", f"look with: grep {folder} /proc/*/mountinfo, then try again"
        )


def status(name: str) -> list[str]:
    """A line for each process."""
    daemons = Daemons(state_dir(name))
    pids = {process: daemons.pid(process) for process in daemons.names()}
    return [
        f"  {process:<26}" + (f"running, pid {pid}" if pid else f"NOT running, see {daemons.log(process)}")
        for process, pid in pids.items()
    ]


def _require(profile: Profile, folder: Path) -> None:
    """Fail before anything is started where the host lacks what can not be brought along."""
    if os.geteuid() != 0:
        raise ClusterError(
            "the host way makes network namespaces, and that takes root", "run it as root, or use Docker and kind"
        )
    for name in _API_TOOLS if profile is Profile.API else _FULL_TOOLS:
        program(name)
    if profile is Profile.FULL and len(str(folder / "nodes/node1/containerd.sock")) > _SOCKET_PATH_LIMIT:
        raise ClusterError(
            f"the path {folder} is too long for a socket in it", "set PARITYGATE_CACHE to a shorter folder"
        )
