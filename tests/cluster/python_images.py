"""Images of Python programs without Docker: Debian's Python, the locked packages, the program; a layer each."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tests.cluster import torch_layer
from tests.cluster.archive import Entry, Runs, tree, write_image, write_layer
from tests.cluster.places import cache, digest, locked, prune, used
from tests.cluster.progress import step
from tests.cluster.pythonbase import Base, base
from tests.cluster.wheel import built_wheel, install, locked_requirements

_RECIPE = "python-images-1"
# Debian's Python looks here, also when it is told to be isolated from the environment.
_PACKAGES = "/usr/lib/python3/dist-packages"
_SCRIPTS = "/usr/local/bin"
_KEPT_ARCHIVES = 3
_KEPT_LAYERS = 24
# Told to containers: nothing to write and nothing to hold back.
_ENV = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
}


def python_image(
    name: str,
    wheel_extras: Sequence[str] | None,
    entrypoint: Sequence[str],
    extra_files: Mapping[str, Path] | None = None,
    user: int = 65532,
    *,
    packages: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Path:
    """The archive of an image called ``name`` (repository:tag), made once for the same content.

    ``wheel_extras``: install ParityGate's wheel, built from this checkout, with these extras at their locked versions;
    None = no wheel. The extra torch is a layer of its own, and for CPUs only. ``packages``: further packages by name,
    at their locked versions where the lock has them.
    ``extra_files``: files or folders of this machine by their absolute path in the image. Console scripts lie in
    /usr/local/bin, the interpreter is /usr/bin/python3. The container runs as ``user`` and needs to write nothing.
    """
    ground = base()
    small = wheel_extras and [extra for extra in wheel_extras if extra != "torch"]
    layers = [ground.layer, _locked_layer(ground, small, packages)]
    if wheel_extras and small and small != list(wheel_extras):
        layers.append(_torch_layer(ground, small))
    if wheel_extras is not None:
        layers.append(_wheel_layer(ground))
    if extra_files:
        layers.append(_files_layer(extra_files))
    runs = Runs(list(entrypoint), user, {**_ENV, **(env or {})})
    target = cache("images") / digest([_RECIPE, name, repr(runs), *map(str, layers)]) / f"{_file_name(name)}.tar"
    with locked(cache("images") / f".{target.parent.name}.lock"):
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            write_image(target, name, layers, runs)
            _prune(name)
    return used(target)


def _prune(name: str) -> None:
    """Half a gigabyte for every state of the sources: archives of the same image that nobody asks for any more go."""
    repository = _file_name(name.rpartition(":")[0])
    prune((p for p in cache("images").glob("*/*.tar") if p.stem.rpartition("-")[0] == repository), keep=_KEPT_ARCHIVES)
    prune(cache("layers").glob("*.tar"), keep=_KEPT_LAYERS)


def _locked_layer(ground: Base, extras: Sequence[str] | None, packages: Sequence[str]) -> Path:
    """Everything from elsewhere, by the lock file."""
    complete = locked_requirements(extras) if extras is not None else ""
    constraints = locked_requirements(None) if packages else ""

    def fill(folder: Path) -> None:
        if complete:
            install(folder / "locked", complete, python=ground.version, complete=True)
        if packages:
            install(folder / "named", "\n".join(packages), python=ground.version, constraints=constraints)

    title = ", ".join([*(f"extra {extra}" for extra in extras or ()), *packages]) or "no extras"
    return _installed_layer(ground, f"locked packages ({title})", [complete, constraints, *packages], fill)


def _torch_layer(ground: Base, beside: Sequence[str]) -> Path:
    """torch and what it needs that is not there beside it."""
    there = locked_requirements(beside).splitlines()
    lines = [line for line in locked_requirements(["torch"]).splitlines() if line not in there]

    def write(target: Path) -> None:
        folder = target.with_suffix(".folder")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        with step("image layer: torch without CUDA"):
            elsewhere = torch_layer.fill(folder, lines)
            ground.compile(folder, _PACKAGES)
            moved = [replace(entry, path=f"{_PACKAGES}/{entry.path}") for entry in elsewhere]
            write_layer([*moved, *tree(folder, _PACKAGES)], target)
        shutil.rmtree(folder)

    return _layer(digest([_RECIPE, torch_layer.RECIPE, ground.key, *lines]), write)


def _wheel_layer(ground: Base) -> Path:
    """ParityGate itself."""
    wheel = built_wheel()

    def fill(folder: Path) -> None:
        install(folder / "wheel", str(wheel), python=ground.version, complete=True)

    return _installed_layer(ground, "wheel", [wheel], fill)


def _files_layer(files: Mapping[str, Path]) -> Path:
    """Files and folders as they are; folders without compiled Python."""

    def entries() -> list[Entry]:
        made = []
        for at, source in sorted(files.items()):
            if source.is_dir():
                made += [entry for entry in tree(source, at) if "__pycache__" not in Path(entry.path).parts]
            else:
                made.append(Entry(at, source=source, executable=bool(source.stat().st_mode & 0o100)))
        return made

    parts = [part for at, source in sorted(files.items()) for part in (at, source)]
    return _layer(digest([_RECIPE, *parts]), lambda target: write_layer(entries(), target))


def _installed_layer(ground: Base, title: str, inputs: Sequence[str | Path], fill: Callable[[Path], None]) -> Path:
    """A layer of installed packages: ``fill`` installs into folders below the one it is given."""

    def write(target: Path) -> None:
        folder = target.with_suffix(".folder")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        with step(f"image layer: {title}"):
            fill(folder)
            entries: list[Entry] = [Entry(_PACKAGES)]
            for installed in sorted(folder.iterdir()):
                _strip(installed)
                if (installed / "bin").exists():
                    (installed / "bin").rename(folder / f"{installed.name}-scripts")
                    entries += tree(folder / f"{installed.name}-scripts", _SCRIPTS)
                ground.compile(installed, _PACKAGES)
                entries += tree(installed, _PACKAGES)
            write_layer(entries, target)
        shutil.rmtree(folder)

    return _layer(digest([_RECIPE, ground.key, *inputs]), write)


def _layer(key: str, write: Callable[[Path], None]) -> Path:
    target = cache("layers") / f"{key}.tar"
    with locked(cache("layers") / f".{key}.lock"):
        if not target.exists():
            scratch = target.with_suffix(".new")
            write(scratch)
            scratch.rename(target)
    return used(target)


def _strip(folder: Path) -> None:
    """Remove what only developers of the packages need."""
    for path in sorted(folder.rglob("*"), reverse=True):
        wanted_gone = path.name in ("__pycache__", "tests", "testing", "include") or path.suffix in (".pyi", ".pxd")
        if path.is_dir() and wanted_gone and not (path.name == "testing" and path.parent.name == "numpy"):
            shutil.rmtree(path)
        elif path.is_file() and (wanted_gone or path.name in (".lock", "RECORD", "REQUESTED", "direct_url.json")):
            path.unlink()


def _file_name(name: str) -> str:
    return name.rpartition("/")[2].replace(":", "-")
