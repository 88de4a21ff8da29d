"""The command line: ``python -m tests.cluster <verb>``."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.cluster import golang, lifecycle, whole
from tests.cluster.errors import ClusterError
from tests.cluster.places import Profile
from tests.cluster.pools import POOLS

_EPILOG = """\
examples:
  python -m tests.cluster up --profile api        etcd and kube-apiserver only, in a few seconds
  python -m tests.cluster up                      two nodes with Knative, Kourier, Envoy and KServe
  export KUBECONFIG=$(python -m tests.cluster kubeconfig)
  python -m tests.cluster run -- kubectl get pods -A
  python -m tests.cluster run -- curl -H 'Host: m-predictor.default.example.com' http://10.96.0.80/
  python -m tests.cluster down

environment:
  PARITYGATE_CACHE     where artefacts and state lie (default ${XDG_CACHE_HOME:-~/.cache}/paritygate)
  PARITYGATE_CLUSTER   the cluster's name (default paritygate)
  PARITYGATE_MODELS    the folder of models that every node sees (default: one that goes with the cluster)
  PARITYGATE_ENTRANCE  HOST:PORT of the ingress gateway of a cluster of your own
  KUBECONFIG           a cluster of your own to use instead
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; 0 done, 1 failed, 2 wrong usage."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.verb(arguments) or 0)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the next `up` carries on from here, `down` clears it away", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster",
        description="A real Kubernetes for ParityGate's tests and demo.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--name", help="the cluster's name (default: PARITYGATE_CLUSTER or paritygate)")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    up = verbs.add_parser("up", help="bring a cluster up, or make whole what is there")
    up.add_argument("--provider", choices=["auto", "kubeconfig", "kind", "host"], default="auto")
    up.add_argument("--profile", type=Profile, choices=list(Profile), default=Profile.FULL)
    up.add_argument(
        "--with-controller-manager", action="store_true", help="with --profile api: garbage collection, too"
    )
    up.add_argument("--json", action="store_true", help="print the cluster's facts as JSON on standard output")
    up.set_defaults(verb=_up)

    build = verbs.add_parser("build", help="only compile, fetch and cache what a cluster is made of")
    build.add_argument("--profile", type=Profile, choices=list(Profile), default=Profile.FULL)
    build.set_defaults(verb=_build)
    load = _verb(verbs, "load", _load, "bring image archives (OCI or docker layout) to the nodes")
    load.add_argument("--pool", choices=POOLS, help="only to the nodes of this pool")
    load.add_argument("archives", nargs="+", type=Path, metavar="IMAGE_ARCHIVE")
    _verb(verbs, "down", _down, "end and remove everything (both profiles unless one is named)")
    _verb(verbs, "status", _status, "say what runs")
    _verb(verbs, "kubeconfig", _kubeconfig, "print the path of the kubeconfig")
    run = _verb(verbs, "run", _run, "run a command inside the cluster's network with KUBECONFIG set")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD ...")
    _verb(verbs, "logs", _logs, "print the log of one component").add_argument("component")
    return parser


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    action: Callable[[argparse.Namespace], int | None],
    text: str,
) -> argparse.ArgumentParser:
    """A verb about a cluster that was brought up."""
    parser = verbs.add_parser(name, help=text)
    parser.add_argument("--profile", type=Profile, choices=list(Profile))
    parser.set_defaults(verb=action)
    return parser


def _up(arguments: argparse.Namespace) -> None:
    cluster = lifecycle.ensure(
        arguments.profile,
        provider=arguments.provider,
        name=arguments.name,
        controller_manager=arguments.with_controller_manager,
    )
    if arguments.json:
        facts = {
            "name": cluster.name,
            "provider": cluster.provider,
            "profile": cluster.profile,
            "kubeconfig": str(cluster.kubeconfig),
            "entrance": str(cluster.door) if cluster.door else None,
            "modelsDir": str(cluster.models_dir) if cluster.models_dir else None,
        }
        print(json.dumps(facts))
    else:
        print(f"export KUBECONFIG={cluster.kubeconfig}")


def _build(arguments: argparse.Namespace) -> None:
    for binary in golang.FOR_API_TESTS:
        print(golang.built(binary))
    if arguments.profile is Profile.FULL:
        for archives in whole.make_artefacts():
            for archive in archives:
                print(archive)


def _load(arguments: argparse.Namespace) -> None:
    missing = [str(archive) for archive in arguments.archives if not archive.exists()]
    if missing:
        raise ClusterError(f"no such file: {', '.join(missing)}")
    lifecycle.running(arguments.profile, arguments.name).load(*arguments.archives, pool=arguments.pool)


def _down(arguments: argparse.Namespace) -> None:
    for profile in [arguments.profile] if arguments.profile else list(Profile):
        lifecycle.down(profile, arguments.name)


def _status(arguments: argparse.Namespace) -> int:
    running = 0
    for profile in [arguments.profile] if arguments.profile else list(Profile):
        for line in lifecycle.status(profile, arguments.name):
            running += 1
            print(line)
    if not running:
        print("no cluster runs")
    return 0


def _kubeconfig(arguments: argparse.Namespace) -> None:
    print(lifecycle.running(arguments.profile, arguments.name).kubeconfig)


def _run(arguments: argparse.Namespace) -> None:
    cluster = lifecycle.running(arguments.profile, arguments.name)
    command = [word for i, word in enumerate(arguments.command) if i or word != "--"]
    if not command:
        raise ClusterError("nothing to run", "python -m tests.cluster run -- CMD ...")
    argv = cluster.command(command)
    os.execvpe(argv[0], argv, cluster.env())


def _logs(arguments: argparse.Namespace) -> None:
    path: Path = lifecycle.log(arguments.component, arguments.profile, arguments.name)
    print(path.read_text(errors="replace"), end="")


if __name__ == "__main__":
    sys.exit(main())
