"""The cgroups that nodes keep their pods in: made ready before, emptied and removed after. Version 1 and version 2."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def ensure(cgroup: str) -> None:
    """Make a cgroup in every hierarchy, ready to take pods."""
    for hierarchy in _hierarchies():
        folder = hierarchy
        for part in Path(cgroup).parts[1:]:
            if not _is_v1(hierarchy):
                _delegate(folder)
            parent, folder = folder, folder / part
            folder.mkdir(exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):
                # A version 1 cpuset is born empty and takes no process until it is filled.
                if _is_v1(hierarchy) and (folder / name).exists() and not (folder / name).read_text().strip():
                    (folder / name).write_text((parent / name).read_text())
        if not _is_v1(hierarchy):
            _delegate(folder)


def processes(cgroup: str) -> set[int]:
    """Every process in a cgroup or below it."""
    found: set[int] = set()
    for hierarchy in _everywhere():
        for listing in (hierarchy / cgroup.lstrip("/")).rglob("cgroup.procs"):
            with suppress(OSError):
                found.update(int(pid) for pid in listing.read_text().split())
    return found


def remove(cgroup: str, patience: float = 10.0) -> None:
    """Kill what is left in a cgroup, then remove it and all below it."""
    deadline = time.monotonic() + patience
    while (left := processes(cgroup)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    for hierarchy in _everywhere():
        top = hierarchy / cgroup.lstrip("/")
        folders = sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True) if top.exists() else []
        for folder in [*folders, top]:
            with suppress(OSError):
                folder.rmdir()


def _everywhere() -> list[Path]:
    """Every mounted hierarchy: one of version 2, or those of version 1 and maybe an unused one of version 2 beside."""
    if _is_v2_root(_ROOT):
        return [_ROOT]
    return [path for path in sorted(_ROOT.iterdir()) if not path.is_symlink() and (path / "cgroup.procs").exists()]


def _hierarchies() -> list[Path]:
    """The hierarchies that limit pods."""
    everywhere = _everywhere()
    return [path for path in everywhere if _is_v1(path)] or everywhere


def _is_v2_root(path: Path) -> bool:
    return (path / "cgroup.controllers").exists()


def _is_v1(hierarchy: Path) -> bool:
    return not _is_v2_root(hierarchy)


def _delegate(folder: Path) -> None:
    """Version 2: let children of ``folder`` use the controllers that it may use itself."""
    for controller in (folder / "cgroup.controllers").read_text().split():
        with suppress(OSError):
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")
