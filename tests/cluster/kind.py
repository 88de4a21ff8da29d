"""The ordinary way where Docker runs: a kind cluster of kind-config.yaml, with the same add-ons and pools on it."""

import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import yaml

from tests.cluster import addons, golang, images, pools, state
from tests.cluster.addons import AddOns
from tests.cluster.cluster import Cluster, Entrance, Provider
from tests.cluster.command import output, program
from tests.cluster.knative import NODE_PORT
from tests.cluster.pki import Authority
from tests.cluster.places import CHECKOUT, Profile, models_dir, state_dir
from tests.cluster.progress import say, step
from tests.cluster.state import State

_WORKERS = 2


def up(name: str, profile: Profile, *, session: bool = False) -> Cluster:
    """Create the kind cluster unless it is there; with the full profile also what runs on it."""
    folder = state_dir(name)
    facts = state.read(folder) or state.fresh(Provider.KIND, profile).with_(session=session)
    whole = profile is Profile.FULL or facts.profile is Profile.FULL
    facts = facts.with_(profile=Profile.FULL if whole else Profile.API, session=session and facts.session)
    facts.written(folder)
    cluster = handle(name, facts)
    if name not in output([program("kind"), "get", "clusters"]).split():
        with step(f"kind create cluster {name}"):
            words: list[str | Path] = [
                "--name",
                name,
                "--config",
                _config(folder),
                "--kubeconfig",
                cluster.kubeconfig,
                "--wait",
                "180s",
            ]
            output([program("kind"), "create", "cluster", *words])
    if whole:
        _install(cluster, folder)
    return cluster


def _install(cluster: Cluster, folder: Path) -> None:
    """The add-ons, in the same order as on the host: the images first, then the label that lets pods onto the node."""
    golang.say_what_is_missing(golang.ADDONS)
    wanted = AddOns(Authority(folder / "webhook-pki"), dns=False, node_port=True)
    note = folder / "installed"
    if not wanted.noted(note):
        cluster.load(images.queue_archive(), *images.control_archives())
        documents = wanted.render()
        addons.apply(cluster, documents)
        pools.ensure(cluster)
        addons.wait_available(cluster)
        addons.register(cluster, documents)
        wanted.write(note)
    pools.wait_ready(cluster, _WORKERS + 1)
    pools.ensure(cluster)
    addons.wait_available(cluster)


def handle(name: str, facts: State) -> Cluster:
    """The handle on a kind cluster."""
    folder = state_dir(name)
    return Cluster(
        name=name,
        provider=Provider.KIND,
        profile=facts.profile,
        kubeconfig=folder / "kind.kubeconfig",
        prefix=(),
        loader=partial(_load, name),
        door=Entrance("127.0.0.1", NODE_PORT) if facts.profile is Profile.FULL else None,
        models_dir=models_dir(folder),
    )


def down(name: str) -> None:
    """Delete the kind cluster."""
    output([program("kind"), "delete", "cluster", "--name", name])


def status(name: str) -> list[str]:
    """What kind says about its nodes."""
    nodes = output([program("kind"), "get", "nodes", "--name", name]).split()
    return [f"  {node}" for node in nodes] or ["  no node runs"]


def _config(folder: Path) -> Path:
    """kind-config.yaml, with the folder of models mounted into the workers at the path that it has here."""
    config = yaml.safe_load((CHECKOUT / "kind-config.yaml").read_text())
    models = str(models_dir(folder))
    for node in config["nodes"]:
        if node["role"] == "worker":
            node["extraMounts"] = [{"hostPath": models, "containerPath": models}]
    target = folder / "kind-config.yaml"
    target.write_text(yaml.safe_dump(config))
    return target


def _load(name: str, archives: Sequence[Path], pool: str | None) -> None:
    nodes: list[str] = []
    if pool:
        kubeconfig = state_dir(name) / "kind.kubeconfig"
        words = ["get", "nodes", "-l", f"{pools.LABEL}={pool}", "-o", "json"]
        listed = json.loads(output([golang.built(golang.KUBECTL), f"--kubeconfig={kubeconfig}", *words]))["items"]
        nodes = ["--nodes", ",".join(node["metadata"]["name"] for node in listed)]
    for archive in archives:
        output([program("kind"), "load", "image-archive", archive, "--name", name, *nodes], env=dict(os.environ))
        say(f"kind: loaded {archive.stem}")
