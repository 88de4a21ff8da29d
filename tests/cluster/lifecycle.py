"""Up, down and everything between, over the three ways to a cluster."""

import fcntl
import os
import shutil
from pathlib import Path

from tests.cluster import given, host, kind, state
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

    ``provider``: auto, kubeconfig, kind or host. ``controller_manager``: with the api profile also garbage collection,
    namespaces and ServiceAccounts. ``session`` marks a cluster that this call starts as the property of a test session
    (see tests/conftest.py); a cluster that a person brought up never is.
    """
    ours = _own_kubeconfig() if provider in ("auto", Provider.KUBECONFIG) else None
    if ours:
        return _require_profile(ours, profile)
    way = choose(provider)
    if way is Provider.KUBECONFIG:
        return given.handle(profile)
    # On kind both profiles are one cluster.
    cluster = cluster_name(profile if way is Provider.HOST else Profile.FULL, name)
    say(f"cluster {cluster!r}, profile {profile}, provider {way}; cache {cache_root()}")
    with locked(lock_file(cluster)):
        _refuse_other_provider(cluster, way)
        if way is Provider.KIND:
            return kind.up(cluster, profile, session=session)
        return host.up(cluster, profile, controller_manager=controller_manager, session=session)


def choose(asked: str = "auto") -> Provider:
    """The way to a cluster: as asked, or the first of kubeconfig, kind, host that is open on this machine."""
    closed = {way: reason for way, reason in _closed().items() if reason}
    if asked != "auto":
        way = Provider(asked)
        if way in closed:
            remedy = "choose another --provider, or bring what is missing"
            raise ProviderUnavailable(f"provider {way} was asked for, but {closed[way]}", remedy)
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
    named = f"KUBECONFIG={kubeconfig} is no file" if kubeconfig else "KUBECONFIG is not set"
    docker = shutil.which("docker") is not None and succeeds(["docker", "version", "--format", "{{.Server.Version}}"])
    without = "Docker does not run" if not docker else "" if shutil.which("kind") else "kind is not installed"
    linux_root = os.uname().sysname == "Linux" and os.geteuid() == 0
    return {
        Provider.KUBECONFIG: "" if kubeconfig and Path(kubeconfig).exists() else named,
        Provider.KIND: without,
        Provider.HOST: "" if linux_root else "it takes Linux and root",
    }


def _own_kubeconfig() -> Cluster | None:
    """The handle on a cluster of this tool whose kubeconfig KUBECONFIG names: inside `run` nothing is new."""
    named = os.environ.get("KUBECONFIG")
    states = cache_root() / "clusters"
    path = Path(named).resolve() if named else None
    if path is None or not path.is_relative_to(states):
        return None
    return _recorded(path.relative_to(states).parts[0])


def _recorded(cluster: str) -> Cluster | None:
    facts = state.read(state_dir(cluster))
    if facts is None:
        return None
    if facts.provider is Provider.KIND:
        return kind.handle(cluster, facts)
    return host.handle(cluster, facts)


def _require_profile(cluster: Cluster, profile: Profile) -> Cluster:
    if profile is Profile.FULL and cluster.profile is Profile.API:
        raise ClusterError(f"KUBECONFIG names the cluster {cluster.name!r}, which has no nodes", "unset KUBECONFIG")
    return cluster


def _refuse_other_provider(cluster: str, way: Provider) -> None:
    facts = state.read(state_dir(cluster))
    if facts and facts.provider is not way:
        remedy = "python -m tests.cluster down, or another --name"
        raise ClusterError(f"the cluster {cluster!r} was brought up by provider {facts.provider}", remedy)


def lock_file(cluster: str) -> Path:
    """The lock that whoever changes a cluster holds."""
    return state_dir(cluster).with_name(f".{cluster}.lock")


def running(profile: Profile | None = None, name: str | None = None) -> Cluster:
    """The cluster that was brought up, the whole one first where no profile is named."""
    for wanted in [profile] if profile else [Profile.FULL, Profile.API]:
        found = _recorded(cluster_name(wanted, name))
        if found:
            return found
    asked = f" of profile {profile}" if profile else ""
    remedy = f"python -m tests.cluster up --profile {profile or Profile.FULL}"
    raise ClusterError(f"no cluster{asked} was brought up", remedy)


def down(profile: Profile, name: str | None = None) -> None:
    """Take a cluster down; nothing happens where there is none."""
    cluster = cluster_name(profile, name)
    if not state_dir(cluster).exists():
        return
    with locked(lock_file(cluster)):
        facts = state.read(state_dir(cluster))
        if facts and facts.provider is Provider.KIND:
            kind.down(cluster)
        # Also what a crash left before it was written down.
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


def status(profile: Profile, name: str | None = None) -> list[str]:
    """Lines that say what runs of a cluster; none where there is no such cluster."""
    cluster = cluster_name(profile, name)
    facts = state.read(state_dir(cluster))
    if facts is None:
        return []
    head = f"cluster {cluster}: provider {facts.provider}, profile {facts.profile}"
    if facts.provider is Provider.KIND:
        return [head, *kind.status(cluster)]
    return [f"{head}, API https://127.0.0.1:{facts.port}", *host.status(cluster)]


def log(component: str, profile: Profile | None = None, name: str | None = None) -> Path:
    """The log file of one component of a host cluster."""
    daemons = Daemons(state_dir(running(profile, name).name))
    if component not in daemons.names():
        raise ClusterError(f"no component {component!r}", f"choose one of: {', '.join(daemons.names()) or 'none runs'}")
    return daemons.log(component)
