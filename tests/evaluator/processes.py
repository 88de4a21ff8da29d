"""What the system tells of a process and those below it."""

import time
from pathlib import Path


def children(pid: int) -> list[int]:
    """Ids of the processes it started that have not been waited for."""
    return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def leaves(pid: int) -> list[int]:
    """Ids of the processes below it that have none below them."""
    below = children(pid)
    return sorted(leaf for child in below for leaf in (leaves(child) or [child]))


def connections(pid: int) -> int:
    """How many sockets it holds open, its standard streams left out."""
    held = [entry for entry in Path(f"/proc/{pid}/fd").iterdir() if int(entry.name) > 2]
    return sum(str(entry.readlink()).startswith("socket:") for entry in held)


def gone(pids: list[int]) -> bool:
    """Whether all of them end; whoever is waited for by nobody else may stay as a zombie."""
    until = time.monotonic() + 10
    while any(map(_runs, pids)):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
