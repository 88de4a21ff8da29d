"""A process that has opened a runtime's library once and forks model processes from there.

torch takes three seconds of a processor to open, and every round of latency has two new processes. The supervisor does
not open it itself: it would hold 300 MiB for as long as it lives, and what it forks must be able to start threads.
"""

import gc
import os
import signal
import socket
import stat
from collections.abc import Callable, Iterable
from functools import partial

from ..wire import WireError
from .forking import fork

Life = Callable[[str, socket.socket], None]
"""What the process of a model does, given the model's role and a connection to the supervisor."""

_LONGEST = 64
"""Bytes of a message."""


class Template:
    """Seen from the supervisor. It waits for what it forked only when asked: until then an id is nobody else's."""

    def __init__(self, open_library: Callable[[], None], life: Life, inherited: Iterable[socket.socket]) -> None:
        self.sock, theirs = socket.socketpair()
        self.pid = fork(partial(_serve, theirs, open_library, life), (self.sock, *inherited))
        theirs.close()

    def fork(self, role: str, connection: socket.socket) -> int | None:
        """The id of a new process with the library open; raises WireError when the template has ended.

        None where that would not be safe: opening the library has started threads, of which a fork has none whatever
        they held, or has opened a device, which is of no use after a fork. From then on there is no template.
        """
        if not self.pid:
            return None
        pid = self._asked(f"fork {role}", connection)
        if not pid:
            self.close()
        return pid or None

    def wait(self, pid: int) -> int:
        """How a process that it forked ended, as `os.waitpid` says it."""
        try:
            return self._asked(f"wait {pid}")
        except WireError:
            return signal.SIGKILL  # what it forked dies with it

    def close(self) -> None:
        """End it. What it forked and was not waited for dies with it."""
        self.sock.close()
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self.ended()

    def ended(self) -> int:
        """Wait for its end: how it ended, as `os.waitpid` says it."""
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return status

    def _asked(self, message: str, *connections: socket.socket) -> int:
        try:
            socket.send_fds(self.sock, [message.encode()], [one.fileno() for one in connections])
            answer = self.sock.recv(_LONGEST)
        except OSError as error:
            raise WireError(f"the template has ended: {error}") from error
        if not answer:
            raise WireError("the template has ended")
        return int(answer)


def _serve(control: socket.socket, open_library: Callable[[], None], life: Life) -> None:
    """The template's own life, until the supervisor closes the connection."""
    open_library()
    # What is there by now stays: to look for garbage in it would copy every page of it in each process.
    gc.freeze()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, _LONGEST, 1)
        match message.decode().split():
            case ["fork", role]:
                with socket.socket(fileno=descriptors[0]) as connection:
                    pid = fork(partial(life, role, connection), (control,)) if _can_be_forked() else 0
                control.send(str(pid).encode())
            case ["wait", pid]:
                control.send(str(os.waitpid(int(pid), 0)[1]).encode())
            case _:
                return


def _can_be_forked() -> bool:
    """Whether it is certain that a fork of this process is as good as the process itself."""
    try:
        descriptors = {int(name) for name in os.listdir("/proc/self/fd")} - {0, 1, 2}
        return len(os.listdir("/proc/self/task")) == 1 and not any(map(_is_device, descriptors))
    except OSError:
        return False


def _is_device(descriptor: int) -> bool:
    try:
        return stat.S_ISCHR(os.fstat(descriptor).st_mode)
    except OSError:
        return False  # the one by which they were listed
