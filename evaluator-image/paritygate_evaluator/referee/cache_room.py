"""How much the kept answers may take: whole entries go, those first that were used longest ago.

Several evaluators may do this at once, and any may be killed: an entry first loses its name, so that nobody finds half
of it, then its files. Names that are none of ours are left alone: the folder may be somebody's own.
"""

import contextlib
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

CACHE_BYTES = "PARITYGATE_CACHE_BYTES"
"""Environment variable of the referee with the bytes that all entries may take."""

DEFAULT_BYTES = 10 << 30

_ENTRY = re.compile(r"[0-9a-f]{64}(\..*)?")
"""An entry; with something behind a dot, one that is being made or removed."""
_ABANDONED_SECONDS = 3600.0
"""After which one of the latter is what a killed evaluator left."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """What one entry takes."""

    path: Path
    bytes: int
    used: float

    @property
    def whole(self) -> bool:
        return "." not in self.path.name


def make_room(folder: Path, needed: int, size: int, but: str = "") -> bool:
    """Remove entries until `needed` bytes more fit into `size`; whether they do. The entry named `but` stays.

    Evaluators that do so at the same moment don't see each other's: for a while there may be one entry too many each.
    """
    if needed > size:
        return False
    taken = _entries(folder)
    now = time.time()
    abandoned = [one for one in taken if not one.whole and one.used + _ABANDONED_SECONDS < now]
    oldest = sorted((one for one in taken if one.whole and one.path.name != but), key=lambda one: one.used)
    left = sum(one.bytes for one in taken)
    for one in (*abandoned, *oldest):
        if not one.whole or left + needed > size:
            left -= one.bytes
            remove(one.path)
    return left + needed <= size


def _entries(folder: Path) -> list[_Taken]:
    found = []
    for path in folder.iterdir():
        if not _ENTRY.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
            continue
        try:
            # The whole length, although a part may be empty yet: it is going to be filled.
            length = sum(file.lstat().st_size for file in path.iterdir())
            found.append(_Taken(path, length, path.stat().st_mtime))
        except OSError:
            continue  # gone meanwhile
    return found


def remove(entry: Path) -> None:
    """Remove an entry: its name in one step, then its files."""
    try:
        gone = Path(tempfile.mkdtemp(prefix=f"{entry.name.partition('.')[0]}.", dir=entry.parent))
    except OSError:
        return
    with contextlib.suppress(OSError):  # somebody else removes it
        entry.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
