"""Apart from `ending`, so that the runner stays as lean as the memory it measures."""

import os
import signal
import sys


def end_on_terminate() -> None:
    """Let SIGTERM end this process in order. As the first process of a container it would otherwise be ignored."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def children_end_at_once() -> None:
    """Give forked children the system's own answer to SIGTERM.

    Python's handler runs between two instructions: a worker that is just about to block would take the signal and then
    block for ever, and whoever ends a pool of workers waits for each of them.
    """
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
