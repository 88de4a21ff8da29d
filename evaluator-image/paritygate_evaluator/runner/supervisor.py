"""Between the referee and the two model processes: starts them, gives each its turn, tells when one is lost."""

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..wire import Array, Frame, WireError, receive, send
from .forking import fork
from .item_statistics import item_statistics
from .model_process import GO, NANOSECONDS, STOP, ModelProcess, open_library
from .overlap import first_alike, overlapping
from .rows import InputsError, Rows
from .runtime import Options, RunFailedError
from .template import Template

ROLES = ("baseline", "candidate")
BATCHES = (1, 8, 32, 128)

MOST_INPUT_BYTES = 16 << 30
MOST_RELOADS, MOST_TIMED_ITEMS, MOST_LAYER_ITEMS = 100, 1 << 22, 8


def _waited_for(pid: int) -> int:
    return os.waitpid(pid, 0)[1]


Answer = tuple[Mapping[str, Any], Sequence[Array]]


class ModelLostError(Exception):
    """A model process has ended, or what it would be forked from. The message says how."""

    @classmethod
    def by(cls, status: int, what: str) -> "ModelLostError":
        """The error that tells how `what` ended, given what `os.waitpid` says."""
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGKILL:
            return cls(f"{what} was killed (signal 9): out of memory? Raise the pool's memory limit")
        return cls(f"{what} ended ({f'signal {-code}' if code < 0 else f'exit code {code}'})")


@dataclass(slots=True)
class Turn:
    """One model process, seen from the supervisor."""

    role: str
    pid: int
    sock: socket.socket
    wait: Callable[[int], int] = _waited_for
    """Waits for its end and tells how it ended, as `os.waitpid` does: asked of its parent."""
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
        status, self.pid = self.wait(self.pid), 0
        return ModelLostError.by(status, "its process")

    def end(self) -> None:
        """Close the connection, which ends the process; end it hard when it is at work."""
        self.sock.close()
        if self.pid:
            # Gone before only where its parent has gone.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.wait(self.pid)
            self.pid = 0


