"""Work spread over the cores.

Each process has a pipe of its own and shares no lock: the pool of the standard library waits for ever when a signal to
the whole group ends one of its processes at the wrong moment.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Generic, TypeVar

from .usage import UsageError

P = TypeVar("P")
R = TypeVar("R")
_SIGNALS = {signal.SIGINT, signal.SIGTERM}


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


class Workers(Generic[P, R]):
    """Forked processes that each do one part at a time; what `work` refers to is shared, not sent."""

    def __init__(self, work: Callable[[P], R], count: int) -> None:
        context = multiprocessing.get_context("fork")
        self._pipes: list[Connection] = []
        self._processes: list[multiprocessing.context.ForkProcess] = []
        # A signal between the fork and the first line of a process would be told by both.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            for _ in range(count):
                ours, theirs = context.Pipe()
                self._pipes.append(ours)
                process = context.Process(target=_serve, args=(work, theirs, tuple(self._pipes), before), daemon=True)
                process.start()
                theirs.close()
                self._processes.append(process)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def run(self, parts: Sequence[P]) -> Iterator[R]:
        """The results, as they come. Raises UsageError when a process was ended from outside."""
        waiting, busy = list(reversed(parts)), set[Connection]()
        for pipe in self._pipes[: len(parts)]:
            pipe.send(waiting.pop())
            busy.add(pipe)
        while busy:
            ready = set(wait(list(busy)))
            for pipe in [pipe for pipe in busy if pipe in ready]:
                try:
                    result: R = pipe.recv()
                except (EOFError, ConnectionResetError) as error:
                    raise UsageError("a process was ended before it was done; is there memory enough?") from error
                busy.discard(pipe)
                if waiting:
                    pipe.send(waiting.pop())
                    busy.add(pipe)
                yield result

    def end(self) -> None:
        """End every process now."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()


@contextmanager
def spread(work: Callable[[P], R], count: int) -> Iterator[Callable[[Sequence[P]], Iterator[R]]]:
    """A function that does parts on `count` processes, or here if it is one. They end when the block is left."""
    if count < 2:
        yield lambda parts: map(work, parts)
        return
    workers = Workers(work, count)
    try:
        yield workers.run
    finally:
        workers.end()


def _serve(
    work: Callable[[P], R], pipe: Connection, inherited: Sequence[Connection], mask: set[signal.Signals | int]
) -> None:
    """In a process: Ctrl-C reaches everybody at once, and it is the parent who tells and ends."""
    for other in inherited:
        other.close()  # or nobody would see the parent's end
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        while True:
            pipe.send(work(pipe.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone
