"""Between the referee and the two model processes: starts them, gives each its turn, tells when one is lost."""

import contextlib
import os
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..wire import Array, Frame, WireError, receive, send
from .model_process import GO, NANOSECONDS, run_forked
from .runtime import Options

ROLES = ("baseline", "candidate")
BATCHES = (1, 8, 32, 128)


class ModelLostError(Exception):
    """A model process has ended. The message says how."""


@dataclass(slots=True)
class Turn:
    """One model process, seen from the supervisor."""

    role: str
    pid: int
    sock: socket.socket
    ports: Sequence[Any] = ()
    """Its inputs, [name, dtype, shape] each, once it is loaded."""

    def ask(self, header: Mapping[str, Any], arrays: Sequence[Array] = ()) -> Frame:
        """One request, one answer. Raises ModelLostError."""
        try:
            send(self.sock, header, arrays)
            return receive(self.sock)
        except WireError as error:
            raise self.lost() from error

    def finish(self) -> None:
        """Take the frame that ends a series of timed calls. Raises ModelLostError."""
        try:
            receive(self.sock)
        except WireError as error:
            raise self.lost() from error

    def lost(self) -> ModelLostError:
        """The error that tells how the process ended."""
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.pid = 0
        if code == -signal.SIGKILL:
            return ModelLostError("its process was killed (signal 9): out of memory? Raise the pool's memory limit")
        return ModelLostError(f"its process ended ({f'signal {-code}' if code < 0 else f'exit code {code}'})")

    def end(self) -> None:
        """Close the connection, which ends the process; end it hard when it is at work."""
        self.sock.close()
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0


@dataclass(slots=True)
class Supervisor:
    """Serves one referee."""

    sock: socket.socket
    models: Mapping[str, Path]
    items: Mapping[str, Array]
    counts: tuple[int, ...]
    inputs_error: str
    runtime: str
    options: Options
    _turns: dict[str, Turn] = field(default_factory=dict)

    def serve(self) -> None:
        """Until the referee says shutdown or goes away."""
        try:
            while True:
                frame = receive(self.sock)
                if frame.header.get("verb") == "shutdown":
                    send(self.sock, {})
                    return
                header, arrays = self._answer(frame)
                send(self.sock, header, arrays)
        except WireError:
            return
        finally:
            for turn in self._turns.values():
                turn.end()

    def _answer(self, frame: Frame) -> tuple[Mapping[str, Any], Sequence[Array]]:
        role = str(frame.header.get("model", ""))
        try:
            match frame.header:
                case {"verb": "inputs"}:
                    return self._inputs(), ()
                case {"verb": "load", "model": str()} if role in ROLES and role not in self._turns:
                    turn = self._start(role)
                    loaded = turn.ask({"verb": "load"}).header
                    turn.ports = loaded.get("inputs", ())
                    return loaded, ()
                case {"verb": "batch"}:
                    return self._batch(), ()
                case {"verb": "outputs", "model": str(), "batch": int(batch)} if role in self._turns:
                    answer = self._turns[role].ask({"verb": "outputs", "batch": batch}, frame.arrays)
                    return answer.header, answer.arrays
                case {"verb": "latency", "second": str(role)} if role in self._turns:
                    return self._latency(role, frame.arrays[0], frame.arrays[1])
                case {"verb": "memory"}:
                    return {r: t.ask({"verb": "memory"}).header.get("bytes", 0) for r, t in self._turns.items()}, ()
        except ModelLostError as error:
            return {"error": "Lost", "message": str(error)}, ()
        return {"error": "RunFailed", "message": f"the runner does not know the request {dict(frame.header)}"}, ()

    def _inputs(self) -> dict[str, Any]:
        if self.inputs_error:
            return {"error": "Inputs", "message": self.inputs_error}
        arrays = [
            [name, "str" if a.dtype.kind == "U" else a.dtype.name, list(a.shape[1:])] for name, a in self.items.items()
        ]
        return {"counts": list(self.counts), "inputs": arrays, "threads": self.options.threads}

    def _start(self, role: str) -> Turn:
        """Fork: the inputs are in memory once, shared. Nothing here has loaded a runtime or started a thread yet."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            # A copy of another model's connection held open here would hide its end from that model.
            for inherited in (ours, self.sock, *(turn.sock for turn in self._turns.values())):
                inherited.close()
            run_forked(theirs, self.items, self.models[role], self.runtime, self.options)
        theirs.close()
        turn = Turn(role, pid, ours)
        self._turns[role] = turn
        return turn

    def _batch(self) -> dict[str, Any]:
        """The batch size with the fewest seconds an item for both models together."""
        fixed = any(shape[0] == 1 for turn in self._turns.values() for _, _, shape in turn.ports)
        sizes = BATCHES[:1] if fixed else BATCHES
        seconds: dict[str, dict[str, float]] = {}
        for role, turn in self._turns.items():
            answer = turn.ask({"verb": "sweep", "sizes": sizes}).header
            if "error" in answer:
                return {**answer, "model": role}
            seconds[role] = answer["seconds"]
        tried = [size for size in sizes if all(str(size) in one for one in seconds.values())]
        total = {size: sum(one[str(size)] for one in seconds.values()) for size in tried}
        best = min(tried, key=total.__getitem__)
        return {"batch": best, "seconds": total[best]}

    def _latency(self, second: str, swapped: Array, indices: Array) -> tuple[Mapping[str, Any], Sequence[Array]]:
        """Blocks of four calls, ABBA or (swapped) BAAB: A the baseline, B `second`; (blocks, 2) items, one a pair."""
        first, other = self._turns["baseline"], self._turns[second]
        both = (first,) if first is other else (first, other)
        with _one_core([turn.pid for turn in both]):
            for turn in both:
                places = np.repeat(indices, 2, axis=1) if first is other else indices
                answer = turn.ask({"verb": "time"}, [places.reshape(-1)]).header
                if "error" in answer:
                    return {**answer, "model": turn.role}, ()
            times = np.zeros((len(swapped), 4), np.int64)
            for block, is_swapped in enumerate(swapped):
                for place in (2, 0, 1, 3) if is_swapped else (0, 2, 3, 1):
                    times[block, place] = _timed(first if place < 2 else other)
            for turn in both:
                turn.finish()
        return {}, [times]


@contextlib.contextmanager
def _one_core(pids: Sequence[int]) -> Iterator[None]:
    """Keep these processes, which take turns, on one core: the one where the scheduler has the first just now.

    On cores of their own, a neighbour on one of them makes two identical models differ for as long as it stays there.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(pids[0])
    core = int(Path(f"/proc/{pids[0]}/stat").read_text().rpartition(")")[2].split()[36])
    try:
        for pid in pids:
            os.sched_setaffinity(pid, {core})
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(pid, allowed)


def _timed(turn: Turn) -> int:
    try:
        turn.sock.sendall(GO)
        answer = turn.sock.recv(NANOSECONDS, socket.MSG_WAITALL)
    except OSError as error:
        raise turn.lost() from error
    if len(answer) < NANOSECONDS:
        raise turn.lost()
    return int.from_bytes(answer, "little")
