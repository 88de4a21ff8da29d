"""ParityGate's own wheel, built from the checkout, and the versions that its lock file allows."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.command import output
from tests.cluster.errors import ProgramMissing
from tests.cluster.places import CHECKOUT, cache, digest, locked
from tests.cluster.progress import step

_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "operator/paritygate", "evaluator-image/paritygate_evaluator")


def uv() -> Path:
    """The uv program: of the project's environment, or of the PATH."""
    own = CHECKOUT / ".venv" / "bin" / "uv"
    found = str(own) if own.exists() else shutil.which("uv")
    if not found:
        raise ProgramMissing("uv is not there to fetch Python packages with", "make env, or: python3 -m pip install uv")
    return Path(found)


def built_wheel() -> Path:
    """The wheel of the sources as they are now."""
    folder = cache("wheels") / digest([CHECKOUT / source for source in _SOURCES])
    with locked(cache("wheels") / ".lock"):
        if not folder.exists():
            scratch = folder.with_suffix(".new")
            shutil.rmtree(scratch, ignore_errors=True)
            with step("build the wheel"):
                output([uv(), "build", "-q", "--wheel", "--out-dir", scratch], cwd=CHECKOUT)
            (scratch / ".gitignore").unlink(missing_ok=True)
            scratch.rename(folder)
    return next(folder.glob("*.whl"))


def locked_requirements(extras: Sequence[str] | None) -> str:
    """What the lock file says the wheel with ``extras`` needs, one pinned line each; None = every extra."""
    chosen = ["--all-extras"] if extras is None else [f"--extra={extra}" for extra in extras]
    fixed = ["--frozen", "--no-dev", "--no-emit-project", "--no-hashes", "--no-header", "--no-annotate"]
    return output([uv(), "export", "-q", *fixed, *chosen], cwd=CHECKOUT)


def install(target: Path, requirements: str, *, python: str, constraints: str = "", complete: bool = False) -> None:
    """Install wheels into a folder for a Python like ``3.11``; ``complete``: the list names all that is needed."""
    target.mkdir(parents=True)
    wanted, limits = target.with_suffix(".wanted"), target.with_suffix(".limits")
    wanted.write_text(requirements)
    limits.write_text(constraints)
    words: list[str | Path] = [uv(), "pip", "install", "-q", "--target", target, "--python-version", python]
    words += ["--only-binary", ":all:", "--link-mode", "copy", "-r", wanted, "-c", limits]
    output([*words, *(["--no-deps"] if complete else [])], cwd=CHECKOUT)
    wanted.unlink()
    limits.unlink()
    for script in (target / "bin").glob("*"):
        _point_at_image_python(script)


def _point_at_image_python(script: Path) -> None:
    """A console script names the interpreter that installed it; in the image there is another."""
    head, _, rest = script.read_bytes().partition(b"\n")
    if head.startswith(b"#!") and b"python" in head:
        script.write_bytes(b"#!/usr/bin/python3\n" + rest)
    elif rest.startswith(b"'''exec'"):
        script.write_bytes(b"#!/usr/bin/python3\n" + rest.split(b"\n' '''\n", 1)[1])
