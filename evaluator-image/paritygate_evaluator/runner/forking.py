"""How the runner's processes begin and end: by a fork of what is there already, and never after their parent."""

import ctypes
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable

from ..wire import WireError

_PR_SET_PDEATHSIG = 1
"""Of linux/prctl.h. Other systems have none: there a process ends when it finds its connection closed."""


def fork(life: Callable[[], None], inherited: Iterable[socket.socket]) -> int:
    """The id of a new process that does `life` and ends. It dies with this process, and closes what is `inherited`:

    a copy of another process's connection held open would hide its end from that process.
    """
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _live(life, inherited, parent)
    return pid


def _live(life: Callable[[], None], inherited: Iterable[socket.socket], parent: int) -> None:
    """Never returns."""
    status = 1
    try:
        _die_with(parent)
        for connection in inherited:
            connection.close()
        life()
        status = 0
    except (WireError, OSError):
        status = 0  # the parent has gone: nobody to tell
    finally:
        if status:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        # Not sys.exit: what the parent registered to run at its own end must not run here.
        os._exit(status)


def _die_with(parent: int) -> None:
    """Have the system kill this process when `parent` ends, however it ends and whatever runs here."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise ProcessLookupError(f"process {parent} ended before this one began")
