"""Long-running processes of a cluster, known by pid AND start time AND boot, so that a reused pid is never touched.

A process is described by what it should be (`Daemon`); `Daemons.ensure` starts it if it does not run, restarts it if
it runs as something else, and leaves it alone otherwise. Each carries a marker in its environment: a process that was
started just before a crash, and so never recorded, is still found and ended.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.cluster.command import program
from tests.cluster.places import digest

MARKER = "PARITYGATE_CLUSTER_STATE"
_KILL_SECONDS = 10.0
# More than once: in the first instant of a process its environment can not be read yet.
_SCANS = 3
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Daemon:
    """One process as it should be; ``inputs`` are the files whose change asks for a restart."""

    name: str
    argv: tuple[str, ...]
    inputs: tuple[Path, ...] = ()
    path: tuple[Path, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    def key(self) -> str:
        """What must be equal for a running process to count as this one."""
        return digest([*self.argv, *map(str, self.path), json.dumps(dict(self.env), sort_keys=True), *self.inputs])


@dataclass(frozen=True, slots=True)
class Recorded:
    """A process that was started: enough to tell it from any other that ever gets its pid."""

    pid: int
    started: int
    boot: str
    key: str


class Daemons:
    """The processes of one cluster, recorded under its state folder."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._records = state / "processes"
        self._logs = state / "logs"

    def ensure(self, daemon: Daemon) -> bool:
        """Make ``daemon`` run; True if it had to be started."""
        recorded = self._read(daemon.name)
        key = daemon.key()
        if recorded and _alive(recorded):
            if recorded.key == key:
                return False
            self.stop(daemon.name)
        self._start(daemon, key)
        return True

    def pid(self, name: str) -> int | None:
        """The pid of a live process, or None."""
        recorded = self._read(name)
        return recorded.pid if recorded and _alive(recorded) else None

    def names(self) -> list[str]:
        """Every process that was started and not stopped, dead or alive."""
        return sorted(path.stem for path in self._records.glob("*.json"))

    def log(self, name: str) -> Path:
        """Where a process writes what it says."""
        return self._logs / f"{name}.log"

    def log_end(self, name: str, characters: int = 1500) -> str:
        """The last of what a process said."""
        path = self.log(name)
        return path.read_text(errors="replace")[-characters:] if path.exists() else ""

    def stop(self, name: str, patience: float = 10.0) -> None:
        """End one process: asked first, then made to."""
        recorded = self._read(name)
        if recorded:
            end([recorded.pid], lambda pid: pid == recorded.pid and _alive(recorded), patience)
        (self._records / f"{name}.json").unlink(missing_ok=True)

    def kill_all(self) -> None:
        """Kill everything that was started here, recorded or found by its marker, until nothing is left."""
        for name in self.names():
            self.stop(name, patience=0.0)
        self.kill_marked()

    def kill_marked(self, word: str = "") -> None:
        """Kill what carries this cluster's marker and, where a word is given, names it in its command line."""
        for _ in range(_SCANS):
            found = self._marked(word)
            end(list(found), partial(_is, found), 0.0)
            time.sleep(0.02)

    def _marked(self, word: str) -> dict[int, int]:
        """Start times by pid."""
        mine = str(self._state)
        pids = [pid for pid in _pids() if _marker(pid) == mine and word in _command_line(pid)]
        return {pid: started for pid in pids if (started := _started(pid)) is not None}

    def _start(self, daemon: Daemon, key: str) -> None:
        self._records.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        env = {
            "PATH": ":".join([*map(str, daemon.path), _PATH]),
            "HOME": str(self._state),
            MARKER: str(self._state),
            **daemon.env,
        }
        log = str(self.log(daemon.name))
        pid = os.posix_spawn(
            program(daemon.argv[0]),
            list(daemon.argv),
            env,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        record = {"pid": pid, "started": _started(pid) or 0, "boot": _boot(), "key": key}
        path = self._records / f"{daemon.name}.json"
        scratch = path.with_suffix(".new")
        scratch.write_text(json.dumps(record))
        scratch.rename(path)

    def _read(self, name: str) -> Recorded | None:
        path = self._records / f"{name}.json"
        return Recorded(**json.loads(path.read_text())) if path.exists() else None


def end(pids: list[int], still: Callable[[int], bool], patience: float) -> None:
    """Ask processes to end, wait, then make them; before every signal ``still`` says whether a pid is still meant.

    With no patience they are not asked.
    """
    rounds = [(signal.SIGTERM, patience)] if patience else []
    for number, seconds in [*rounds, (signal.SIGKILL, _KILL_SECONDS)]:
        for pid in filter(still, pids):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while any(still(pid) for pid in pids) and time.monotonic() < deadline:
            for pid in pids:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(0.02)


def _is(born: Mapping[int, int], pid: int) -> bool:
    return _started(pid) == born[pid]


def _alive(recorded: Recorded) -> bool:
    return recorded.boot == _boot() and _started(recorded.pid) == recorded.started


def _started(pid: int) -> int | None:
    """Start time in clock ticks since boot; None for a process that is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _pids() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _marker(pid: int) -> str | None:
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    prefix = f"{MARKER}=".encode()
    return next((e.removeprefix(prefix).decode(errors="replace") for e in entries if e.startswith(prefix)), None)
