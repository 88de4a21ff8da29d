"""How many cores this process may use.

A runtime that takes the host's cores inside a pod of two runs five times slower: its threads wait for each other while
the quota is spent. So the quota decides.
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def usable_cores(proc: Path = Path("/proc/self/cgroup"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores by the tightest CPU quota of this control group and its parents (v1 or v2) and by affinity; at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for quota in _quotas(proc, groups) if quota > 0]
    return max(1, int(min([float(affinity), *quotas])))


def _quotas(proc: Path, groups: Path) -> Iterator[float]:
    try:
        lines = proc.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            for folder in _upwards(groups, path):
                yield _quota_v2(folder / "cpu.max")
        elif "cpu" in controllers.split(","):
            for root in (groups / controllers, groups / "cpu"):
                for folder in _upwards(root, path):
                    yield _quota_v1(folder)


def _upwards(root: Path, path: str) -> Iterator[Path]:
    # In a container the mounted tree may start at our own group: then only the root of it exists.
    relative = PurePosixPath(path.lstrip("/"))
    if ".." not in relative.parts:
        for level in (relative, *relative.parents):
            yield root / level
    yield root


def _quota_v2(file: Path) -> float:
    match _words(file):
        case [quota, period] if quota.isdecimal() and period.isdecimal() and int(period):
            return int(quota) / int(period)
    return 0.0


def _quota_v1(folder: Path) -> float:
    match _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us"):
        case [quota, period] if quota.isdecimal() and period.isdecimal() and int(period):
            return int(quota) / int(period)
    return 0.0


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []
