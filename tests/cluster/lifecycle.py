"""Up, down and everything between, over the three ways to a cluster."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.cluster import host, state
from tests.cluster.cluster import Cluster, Provider
from tests.cluster.command import succeeds
from tests.cluster.errors import ClusterError, ProviderUnavailable
from tests.cluster.places import Profile, cache_root, cluster_name, locked, state_dir
from tests.cluster.process import Daemons
from tests.cluster.progress import say


def ensure(
    profile: Profile = Profile.FULL,
    *,
    provider: str = "auto",
    name: str | None = None,
    controller_manager: bool = False,
    session: bool = False,
) -> Cluster:
    """A running cluster of at least this profile; safe to call from several processes at once.

    ``session`` marks a cluster that this call starts as the property of a test session (see tests/conftest.py); a
    cluster that a person brought up never is.
    """
    chosen = choose(provider)
    cluster = cluster_name(profile, name)
    say(f"cluster {cluster!r}, profile {profile}, provider {chosen}; cache {cache_root()}")
    with locked(lock_file(cluster)):
        return host.up(cluster, profile, controller_manager=controller_manager, session=session)


def choose(asked: str = "auto") -> Provider:
    """The way to a cluster: as asked, or the first of kubeconfig, kind, host that is open on this machine."""
    closed = {way: reason for way, reason in _closed().items() if reason}
    if asked != "auto":
        way = Provider(asked)
        if way in closed:
            raise ProviderUnavailable(
                f"provider {way} was asked for, but {closed[way]}",
                "choose another --provider, or bring what is missing",
            )
        return way
    for way in Provider:
        if way not in closed:
            return way
    reasons = "; ".join(f"{way}: {reason}" for way, reason in closed.items())
    raise ProviderUnavailable(
        f"no way to a cluster on this machine ({reasons})",
        "set KUBECONFIG, or install Docker and kind, or run as root on Debian or Ubuntu",
    )


def _closed() -> dict[Provider, str]:
    """For each way why it is closed; empty where it is open."""
    kubeconfig = os.environ.get("KUBECONFIG", "")
    docker = shutil.which("docker") is not None and succeeds(["docker", "info", "--format", "{{.ServerVersion}}"])
    linux_root = os.uname().sysname == "Linux" and os.geteuid() == 0
    return {
        Provider.KUBECONFIG: "" if kubeconfig and Path(kubeconfig).exists() else "KUBECONFIG names no file",
        Provider.KIND: "" if docker and shutil.which("kind") else "Docker does not run or kind is not installed",
        Provider.HOST: "" if linux_root else "it takes Linux and root",
    }


def lock_file(cluster: str) -> Path:
    """The lock that whoever changes a cluster holds."""
    return state_dir(cluster).with_name(f".{cluster}.lock")


def running(profile: Profile | None = None, name: str | None = None) -> Cluster:
    """The cluster that was brought up, the whole one first where no profile is named."""
    for wanted in [profile] if profile else [Profile.FULL, Profile.API]:
        cluster = cluster_name(wanted, name)
        facts = state.read(state_dir(cluster))
        if facts:
            return host.handle(cluster, facts)
    asked = f" of profile {profile}" if profile else ""
    raise ClusterError(
        f"no cluster{asked} was brought up", f"python -m tests.cluster up --profile {profile or Profile.FULL}"
    )


def down(profile: Profile, name: str | None = None) -> None:
    """Take a cluster down; nothing happens where there is none."""
    cluster = cluster_name(profile, name)
    with locked(lock_file(cluster)):
        if state_dir(cluster).exists():
            host.down(cluster)
            say(f"cluster {cluster!r} is gone")


def users_file(profile: Profile, name: str | None = None) -> Path:
    """The file on which each test process holds a shared lock while it uses a cluster."""
    return state_dir(cluster_name(profile, name)).with_name(f".{cluster_name(profile, name)}.users")


def down_if_unused(profile: Profile, name: str | None = None) -> None:
    """Take down a cluster that a test session started and that no test process uses any more."""
    cluster = cluster_name(profile, name)
    facts = state.read(state_dir(cluster))
    if facts is None or not facts.session:
        return
    with users_file(profile, name).open("w") as users:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"cluster {cluster!r} is left to the other test run that uses it")
            return
        down(profile, name)


def status(profile: Profile, name: str | None = None) -> Iterator[str]:
    """Lines that say what runs of a cluster."""
    cluster = cluster_name(profile, name)
    folder = state_dir(cluster)
    facts = state.read(folder)
    if facts is None:
        return
    yield f"cluster {cluster}: provider {facts.provider}, profile {facts.profile}, API https://127.0.0.1:{facts.port}"
    daemons = Daemons(folder)
    for process in daemons.names():
        pid = daemons.pid(process)
        yield f"  {process:<28}" + (f"running, pid {pid}" if pid else f"NOT running, see {daemons.log(process)}")


def log(component: str, profile: Profile | None = None, name: str | None = None) -> Path:
    """The log file of one component."""
    daemons = Daemons(state_dir(running(profile, name).name))
    if component not in daemons.names():
        raise ClusterError(f"no component {component!r}", f"choose one of: {', '.join(daemons.names())}")
    return daemons.log(component)