@dataclass(slots=True)
class Supervisor:
    """Serves one referee."""

    sock: socket.socket
    models: Mapping[str, Path]
    items: Mapping[str, Rows]
    counts: tuple[int, ...]
    inputs_error: str
    runtime: str
    options: Options
    calibration: Path | None = None
    """The folder of what the candidate was calibrated on, if it is known."""
    _turns: dict[str, Turn] = field(default_factory=dict)
    _waiting: dict[str, Turn] = field(default_factory=dict)
    """Processes for models to be loaded, at once opening the libraries: torch alone takes seconds."""
    _template: Template | None = None
    """What models that are loaded again get their processes from, once one was."""

    def serve(self) -> None:
        """Until the referee says shutdown or goes away."""
        try:
            for role in ROLES:
                self._waiting[role] = self._fork(role)
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
            for turn in (*self._turns.values(), *self._waiting.values()):
                turn.end()
            if self._template is not None:
                self._template.close()

    def _answer(self, frame: Frame) -> Answer:
        try:
            return self._about_one(frame) or self._about_all(frame) or _unknown(frame)
        except ModelLostError as error:
            return {"error": "Lost", "message": str(error)}, ()
        except RunFailedError as error:
            return {"error": "RunFailed", "message": str(error)}, ()

    def _about_one(self, frame: Frame) -> Answer | None:
        """The answer to a request that names a model."""
        role = str(frame.header.get("model", ""))
        match frame.header:
            case {"verb": "load"} if role in ROLES and role not in self._turns:
                return self._load(role), ()
            case {"verb": "reload", "times": int(times)} if role in ROLES and 0 < times <= MOST_RELOADS:
                return self._reload(role, times)
            case {"verb": "outputs", "batch": int(batch)} if role in self._turns:
                asked = {"verb": "outputs", "batch": batch, "perturbation": frame.header.get("perturbation")}
                answer = self._turns[role].ask(asked, frame.arrays)
                return answer.header, answer.arrays
        return None

    def _about_all(self, frame: Frame) -> Answer | None:
        """The answer to a request that is about the items, or about both models."""
        loaded = len(self._turns) == len(ROLES)
        match frame.header:
            case {"verb": "inputs"}:
                return self._inputs(), ()
            case {"verb": "statistics"} if not self.inputs_error:
                return {}, item_statistics(self.items)
            case {"verb": "overlap"} if not self.inputs_error:
                return self._overlap()
            case {"verb": "repeats"} if not self.inputs_error:
                return {}, [first_alike(self.items)]
            case {"verb": "batch"}:
                return self._batch(), ()
            case {"verb": "latency", "second": str(second)} if second in self._turns and "baseline" in self._turns:
                swapped, indices = frame.arrays
                failed = self._renew(bool(swapped[0])) if frame.header.get("fresh") is True else None
                return failed or self._latency(second, swapped, indices)
            case {"verb": "throughput", "size": int(size), "calls": int(calls)} if loaded:
                return self._throughput(size, calls)
            case {"verb": "layers"} if loaded and len(frame.arrays[0]) <= MOST_LAYER_ITEMS:
                return self._layers(frame.arrays[0])
            case {"verb": "memory"}:
                return {r: t.ask({"verb": "memory"}).header.get("bytes", 0) for r, t in self._turns.items()}, ()
        return None

    def _overlap(self) -> Answer:
        try:
            return {}, [overlapping(self.items, self.calibration, MOST_INPUT_BYTES)] if self.calibration else []
        except InputsError as error:
            return {"error": "Inputs", "message": str(error)}, ()

    def _inputs(self) -> dict[str, Any]:
        if self.inputs_error:
            return {"error": "Inputs", "message": self.inputs_error}
        arrays = [
            [name, "str" if a.dtype.kind == "U" else a.dtype.name, list(a.shape[1:])] for name, a in self.items.items()
        ]
        return {"counts": list(self.counts), "inputs": arrays, "threads": self.options.threads}

    def _fork(self, role: str) -> Turn:
        """A process for a model; the inputs are shared. Nothing here has loaded a runtime or started a thread yet."""
        ours, theirs = socket.socketpair()
        with theirs:
            return Turn(role, fork(partial(self._live, role, theirs), (ours, *self._connections())), ours)

    def _fork_again(self, role: str) -> Turn:
        """As `_fork`, quicker: by a template with the library open, where the library allows that.

        The first processes, which answer for all items, open it themselves. What they take of memory is judged, and in
        a forked process a library's own pages come one by one while the model runs, as if they were the model's.
        """
        if self._template is None:
            self._template = Template(partial(open_library, self.runtime), self._live, self._connections())
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                pid = self._template.fork(role, theirs)
            except WireError as error:
                ours.close()
                status = self._template.ended()
                raise ModelLostError.by(status, "the process from which models get theirs") from error
        if pid is None:
            ours.close()
            return self._fork(role)
        return Turn(role, pid, ours, self._template.wait)

    def _live(self, role: str, sock: socket.socket) -> None:
        """What a model's process does."""
        ModelProcess(sock, self.items, self.models[role], self.runtime, self.options).serve()

    def _connections(self) -> list[socket.socket]:
        turns = (*self._turns.values(), *self._waiting.values())
        template = [self._template.sock] if self._template else []
        return [self.sock, *(turn.sock for turn in turns), *template]

    def _renew(self, candidate_first: bool) -> Answer | None:
        """New processes for the loaded models, those there were ended first; why a model didn't load again, if so.

        Which one is loaded first goes by a coin: what it leaves to the other must not always favour the same.
        """
        for turn in self._turns.values():
            turn.end()
        roles = [role for role in (ROLES[::-1] if candidate_first else ROLES) if role in self._turns]
        self._turns.clear()
        for role in roles:
            self._waiting[role] = self._fork_again(role)
        for role in roles:
            answer = self._load(role)
            if "error" in answer:
                return {**answer, "model": role}, ()
        return None

    def _load(self, role: str) -> Mapping[str, Any]:
        turn = self._turns[role] = self._waiting.pop(role) if role in self._waiting else self._fork(role)
        loaded = turn.ask({"verb": "load"}).header
        turn.ports = loaded.get("inputs", ())
        return loaded

    def _reload(self, role: str, times: int) -> Answer:
        """ns of loading a model in processes that have not loaded anything before, its files read a moment ago."""
        took = np.zeros(times, np.int64)
        for at in range(times):
            turn = self._fork_again(role)
            try:
                answer = turn.ask({"verb": "load"}).header
            finally:
                turn.end()
            if "error" in answer:
                return {**answer, "model": role}, ()
            took[at] = answer["nanoseconds"]
        return {}, [took]

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

    def _latency(self, second: str, swapped: Array, indices: Array) -> Answer:
        """Blocks of four calls, ABBA or (swapped) BAAB: A the baseline, B `second`; (blocks, 2) items, one a pair."""
        places = {"baseline": indices, second: indices}
        if second == "baseline":
            places = {second: np.repeat(indices, 2, axis=1)}
        order = [place for is_swapped in swapped for place in ((2, 0, 1, 3) if is_swapped else (0, 2, 3, 1))]
        error, took = self._series(places, 1, ["baseline" if place < 2 else second for place in order])
        if error:
            return error, ()
        times = np.zeros((len(swapped), 4), np.int64)
        times[np.repeat(np.arange(len(swapped)), 4), order] = took
        return {}, [times]

    def _throughput(self, size: int, calls: int) -> Answer:
        """ns of calls of `size` items each, (calls, 2): both models on the same items, AB, BA, AB and so on."""
        if size < 1 or calls < 1 or size * calls > MOST_TIMED_ITEMS:
            raise RunFailedError(f"the runner was asked for {calls} calls of {size} items")
        indices = np.arange(size * calls, dtype=np.int64) % len(next(iter(self.items.values())))
        order = [role for call in range(calls) for role in (ROLES if call % 2 == 0 else ROLES[::-1])]
        error, took = self._series(dict.fromkeys(ROLES, indices), size, order)
        if error:
            return error, ()
        times = took.reshape(calls, 2)
        times[1::2] = times[1::2, ::-1]
        return {}, [times]

    def _series(
        self, places: Mapping[str, Array], size: int, order: Sequence[str]
    ) -> tuple[Mapping[str, Any], npt.NDArray[np.int64]]:
        """Timed calls of `size` items in this order of models, each on its `places`; an error, or the ns of each."""
        turns = {role: self._turns[role] for role in places}
        started: list[Turn] = []
        with _one_core([turn.pid for turn in turns.values()]):
            for role, turn in turns.items():
                answer = turn.ask({"verb": "time", "size": size}, [places[role].reshape(-1)]).header
                if "error" in answer:
                    for waiting in started:
                        waiting.sock.sendall(STOP)
                        waiting.finish()
                    return {**answer, "model": role}, np.zeros(0, np.int64)
                started.append(turn)
            took = np.array([_timed(turns[role]) for role in order], np.int64)
            for turn in turns.values():
                turn.finish()
        return {}, took

    def _layers(self, indices: Array) -> Answer:
        """What is between inputs and outputs: names by model, then the baseline's tensors and the candidate's."""
        names: dict[str, Any] = {}
        tensors: list[Array] = []
        for role in ROLES:
            answer = self._turns[role].ask({"verb": "layers"}, [indices])
            if "error" in answer.header:
                return {**answer.header, "model": role}, ()
            names[role] = answer.header["names"]
            tensors += answer.arrays
        return {"names": names}, tensors


def _unknown(frame: Frame) -> Answer:
    return {"error": "RunFailed", "message": f"the runner can't answer the request {str(dict(frame.header))[:300]}"}, ()


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
