"""Binaries from pinned Go modules, built once into the cache and keyed by what decides their content."""

import os
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path

from tests.cluster.command import output, program
from tests.cluster.places import MODULES, cache, digest, locked
from tests.cluster.progress import say, step

KUBERNETES = "v1.36.2"
_K8S_LDFLAGS = " ".join(
    f"-X k8s.io/component-base/version.{name}={value}"
    for name, value in (
        ("gitVersion", KUBERNETES),
        ("gitMajor", "1"),
        ("gitMinor", "36"),
        ("gitTreeState", "clean"),
        ("buildDate", "1970-01-01T00:00:00Z"),
    )
)


@dataclass(frozen=True, slots=True)
class Binary:
    """One program: the module folder under ``modules/``, the package, and extra linker flags."""

    name: str
    module: str
    package: str
    ldflags: str = ""


def _kubernetes(name: str) -> Binary:
    return Binary(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}", _K8S_LDFLAGS)


API_SERVER = _kubernetes("kube-apiserver")
CONTROLLER_MANAGER = _kubernetes("kube-controller-manager")
SCHEDULER = _kubernetes("kube-scheduler")
KUBELET = _kubernetes("kubelet")
PROXY = _kubernetes("kube-proxy")
KUBECTL = _kubernetes("kubectl")
HELM = Binary("helm", "helm", "helm.sh/helm/v4/cmd/helm")
COREDNS = Binary("coredns", "coredns", ".")
KSERVE = Binary("kserve-manager", "kserve", "github.com/kserve/kserve/cmd/manager")
KNATIVE = tuple(
    Binary(f"knative-{name}", "knative", f"knative.dev/serving/cmd/{name}")
    for name in ("controller", "webhook", "autoscaler", "activator")
)
QUEUE = Binary("knative-queue", "knative", "knative.dev/serving/cmd/queue")
KOURIER = Binary("knative-kourier", "knative", "knative.dev/net-kourier/cmd/kourier")
TOY = Binary("toy", "toy", ".")
OBJECT_STORE = Binary("versitygw", "objectstore", "github.com/versity/versitygw/cmd/versitygw")
# In this order, because the first of a module pays for the packages that the others share.
API = (API_SERVER, KUBECTL)
ADDONS = (KUBECTL, KSERVE, *KNATIVE, QUEUE, KOURIER)
ALL = (*API, CONTROLLER_MANAGER, SCHEDULER, KUBELET, PROXY, *ADDONS[1:], COREDNS)


def key(binary: Binary) -> str:
    """What decides a binary's content: its module with all sums, the package, the flags, the compiler."""
    return digest([_go_version(), binary.package, binary.ldflags, MODULES / binary.module])


def _target(binary: Binary) -> Path:
    return cache("bin") / key(binary) / binary.name


# What tests against the control plane alone ask for.
FOR_API_TESTS = (API_SERVER, KUBECTL, CONTROLLER_MANAGER, HELM, OBJECT_STORE)


def built(binary: Binary) -> Path:
    """The path of a binary, compiled now if the cache lacks it; one build at a time, for the memory's sake."""
    target = _target(binary)
    if not target.exists():
        with locked(cache("bin") / ".lock"):
            if not target.exists():
                _compile(binary, target)
    return target


def module_dir(module: str, path: str) -> Path:
    """The folder of a Go module that ``modules/<module>`` pins: its own manifests are read from there at run time."""
    where = [program("go"), "list", "-m", "-f", "{{.Dir}}", path]
    folder = output(where, cwd=MODULES / module, env=_env()).strip()
    if not folder:
        output([program("go"), "mod", "download", path], cwd=MODULES / module, env=_env())
        folder = output(where, cwd=MODULES / module, env=_env()).strip()
    return Path(folder)


def _compile(binary: Binary, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_suffix(".new")
    flags = ["-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", f"-s -w {binary.ldflags}".strip()]
    with step(f"compile {binary.name}"):
        output([program("go"), "build", *flags, "-o", scratch, binary.package], cwd=MODULES / binary.module, env=_env())
    scratch.rename(target)


def _env() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}


@once
def _go_version() -> str:
    return output([program("go"), "env", "GOVERSION", "GOARCH"]).strip()


def say_what_is_missing(wanted: tuple[Binary, ...]) -> None:
    """Tell a person how much compiling lies ahead."""
    missing = [b.name for b in wanted if not _target(b).exists()]
    if missing:
        say(f"binaries: {len(wanted) - len(missing)} of {len(wanted)} cached; to compile: {', '.join(missing)}")
    else:
        say(f"binaries: all {len(wanted)} cached")
