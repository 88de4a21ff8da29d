"""Where things lie: the cache of artefacts (shared, keyed by content) and the state of each named cluster.

Nothing is ever written into the checkout. ``PARITYGATE_CACHE`` moves both; ``PARITYGATE_CLUSTER`` names the cluster,
so that two checkouts share one by meaning the same name and never by accident of a path.
"""

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path

from tests.cluster.errors import ClusterError

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
MODULES = HERE / "modules"

_IN_USE_SECONDS = 3600.0


class Profile(StrEnum):
    """How much of a cluster is wanted."""

    API = "api"
    FULL = "full"


def cache_root() -> Path:
    """The folder that all artefacts and states lie under."""
    named = os.environ.get("PARITYGATE_CACHE")
    if named:
        return Path(named).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).expanduser() if base else Path.home() / ".cache") / "paritygate"


def cache(kind: str) -> Path:
    """The folder of one kind of artefact, made if need be."""
    folder = cache_root() / kind
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cluster_name(profile: Profile, name: str | None = None) -> str:
    """The name of a cluster; the API-only one stands beside the whole one under a name of its own."""
    chosen = name or os.environ.get("PARITYGATE_CLUSTER") or "paritygate"
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", chosen):
        raise ClusterError(
            f"cluster name {chosen!r} is not a DNS label of at most 32 characters",
            "choose lower-case letters, digits and dashes in --name or PARITYGATE_CLUSTER",
        )
    return f"{chosen}-api" if profile is Profile.API else chosen


def state_dir(cluster: str) -> Path:
    """The folder that holds everything a running cluster writes."""
    return cache_root() / "clusters" / cluster


def models_dir(state: Path) -> Path:
    """The folder of models that every node sees: PARITYGATE_MODELS, or one of the cluster's own that goes with it."""
    folder = Path(os.environ.get("PARITYGATE_MODELS") or state / "models").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def digest(parts: Iterable[str | bytes | Path]) -> str:
    """The key of an artefact: a hash over strings, and over names and contents of files and folders."""
    total = hashlib.sha256()
    for part in parts:
        for piece in _pieces(part):
            total.update(len(piece).to_bytes(8, "big"))
            total.update(piece)
    return total.hexdigest()[:16]


def _pieces(part: str | bytes | Path) -> Iterator[bytes]:
    if isinstance(part, bytes):
        yield part
    elif isinstance(part, str):
        yield part.encode()
    elif part.is_dir():
        for path in sorted(p for p in part.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            yield str(path.relative_to(part)).encode()
            yield path.read_bytes()
    else:
        yield part.name.encode()
        yield part.read_bytes()


def used(artefact: Path) -> Path:
    """Note that an artefact is used now; the artefact."""
    os.utime(artefact)
    return artefact


def prune(artefacts: Iterable[Path], keep: int) -> list[Path]:
    """Remove files that nobody asked for any more: all but the `keep` used last; those that were removed.

    What was used within the hour stays: somebody may be about to read it.
    """
    last = {path: path.stat().st_mtime for path in artefacts}
    newest_first = sorted(last, key=last.__getitem__, reverse=True)
    old = [path for path in newest_first[keep:] if last[path] < time.time() - _IN_USE_SECONDS]
    for path in old:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # not empty: it holds more than the one
            path.parent.rmdir()
    return old


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file alone; others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
