"""torch for an image, out of this environment, without what only a GPU has a use for.

PyPI's one torch for Linux is linked to CUDA's libraries: 5 GB with them. The loader must find each of them, but on a
CPU nothing in them is ever called. So a large one is replaced by a hollow one of its name, with the same functions, all
of which abort. What torch computes on a CPU is in its own libraries, and those are as they came.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.cluster.archive import Entry
from tests.cluster.command import output, program
from tests.cluster.errors import ClusterError

RECIPE = "torch-layer-1"
_OF_A_GPU = ("nvidia-", "cuda-")
"""Packages of which only the libraries that torch is linked to are taken."""
_COMPILER = "triton"
"""Left out as a whole: it compiles for GPUs, and torch asks whether it is there."""
_LEFT_OUT = re.compile(
    r"\.\./|(.*/)?(__pycache__|include)/|torch/bin/(?!torch_shm_manager)|.*\.(pyi|pxd|a)$|.*/RECORD$"
)
_SMALL = 8 << 20
"""Bytes up to which a library is taken as it is."""


def fill(folder: Path, lines: Sequence[str]) -> list[Entry]:
    """Write what has to be written into ``folder``; entries, relative to it, of all that lies elsewhere.

    ``lines``: pinned requirements, torch among them. Raises ClusterError where this environment holds other versions.
    """
    found = [one for line in lines if (one := _installed(line)) is not None]
    entries: list[Entry] = []
    for dist in found:
        if not dist.name.startswith(_OF_A_GPU):
            entries += _files(dist, folder)
    torch = Path(str(distribution("torch").locate_file("torch/lib")))
    linked = sorted(torch.glob("*.so*"))
    needed = {name for library in linked for name in needed_by(library)}
    for dist in found:
        if dist.name.startswith(_OF_A_GPU):
            entries += _libraries(dist, needed, linked, folder)
    return entries


def _installed(line: str) -> Distribution | None:
    """The package of a requirement; None where it is not for this machine or not wanted."""
    wanted = Requirement(line)
    if wanted.name == _COMPILER or (wanted.marker is not None and not wanted.marker.evaluate()):
        return None
    try:
        dist = distribution(wanted.name)
    except PackageNotFoundError as error:
        raise ClusterError(f"{wanted.name} is not installed, and torch needs it", "make env") from error
    if not wanted.specifier.contains(dist.version, prereleases=True):
        raise ClusterError(
            f"{wanted.name} {dist.version} is installed, the lock file says {wanted.specifier}", "make env"
        )
    return dist


def _files(dist: Distribution, folder: Path) -> Iterator[Entry]:
    for file in dist.files or ():
        source, at = Path(str(dist.locate_file(file))), str(file)
        if _LEFT_OUT.match(at) or not source.is_file():
            continue
        if source.suffix == ".py":  # to be compiled, which writes beside it
            (folder / at).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / at)
        else:
            yield Entry(at, source=source, executable=bool(source.stat().st_mode & 0o100))


def _libraries(dist: Distribution, needed: set[str], callers: Sequence[Path], folder: Path) -> Iterator[Entry]:
    for file in dist.files or ():
        source = Path(str(dist.locate_file(file)))
        if source.name not in needed:
            continue
        if source.stat().st_size > _SMALL:
            (folder / str(file)).parent.mkdir(parents=True, exist_ok=True)
            hollow(source, callers, folder / str(file))
        else:
            yield Entry(str(file), source=source)


def hollow(library: Path, callers: Sequence[Path], target: Path) -> None:
    """A library of that name with every function that the callers take from it."""
    offered = {line.split()[-1].partition("@") for line in _symbols("--defined-only", library)}
    versioned = any(version.lstrip("@") == library.name for _, _, version in offered)
    wanted = {line.split()[-1].partition("@")[0] for caller in callers for line in _symbols("--undefined-only", caller)}
    names = sorted({name for name, _, _ in offered} & wanted)
    source, versions = target.with_suffix(".c"), target.with_suffix(".versions")
    source.write_text("void abort(void);\n" + "".join(f"void {name}(void) {{ abort(); }}\n" for name in names))
    versions.write_text(f"{library.name} {{ *; }};\n")
    words: list[str | Path] = [program("gcc"), "-shared", "-fPIC", "-w", "-fno-builtin", "-s"]
    words += [f"-Wl,-soname,{library.name}", *([f"-Wl,--version-script={versions}"] if versioned else [])]
    output([*words, "-o", target, source])
    source.unlink()
    versions.unlink()


def needed_by(library: Path) -> list[str]:
    """The libraries that the loader must find for one."""
    return re.findall(r"\(NEEDED\).*\[(.+)\]", output([program("readelf"), "-d", library]))


def _symbols(which: str, library: Path) -> list[str]:
    return output([program("nm"), "-D", which, library]).splitlines()
